"""The search lives in the record: its candidates are tags of the plan's parent run."""

from pathlib import Path

from ablation.record.ledger import Ledger
from ablation.search.record import SearchRecord, read_candidates, read_given_up
from ablation.search.search import GivenUp, Tried
from ablation.space.design import STUDY
from ablation.store.storage import Storage
from tests.builders.candidates import LISTS
from tests.builders.recorders import recorder_of
from tests.builders.trials import plan


def test_what_was_written_down_is_there_for_the_next_command(ledger: Ledger, tmp_path: Path) -> None:
    changes: list[str] = []
    recorder = recorder_of(ledger, Storage(str(tmp_path / "store")), names={})
    journal = SearchRecord(recorder, ["fold"], STUDY, lambda: changes.append("changed"))
    everything = LISTS.everything or ()
    tried = [
        Tried(number, candidate, tuple(plan(LISTS.points(candidate))))
        for number, candidate in enumerate(everything[:2], start=1)
    ]
    for one in tried:
        journal.introduce(one)
        journal.announce(one)
    tried[1].given_up = GivenUp("worse", (0.25,))
    journal.give_up(tried[1])

    tags = ledger.client.get_run(recorder.parent).data.tags
    assert read_candidates(tags) == journal.candidates() == {1: everything[0], 2: everything[1]}
    assert read_given_up(tags) == journal.given_up() == {2: GivenUp("worse", (0.25,))}
    assert list(recorder.names.values())[:2] == ["no_fine_tuning fold=1", "no_fine_tuning fold=2"]
    assert changes == ["changed", "changed"]


def test_a_trial_that_was_stopped_early_is_kept_until_it_is_to_be_run_whole(
    ledger: Ledger, tmp_path: Path
) -> None:
    recorder = recorder_of(ledger, Storage(str(tmp_path / "store")), names={})
    trial = plan(LISTS.points((LISTS.everything or ())[1]))[0]
    recorder.add({trial.key: "a trial"})
    epoch = {"epoch": 1, "at": 1.0, "validation/bone/dsc": 0.25}
    recorder.prune(trial, [epoch], 0.25, 3.0)
    (run,) = ledger.pruned_under(recorder.parent)
    assert (run.info.status, run.data.tags["stop_reason"]) == ("KILLED", "pruned")
    assert run.data.metrics["pruned/score"] == run.data.metrics["validation/bone/dsc"] == 0.25
    assert ledger.finished() == {}

    recorder_of(ledger, recorder.storage, names={}).add({"another": "trial"})
    assert len(ledger.pruned_under(recorder.parent)) == 1
    recorder_of(ledger, recorder.storage, names={}).add({trial.key: "a trial"})
    assert ledger.pruned_under(recorder.parent) == []
