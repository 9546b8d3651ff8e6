"""What is read from MLflow's tables is what MLflow's own search gives."""

from pathlib import Path

from ablation.compat import database_of
from ablation.record.ledger import Ledger
from ablation.record.run_table import read_experiment_tags, read_runs
from tests.builders.records import record_trial


def test_rows_make_the_same_runs_as_the_search(ledger: Ledger, tmp_path: Path) -> None:
    runs = [record_trial(ledger, space=space, fold=fold) for space in ("a", "b") for fold in (1, 2)]
    ledger.remove(runs[0])
    ledger.client.set_terminated(runs[1], "FAILED")
    store = database_of(ledger.client)
    assert store is not None
    experiments = [*ledger.experiment_tags()]
    read = read_runs(store, experiments, status="FINISHED", tag=("kind", "trial"))
    searched = ledger.client.search_runs(
        experiments, "attributes.status = 'FINISHED' and tags.kind = 'trial'"
    )
    assert [run.info for run in read] == [run.info for run in searched]
    assert [run.info.run_id for run in read] == runs[:1:-1]
    for ours, theirs in zip(read, searched, strict=True):
        assert ours.data.params == theirs.data.params
        assert ours.data.metrics == theirs.data.metrics
        assert ours.data.tags == theirs.data.tags
    assert read_runs(store, experiments[:1], status="KILLED", tag=("kind", "trial")) == []


def test_the_tags_of_all_experiments_are_those_of_the_search(ledger: Ledger) -> None:
    experiments = [ledger.experiment(name) for name in ("tagged twice", "as it was made", "deleted")]
    for name in ("one", "two"):
        ledger.tag_experiment(experiments[0], name, "here")
    ledger.client.delete_experiment(experiments[2])
    store = database_of(ledger.client)
    assert store is not None
    read = read_experiment_tags(store)
    assert read == {found.experiment_id: found.tags for found in ledger.client.search_experiments()}
    assert {"one", "two"} <= read[experiments[0]].keys()
    assert "0" in read, "MLflow's own, which has no tags"
