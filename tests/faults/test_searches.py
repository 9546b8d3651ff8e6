"""A search is killed: given again it goes on with what it knew, and no trial is run twice."""

from pathlib import Path

import pytest

from ablation.search.record import read_candidates
from tests.faults.bench import GRID, Bench
from tests.faults.cluster import SharedCluster
from tests.faults.conftest import Undisturbed

pytestmark = pytest.mark.slow

SEARCH = """
  - strategy: conservative
    tuned_layers: [fc, 9, 15]
t2_train_size: [2]
learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}
folds: [1]
seeds: [0, 1]
search:
  method: optuna
  trials: 8
  objective: validation/air/dsc
  start:
    - {strategy: conservative, tuned_layers: 15, learning_rate: 1.0e-3}
    - {strategy: conservative, tuned_layers: fc, learning_rate: 1.0e-2}
"""
STOPPED_EARLY = SEARCH.replace("trials: 8", "trials: 8\n  pruning: {epochs: true}")


def sampled(bench: Bench) -> list[str]:
    """The candidates in the record."""
    (parent,) = bench.ledger.plans("faults")
    return [candidate.to_json() for candidate in read_candidates(parent.data.tags).values()]


@pytest.mark.exhaustive  # tests/ablation/search begins again from the record
def test_a_killed_search_goes_on_with_what_it_knew(
    bench: Bench,
    undisturbed: Undisturbed,
    cluster: SharedCluster,
    tiny_heads: Path,
    blank_record: Path,
    tmp_path: Path,
) -> None:
    bench.write_space(GRID, SEARCH)
    hold = bench.order("hold", "conservative fc", 2)
    bench.kill_at(hold)
    before, done = sampled(bench), len(bench.runs("FINISHED"))
    assert (len(before), done) == (2, 2), "the second candidate was begun"

    again = bench.run()
    assert again.last_line == f"8 trials: 8 finished ({done} reused), 0 failed"
    assert "the budget is spent: 8 of 8 trials; with more, others sampled" in again.said
    assert sampled(bench)[:2] == before
    assert len(sampled(bench)) == 4
    assert {len(results) for results in bench.results().values()} == {1}
    assert (len(bench.runs()), bench.running(), bench.left_behind()) == (8, 0, [])

    whole = Bench(tmp_path / "whole", tiny_heads, blank_record, undisturbed.store, cluster)
    whole.write_space(GRID, SEARCH)
    whole.run()
    assert sampled(whole) == sampled(bench), "it sampled what it would have sampled"
    assert bench.run().last_line == "8 trials: 8 finished (8 reused), 0 failed", "the budget stays spent"


@pytest.mark.exhaustive  # tests/ablation/search has the rule
def test_a_trial_that_is_stopped_early_is_recorded_as_such_and_runs_whole_for_a_grid(bench: Bench) -> None:
    bench.options += ["--set", "training.validate_every=1"]
    bench.write_space(GRID, STOPPED_EARLY.replace("trials: 8", "trials: 16"))
    command = bench.run()
    stopped = bench.ledger.pruned_under(bench.ledger.plans("faults")[0].info.run_id)
    assert stopped, command.last_line
    for run in stopped:
        assert run.info.status == "KILLED"
        assert run.data.tags["stop_reason"] == "pruned"
        assert run.data.metrics["pruned/score"] >= 0
        assert run.data.tags["trial_key"] not in bench.ledger.finished()
    assert ", 0 failed, " in command.last_line
    assert command.last_line.endswith(" pruned")
    given_again = bench.run()
    assert given_again.last_line.partition(" (")[0] == command.last_line.partition(" (")[0]
    assert len(bench.ledger.pruned_under(bench.ledger.plans("faults")[0].info.run_id)) == len(stopped)

    layers, rate = (stopped[0].data.params[name] for name in ("tuned_layers", "learning_rate"))
    grid = SEARCH[: SEARCH.index("search:")].replace("[fc, 9, 15]", f"[{layers}]")
    bench.write_space(GRID, grid.replace("{log_uniform: [1.0e-4, 1.0e-2]}", f"[{float(rate)!r}]"))
    assert bench.run().last_line.startswith("2 trials: 2 finished")
    assert stopped[0].data.tags["trial_key"] in bench.ledger.finished()
