"""The driver is killed, stopped, doubled: each trial is recorded once, with the same numbers."""

import os
import signal

import pytest

from tests.faults.bench import LEASE, TRIALS, Bench, compare
from tests.faults.cluster import SharedCluster
from tests.faults.commands import alive, family, started, wait_for_end_of_work, wait_until
from tests.faults.conftest import Undisturbed
from tests.faults.inject.sitecustomize import AT_THE_END

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "stop",
    [
        signal.SIGTERM,  # as the scheduler of a cluster gives it
        # `test_ctrl_c_at_a_terminal_reaches_all_processes` has it too.
        pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive),
    ],
    ids=["terminated", "interrupted"],
)
def test_a_killed_and_a_stopped_driver_go_on_where_they_were(
    lone_bench: Bench, cluster: SharedCluster, undisturbed: Undisturbed, stop: signal.Signals
) -> None:
    """The first has a Ray of its own, which ends with it; the others join a cluster."""
    first = lone_bench.order("hold", "conservative 15", 3)
    killed = lone_bench.start()
    lone_bench.wait_for_hold(first, killed)
    processes = family(killed.pid)
    killed.kill(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    wait_for_end_of_work(processes)
    lone_bench.release(first)

    lone_bench.join(cluster)
    second = lone_bench.order("hold", "conservative 9", 2)
    stopped = lone_bench.start()
    worker = lone_bench.wait_for_hold(second, stopped)
    stopped.kill(stop)
    assert stopped.wait() == 130, stopped.said
    assert "Traceback" not in stopped.said
    assert "re-run the same command to resume: python -m ablation.run --space" in stopped.said
    done = len(lone_bench.runs("FINISHED"))
    not_done = len(TRIALS) - done
    assert stopped.last_line == f"4 trials: {done} finished (0 reused), 0 failed, {not_done} not started"
    assert lone_bench.running() == 0
    wait_until(lambda: not started(worker), "the worker ends with its driver")
    lone_bench.release(second)

    assert lone_bench.run().last_line == f"4 trials: 4 finished ({done} reused), 0 failed"
    assert compare(lone_bench, undisturbed.results).passed
    assert lone_bench.steps("conservative 15") == [1, 2, 3, 3, 4]
    assert lone_bench.steps("conservative 9") == [1, 2, 2, 3, 4]
    assert len(lone_bench.runs()) == len(TRIALS)
    assert lone_bench.left_behind() == []
    wait_until(lambda: not alive(processes), "nothing of the first one's Ray is left")


def test_ctrl_c_at_a_terminal_reaches_all_processes(lone_bench: Bench) -> None:
    """As a user gives it, and with the report that is written at the end."""
    hold = lone_bench.order("hold", "conservative 15", 2)
    command = lone_bench.start_unchanged()
    lone_bench.wait_for_hold(hold, command)
    processes = family(command.pid)
    os.killpg(command.pid, signal.SIGINT)
    assert command.wait() == 130, command.said
    assert "Traceback" not in command.said
    done = len(lone_bench.runs("FINISHED"))
    not_done = len(TRIALS) - done
    assert command.last_line == f"4 trials: {done} finished (0 reused), 0 failed, {not_done} not started"
    assert lone_bench.running() == 0
    wait_for_end_of_work(processes)


def test_what_a_worker_left_is_delivered_by_the_next_driver(bench: Bench, undisturbed: Undisturbed) -> None:
    hold = bench.order("hold", "conservative 15", AT_THE_END)
    killed = bench.start()
    worker = bench.wait_for_hold(hold, killed)
    killed.kill()
    killed.wait()
    wait_until(lambda: not started(worker), "the worker ends with its driver")
    bench.release(hold)
    assert bench.run().last_line == "4 trials: 4 finished (0 reused), 0 failed"
    assert bench.steps("conservative 15") == [1, 2, 3, 4], "it was not trained again"
    assert compare(bench, undisturbed.results).passed
    assert bench.left_behind() == []


def test_two_drivers_share_the_trials(bench: Bench, undisturbed: Undisturbed) -> None:
    drivers = [bench.start(), bench.start()]
    for driver in drivers:
        assert driver.wait() == 0, driver.said
        assert driver.last_line.startswith("4 trials: 4 finished")
    assert compare(bench, undisturbed.results).passed
    assert len(bench.runs()) == len(TRIALS)
    assert len(bench.ledger.plans("faults")) == 1
    assert bench.left_behind() == []


def test_one_driver_takes_over_from_another_that_was_killed(bench: Bench, undisturbed: Undisturbed) -> None:
    hold = bench.order("hold", "conservative 15", 3)
    killed = bench.start()
    worker = bench.wait_for_hold(hold, killed)
    other = bench.start()
    wait_until(lambda: len(bench.runs("FINISHED")) == 3 or other.over, "the other has done the rest")
    assert not other.over, other.said
    assert bench.steps("conservative 15") == [1, 2, 3], "the other leaves it alone"
    killed.kill()
    killed.wait()
    wait_until(lambda: not started(worker), "the worker ends with its driver")
    bench.release(hold)
    assert other.wait() == 0, other.said
    assert other.last_line == "4 trials: 4 finished (0 reused), 0 failed"
    assert bench.steps("conservative 15") == [1, 2, 3, 3, 4]
    assert compare(bench, undisturbed.results).passed
    assert len(bench.runs()) == len(TRIALS)


def test_a_driver_that_was_stopped_past_its_lease_records_nothing_twice(
    bench: Bench, undisturbed: Undisturbed
) -> None:
    """Its machine slept, say, while another took over what it was at work on."""
    bench.write_space("lease_seconds: 30", "lease_seconds: 5")
    hold = bench.order("hold", "conservative 15", 3)
    stopped = bench.start()
    bench.wait_for_hold(hold, stopped)
    stopped.kill(signal.SIGSTOP)
    bench.release(hold)
    other = bench.start()
    assert other.wait() == 0, other.said
    assert other.last_line.startswith("4 trials: 4 finished")
    stopped.kill(signal.SIGCONT)
    assert stopped.wait() == 0, stopped.said
    assert stopped.last_line.startswith("4 trials: 4 finished")
    assert compare(bench, undisturbed.results).passed
    assert len(bench.runs()) == len(TRIALS)
    assert bench.left_behind() == []


# `test_a_driver_whose_clock_is_behind_by_leases_keeps_its_claim` has the claim alone.
@pytest.mark.exhaustive
def test_two_drivers_whose_clocks_are_apart_leave_each_others_trials_alone(
    bench: Bench, undisturbed: Undisturbed
) -> None:
    """By the clock of the one that is ahead the other's heartbeats are older than a lease."""
    hold = bench.order("hold", "conservative 15", 3)
    behind = bench.start()
    bench.wait_for_hold(hold, behind)
    ahead = bench.start_ahead(2 * LEASE)
    wait_until(lambda: len(bench.runs("FINISHED")) == 3 or ahead.over, "the other has done the rest")
    assert not ahead.over, ahead.said
    bench.release(hold)
    for driver in (behind, ahead):
        assert driver.wait() == 0, driver.said
        assert driver.last_line.startswith("4 trials: 4 finished")
    assert bench.steps("conservative 15") == [1, 2, 3, 4], "it was trained once"
    assert compare(bench, undisturbed.results).passed
    assert len(bench.runs()) == len(TRIALS)
    assert bench.left_behind() == []
