"""Trials that raise, lose their worker or run out of memory: the sweep goes on."""

import os
import signal

import pytest

from tests.faults.bench import Bench, compare
from tests.faults.conftest import Undisturbed

pytestmark = pytest.mark.slow


def test_failures_of_single_trials(bench: Bench, undisturbed: Undisturbed) -> None:
    """One fails twice, one always, and one loses its worker; given again, the command does what is left."""
    bench.order("raise", "conservative fc", 2, times=2, message="the first two times")
    always = bench.order("raise", "conservative 9", 2, times=1000, message="bad luck")
    hold = bench.order("hold", "conservative 15", 3)
    command = bench.start()
    os.kill(bench.wait_for_hold(hold, command), signal.SIGKILL)
    bench.release(hold)
    assert command.wait() == 1, command.said
    assert command.last_line == "4 trials: 3 finished (0 reused), 1 failed"
    assert "bad luck" in command.said
    assert "Traceback" not in command.said
    assert bench.running() == 0

    (failed,) = bench.runs("FAILED")
    assert failed.data.tags["error"] == "RuntimeError: bad luck"
    text = bench.ledger.read_file(failed.info.run_id, "error.txt")
    assert text is not None
    assert b"in raise_error" in text
    # Tried three times, each from the checkpoint of the epoch before.
    assert bench.steps("conservative 9") == [1, 2, 2, 2]
    assert bench.steps("conservative fc") == [1, 2, 2, 2, 3, 4]
    assert bench.steps("conservative 15") == [1, 2, 3, 3, 4]

    always.unlink()
    assert bench.run().last_line == "4 trials: 4 finished (3 reused), 0 failed"
    assert compare(bench, undisturbed.results).passed
    assert bench.runs("FAILED") == []
    assert bench.left_behind() == []


def test_the_same_error_in_a_row_stops_the_sweep(bench: Bench) -> None:
    bench.write_space("lease_seconds: 30", "lease_seconds: 30, retries: 0, stop_after: 2")
    for trial in ("conservative 15", "conservative 9", "conservative fc"):
        bench.order("raise", trial, 1, times=1000, message="the disk of Babel is full")
    command = bench.run(status=1)
    assert command.last_line == "4 trials: 0 finished (0 reused), 2 failed, 2 not started"
    assert "2 trials in a row failed with the same error: RuntimeError: the disk of Babel" in command.said
    assert "re-run the same command to resume" in command.said


@pytest.mark.exhaustive  # tests/ablation/sweep has the rule
def test_a_full_gpu_is_shared_by_fewer_trials(bench: Bench, undisturbed: Undisturbed) -> None:
    bench.write_space("gpus: 0", "gpus: 0.3")
    bench.order("no_memory", "conservative fc", 2, times=2)
    bench.run()
    assert compare(bench, undisturbed.results).passed
    (fuller,) = [run for run in bench.runs("FINISHED") if "out_of_memory" in run.data.tags]
    assert fuller.data.tags["out_of_memory"] == "with 0.6 of a GPU, tried again with 1"
    assert fuller.data.params["tuned_layers"] == "fc"


def test_a_worker_loads_what_trials_need_and_nothing_of_the_record(undisturbed: Undisturbed) -> None:
    """Seconds of its start and hundreds of megabytes; what a process has loaded is seen by its libraries."""
    of_driver, of_worker = undisturbed.loaded
    assert "/torch/" in of_worker
    for package in ("/sqlalchemy/", "/matplotlib/"):
        assert package in of_driver
        assert package not in of_worker
