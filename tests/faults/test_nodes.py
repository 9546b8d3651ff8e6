"""A machine of a cluster is lost: its trials go on elsewhere."""

from collections.abc import Iterator

import pytest
from ray.cluster_utils import Cluster

from tests.faults.bench import Bench, compare
from tests.faults.cluster import start_cluster
from tests.faults.commands import started, wait_until
from tests.faults.conftest import Undisturbed

pytestmark = pytest.mark.slow


@pytest.fixture
def machines(lone_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head that runs no trials and two machines that run one each."""
    for name, value in lone_bench.worker_environment.items():
        monkeypatch.setenv(name, value)
    there = start_cluster(num_cpus=0)
    for _ in range(2):
        there.add_node(num_cpus=1)
    there.wait_for_nodes()
    yield there
    there.shutdown()


# A machine that joins takes over in the next test, which counts the epochs as well.
@pytest.mark.exhaustive
def test_a_lost_machine_costs_at_most_an_epoch(
    lone_bench: Bench, undisturbed: Undisturbed, machines: Cluster
) -> None:
    lone_bench.options = ["--max-concurrent", "2", "--address", machines.address]
    holds = [lone_bench.order("hold", trial, 3) for trial in ("conservative 15", "conservative 9")]
    command = lone_bench.start()
    workers = [lone_bench.wait_for_hold(hold, command) for hold in holds]
    machines.remove_node(machines.list_all_nodes()[-1], allow_graceful=False)
    wait_until(lambda: not all(started(worker) for worker in workers), "a worker goes with its machine")
    for hold in holds:
        lone_bench.release(hold)
    assert command.wait() == 0, command.said
    assert compare(lone_bench, undisturbed.results).passed
    assert_cost_an_epoch(lone_bench)
    assert lone_bench.left_behind() == []


def assert_cost_an_epoch(bench: Bench) -> None:
    steps = [bench.steps(trial) for trial in ("conservative 15", "conservative 9")]
    # The lost worker may have got a step further before it went.
    assert [sorted(set(made)) for made in steps] == [[1, 2, 3, 4]] * 2
    assert sum(map(len, steps)) == 9


@pytest.mark.exhaustive  # test_drivers.py loses workers
def test_a_machine_that_joins_takes_over_what_a_lost_one_left(
    lone_bench: Bench, undisturbed: Undisturbed, machines: Cluster
) -> None:
    lone_bench.options = ["--max-concurrent", "2", "--address", machines.address]
    holds = {trial: lone_bench.order("hold", trial, 3) for trial in ("conservative 15", "conservative 9")}
    command = lone_bench.start()
    workers = {trial: lone_bench.wait_for_hold(hold, command) for trial, hold in holds.items()}
    # The other one stays held, so that its machine has no room.
    machines.remove_node(machines.list_all_nodes()[-1], allow_graceful=False)
    wait_until(lambda: not all(map(started, workers.values())), "a worker goes with its machine")
    [lost] = [trial for trial, worker in workers.items() if not started(worker)]
    again = lone_bench.order("hold", lost, 4)
    holds[lost].unlink()
    machines.add_node(num_cpus=1)
    assert lone_bench.wait_for_hold(again, command) not in workers.values()
    for hold in (again, *(hold for trial, hold in holds.items() if trial != lost)):
        lone_bench.release(hold)
    assert command.wait() == 0, command.said
    assert compare(lone_bench, undisturbed.results).passed
    assert_cost_an_epoch(lone_bench)
    assert lone_bench.left_behind() == []
