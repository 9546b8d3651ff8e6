"""A sweep of varied settings on several pretrained networks: killed, failing, one for each candidate."""

import shutil
from pathlib import Path

import pytest

import ablation
from tests.faults.bench import GRID, Bench
from tests.faults.cluster import SharedCluster
from tests.faults.conftest import Undisturbed

pytestmark = pytest.mark.slow

VARIED = """
  - strategy: no_fine_tuning
  - strategy: open
network.normalisation: [batch, instance]
training.loss: [cross_entropy_dice, dice]
t2_train_size: [2]
learning_rate: [1.0e-3]
folds: [1]
seeds: [0]
pretraining_seeds: [0, 1]
"""
"""Four pretrained networks; on each no_fine_tuning, and open with two losses."""
SEARCH = """
  - strategy: conservative
    tuned_layers: fc
pretraining.learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}
t2_train_size: [2]
learning_rate: [1.0e-3]
folds: [1]
seeds: [0]
pretraining_seeds: [0]
search: {method: optuna, trials: 3, objective: validation/air/dsc}
"""


@pytest.fixture(autouse=True)
def _short_and_without_networks(bench: Bench) -> None:
    shutil.rmtree(bench.output / "store" / "encoders")
    bench.options += ["--set", "training.max_epochs=2"]


def networks_trained(bench: Bench) -> list[str]:
    """Names of pretrained networks whose training was begun, in order."""
    return [name for name, _, _ in bench.all_steps() if name.startswith("pretrained network")]


def network_runs(bench: Bench) -> list[str]:
    """How the trainings in the record ended."""
    experiment = bench.ledger.experiment("pretraining")
    return [run.info.status for run in bench.ledger.client.search_runs([experiment])]


@pytest.mark.exhaustive  # test_drivers.py kills a sweep, test_pretraining.py what trains a network
def test_trials_start_with_their_network_and_a_killed_sweep_goes_on(
    bench: Bench,
    undisturbed: Undisturbed,
    cluster: SharedCluster,
    tiny_heads: Path,
    blank_record: Path,
    tmp_path: Path,
) -> None:
    bench.write_space(GRID, VARIED)
    hold = bench.order("hold", "pretrained network instance 1")
    bench.kill_at(hold)
    before = len(bench.runs("FINISHED"))
    assert before == 3 * (len(networks_trained(bench)) - 1), "trials of the networks that are there"

    assert bench.run().last_line == f"12 trials: 12 finished ({before} reused), 0 failed"
    names = [
        f"pretrained network {normalisation} {seed}"
        for normalisation in ("batch", "instance")
        for seed in (0, 1)
    ]
    wanted = sorted([*names, "pretrained network instance 1"])
    assert sorted(networks_trained(bench)) == wanted, "none twice but that"
    assert network_runs(bench) == ["FINISHED"] * 4
    assert (bench.running(), bench.left_behind()) == (0, [])

    whole = Bench(tmp_path / "whole", tiny_heads, blank_record, undisturbed.store, cluster)
    whole.options += ["--set", "training.max_epochs=2"]
    whole.write_space(GRID, VARIED)
    whole.run()
    assert whole.results() == bench.results(), "as if nothing had happened"
    assert bench.run().last_line == "12 trials: 12 finished (12 reused), 0 failed"

    table, _ = ablation.results("faults", output=bench.output, tracking_uri=bench.tracking_uri)
    varied = ["strategy", "network.normalisation", "training.loss", "pretraining_seed"]
    assert len(table[varied].drop_duplicates()) == 12
    assert set(table["network.normalisation"]) == {"batch", "instance"}
    assert set(table["pretraining_seed"]) == {0, 1}
    assert set(table.loc[table["strategy"] == "no_fine_tuning", "training.loss"]) == {""}


@pytest.mark.exhaustive  # tests/ablation/sweep/test_pretraining.py has one that fails
def test_a_network_that_fails_takes_its_own_trials_with_it(bench: Bench) -> None:
    bench.write_space(GRID, VARIED)
    order = bench.order("raise", "pretrained network instance 0", message="it does not converge", times=99)
    failed = bench.run(status=1)
    assert failed.last_line == "12 trials: 9 finished (0 reused), 3 failed"
    assert "the pretrained network of recipe" in failed.said
    assert "it does not converge" in failed.said
    assert sorted(network_runs(bench)) == ["FAILED", "FINISHED", "FINISHED", "FINISHED"]
    order.unlink()
    assert bench.run().last_line == "12 trials: 12 finished (9 reused), 0 failed"
    assert sorted(network_runs(bench)) == ["FINISHED"] * 4


@pytest.mark.exhaustive  # tests/ablation/search has it without a kill
def test_a_search_of_a_setting_of_the_network_trains_one_for_each_candidate(bench: Bench) -> None:
    bench.write_space(GRID, SEARCH)
    hold = bench.order("hold", "conservative fc", 2)
    bench.kill_at(hold)
    assert bench.run().last_line == "3 trials: 3 finished (0 reused), 0 failed"
    assert network_runs(bench) == ["FINISHED"] * 3
    assert len(networks_trained(bench)) == 3, "what was trained before is used"
    assert bench.run().last_line == "3 trials: 3 finished (3 reused), 0 failed"
