"""The driver is killed, interrupted, doubled: each trial is recorded once, with the same numbers."""

import os
import signal
import subprocess
import sys

import pytest

from tests.faults.bench import TRIALS, Bench, compare
from tests.faults.commands import alive, family, started, wait_for_end_of_work, wait_until
from tests.faults.conftest import Undisturbed
from tests.faults.inject.sitecustomize import AT_THE_END

pytestmark = pytest.mark.slow


def test_a_killed_and_an_interrupted_driver_go_on_where_they_stopped(
    lone_bench: Bench, undisturbed: Undisturbed
) -> None:
    first = lone_bench.order("hold", "conservative 15", 3)
    killed = lone_bench.start()
    lone_bench.wait_for_hold(first, killed)
    processes = family(killed.pid)
    killed.kill(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    wait_for_end_of_work(processes)
    left = processes
    lone_bench.release(first)

    second = lone_bench.order("hold", "conservative 9", 2)
    interrupted = lone_bench.start()
    lone_bench.wait_for_hold(second, interrupted)
    processes = family(interrupted.pid)
    interrupted.kill(signal.SIGINT)
    assert interrupted.wait() == 130, interrupted.said
    assert "Traceback" not in interrupted.said
    assert "re-run the same command to resume: python -m ablation.run --space" in interrupted.said
    done = len(lone_bench.runs("FINISHED"))
    not_done = len(TRIALS) - done
    assert interrupted.last_line == (
        f"4 trials: {done} finished (0 reused), 0 failed, {not_done} not started"
    )
    assert lone_bench.running() == 0
    wait_for_end_of_work(processes)
    lone_bench.release(second)

    assert lone_bench.run().last_line == f"4 trials: 4 finished ({done} reused), 0 failed"
    assert compare(lone_bench, undisturbed.results).passed
    assert lone_bench.steps("conservative 15") == [1, 2, 3, 3, 4]
    assert lone_bench.steps("conservative 9") == [1, 2, 2, 3, 4]
    assert len(lone_bench.runs()) == len(TRIALS)
    assert lone_bench.left_behind() == []
    wait_until(lambda: not alive({**left, **processes}), "nothing of Ray is left")


def test_ctrl_c_at_a_terminal_reaches_all_processes(lone_bench: Bench) -> None:
    """As a user gives it, and with the report that is written at the end."""
    hold = lone_bench.order("hold", "conservative 15", 2)
    command = [sys.executable, "-m", "ablation.run", *lone_bench.arguments()]
    with subprocess.Popen(
        command,
        env={**os.environ, **lone_bench.worker_environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        wait_until(lambda: hold.with_suffix(".held").exists() or process.poll() is not None, "a trial runs")
        processes = family(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    done = len(lone_bench.runs("FINISHED"))
    not_done = len(TRIALS) - done
    last_line = output.strip().splitlines()[-1]
    assert last_line == f"4 trials: {done} finished (0 reused), 0 failed, {not_done} not started"
    assert lone_bench.running() == 0
    wait_for_end_of_work(processes)


def test_the_sigterm_of_a_cluster_s_scheduler_ends_it_as_ctrl_c_does(bench: Bench) -> None:
    hold = bench.order("hold", "conservative 15", 2)
    stopped = bench.start()
    bench.wait_for_hold(hold, stopped)
    stopped.kill(signal.SIGTERM)
    assert stopped.wait() == 130, stopped.said
    assert "re-run the same command to resume" in stopped.said
    assert bench.running() == 0


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
