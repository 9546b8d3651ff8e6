"""Somebody installed libraries without the pins."""

from ablation.sweep.doctor.finding import Status
from ablation.sweep.doctor.versions import check_versions, versions_here


def test_what_the_tests_run_with_is_fine() -> None:
    finding = check_versions()
    assert finding.status == Status.OK
    for name in ("Python 3.", "torch 2.", "ray 2.", "mlflow 3.", "t1t2-ablation"):
        assert name in finding.found


def test_a_release_that_was_not_tried_is_to_be_looked_at() -> None:
    finding = check_versions({**versions_here(), "ray": "2.99.0"})
    assert finding.status == Status.WARN
    assert "tried with ray 2.60" in finding.advice
    assert "pip install -c constraints.txt" in finding.advice


def test_a_library_that_is_missing_is_a_failure() -> None:
    finding = check_versions({**versions_here(), "torch": "none"})
    assert finding.status == Status.FAIL
    assert "not installed by pip: torch;" in finding.advice
