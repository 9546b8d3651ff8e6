"""Somebody who waits sees how far the trials are."""

import pytest

from ablation.sweep.progress import Progress, clock, log_now_and_then


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00:00"), (59.4, "0:00:59"), (59.6, "0:01:00"), (3661, "1:01:01"), (360_000, "100:00:00")],
)
def test_time_is_shown_as_hours_minutes_seconds(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_log_file_gets_a_line_but_not_one_for_each_change(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ablation")
    progress = Progress([120.0] * 63, estimated_seconds=3600, show=log_now_and_then())
    progress.running = 2
    progress.show()
    progress.done = 1
    progress.show()
    assert caplog.messages == ["0 of 63 trials done, 2 running, 0 failed, about 1:00:00 left"]


def test_the_time_left_follows_the_trials_that_ended(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ablation.sweep.progress.time.monotonic", lambda: now)
    progress = Progress([1.0] * 10, estimated_seconds=5, show=lines.append)
    now += 60
    progress.done, progress.failed = 3, 1
    progress.show()
    # 4 of 10 took a minute, so the other 6 take one and a half; the estimate was far too low.
    assert lines == ["3 of 10 trials done, 0 running, 1 failed, about 0:01:30 left"]


def test_long_trials_that_come_first_do_not_make_the_time_left_too_long(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ablation.sweep.progress.time.monotonic", lambda: now)
    progress = Progress([60.0] * 4 + [5.0] * 40, estimated_seconds=220, show=lines.append)
    now += 120
    progress.done, progress.running = 3, 2
    progress.show()
    # 180 of the estimated 440 s are done, and half of those of the two that run: 212.5 s took two minutes.
    assert lines == ["3 of 44 trials done, 2 running, 0 failed, about 0:02:08 left"]


def test_an_estimate_that_has_passed_is_not_negative(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ablation.sweep.progress.time.monotonic", lambda: now)
    progress = Progress([1.0] * 10, estimated_seconds=5, show=lines.append)
    now += 60
    progress.show()
    assert lines == ["0 of 10 trials done, 0 running, 0 failed, about 0:00:00 left"]
