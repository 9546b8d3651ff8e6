"""Two drivers share a record: each knows whether the other is still at work."""

import subprocess
import sys
import time

import pytest

from ablation.names import DRIVER, HEARTBEAT
from ablation.record.driver import GONE_LEASES, heartbeat, is_live, this_driver

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


@pytest.mark.parametrize("ahead", [-2 * LEASE, 0, 2 * LEASE], ids=["behind", "the same", "ahead"])
@pytest.mark.parametrize("machine", ["another", this_driver().partition("/")[0]], ids=["elsewhere", "here"])
def test_a_driver_is_gone_once_it_has_not_beaten_for_a_lease_whatever_its_clock(
    machine: str, ahead: float
) -> None:
    """Here it hangs."""
    lease, process = 0.5, this_driver().partition("/")[2]
    tags = {DRIVER: f"{machine}/{process}", HEARTBEAT: f"{time.time() + ahead / LEASE * lease:.3f}"}
    assert is_live(tags, lease)
    time.sleep(lease)
    assert not is_live(tags, lease)
    assert is_live({**tags, HEARTBEAT: f"{time.time() + ahead / LEASE * lease:.3f}"}, lease)


def test_a_driver_whose_last_heartbeat_is_very_old_is_gone_at_the_first_look() -> None:
    tags = {DRIVER: "another machine/1/1", HEARTBEAT: f"{time.time() - 2 * GONE_LEASES * LEASE:.0f}"}
    assert not is_live(tags, LEASE)


def test_a_run_of_nobody_is_not_at_work() -> None:
    assert not is_live({}, LEASE)
