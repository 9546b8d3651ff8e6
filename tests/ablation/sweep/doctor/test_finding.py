"""Each check ends in one line, also one that breaks or hangs."""

import threading

from ablation.sweep.doctor.finding import Check, Finding, Status, has_failed, summary


def broken() -> Finding:
    raise PermissionError(13, "Permission denied\nand more", "/data/ours")


def test_a_check_that_raises_has_failed_with_its_reason_in_a_line() -> None:
    finding = Check("locks", broken).finding()
    assert finding.status == Status.FAIL
    assert str(finding).startswith("fail  locks: PermissionError: [Errno 13] Permission denied")
    assert str(finding).endswith("; see that /data is there and yours (ls -ld)")
    assert "\n" not in str(finding)
    told = Check("gpu", lambda: Finding("gpu", Status.OK, str(1 // 0))).finding()
    assert (told.found[:17], bool(told.advice)) == ("ZeroDivisionError", True)


def test_a_check_that_hangs_does_not_hold_up_the_others() -> None:
    never = threading.Event()

    def hang() -> Finding:
        never.wait()
        return Finding("disk", Status.OK, "")

    finding = Check("disk", hang).finding(patience=0.05)
    never.set()
    assert str(finding).startswith("fail  disk: no answer within 0.05 s; see whether")


def test_a_finding_tells_what_to_do_and_no_secret() -> None:
    told = str(Finding("record", Status.WARN, "http://me:secret@host:5000 is\n slow", "move it"))
    assert told == "warn  record: http://host:5000 is slow; move it"


def test_the_last_line_counts() -> None:
    findings = [Finding("a", status, "") for status in (*[Status.OK] * 12, Status.WARN, Status.FAIL)]
    assert summary(findings) == "14 checks: 12 ok, 1 to look at, 1 failed"
    assert summary(findings[:1]) == "1 check: 1 ok, 0 to look at, 0 failed"
    assert (has_failed(findings), has_failed(findings[:13])) == (True, False), "warnings are allowed"
