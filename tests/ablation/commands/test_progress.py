"""Somebody who waits sees how far the trials are."""

import pytest

from ablation.commands.progress import LiveLine, clock


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00:00"), (59.4, "0:00:59"), (59.6, "0:01:00"), (3661, "1:01:01"), (360_000, "100:00:00")],
)
def test_time_is_shown_as_hours_minutes_seconds(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_log_file_gets_a_line_but_not_one_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveLine([120.0] * 63, estimated_seconds=3600) as line:
        line.running = 2
        line.show()
        line.done = 1
        line.show()
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == ["0 of 63 trials done, 2 running, 0 failed, about 1:00:00 left"]


def test_the_time_left_follows_the_trials_that_ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ablation.commands.progress.time.monotonic", lambda: now)
    line = LiveLine([1.0] * 10, estimated_seconds=5)
    now += 60
    line.done, line.failed = 3, 1
    line.show()
    # 4 of 10 took a minute, so the other 6 take one and a half; the estimate was far too low.
    assert "3 of 10 trials done, 0 running, 1 failed, about 0:01:30 left" in capsys.readouterr().err


def test_long_trials_that_come_first_do_not_make_the_time_left_too_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ablation.commands.progress.time.monotonic", lambda: now)
    line = LiveLine([60.0] * 4 + [5.0] * 40, estimated_seconds=220)
    now += 120
    line.done, line.running = 3, 2
    line.show()
    # 180 of the estimated 440 s are done, and half of those of the two that run: 212.5 s took two minutes.
    assert "3 of 44 trials done, 2 running, 0 failed, about 0:02:08 left" in capsys.readouterr().err


def test_an_estimate_that_has_passed_is_not_negative(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("ablation.commands.progress.time.monotonic", lambda: now)
    line = LiveLine([1.0] * 10, estimated_seconds=5)
    now += 60
    line.show()
    assert "about 0:00:00 left" in capsys.readouterr().err
