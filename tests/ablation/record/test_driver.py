"""Two drivers share a record: each knows whether the other is still at work."""

import subprocess
import sys
import time

import pytest

from ablation.names import DRIVER, HEARTBEAT
from ablation.record.driver import heartbeat, is_live, this_driver

LEASE = 60.0


def tags_of_another_process() -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A driver that has beaten once and waits."""
    program = "from ablation.record.driver import this_driver; print(this_driver(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout is not None
    return process, {**heartbeat(this_driver()), DRIVER: process.stdout.readline().strip()}


def test_a_driver_at_work_is_live_and_has_a_name_of_its_own() -> None:
    assert is_live(heartbeat(this_driver()), LEASE)
    assert heartbeat(this_driver())[DRIVER] == this_driver()
    process, tags = tags_of_another_process()
    with process:
        assert is_live(tags, LEASE)
        assert tags[DRIVER] != this_driver()
        process.kill()


def test_a_killed_driver_of_this_machine_is_gone_at_once() -> None:
    process, tags = tags_of_another_process()
    with process:
        process.kill()
    assert not is_live(tags, LEASE)


def test_a_killed_driver_that_nobody_has_waited_for_is_gone_too() -> None:
    process, tags = tags_of_another_process()
    with process:
        process.kill()
        while is_live(tags, LEASE):
            time.sleep(0.01)


def test_a_process_number_that_is_used_again_is_no_driver() -> None:
    machine, number, started = this_driver().rsplit("/", 2)
    assert not is_live({**heartbeat(this_driver()), DRIVER: f"{machine}/{number}/{int(started) - 1}"}, LEASE)


@pytest.mark.parametrize(("age", "live"), [(LEASE / 2, True), (2 * LEASE, False)])
def test_a_driver_elsewhere_is_gone_once_its_lease_has_run_out(age: float, live: bool) -> None:
    tags = {DRIVER: f"another machine/{1}/{1}", HEARTBEAT: f"{time.time() - age:.0f}"}
    assert is_live(tags, LEASE) is live


def test_a_hanging_driver_of_this_machine_is_gone_once_its_lease_has_run_out() -> None:
    assert not is_live({**heartbeat(this_driver()), HEARTBEAT: f"{time.time() - 2 * LEASE:.0f}"}, LEASE)


def test_a_run_of_nobody_is_not_at_work() -> None:
    assert not is_live({}, LEASE)
