"""Whatever users write, and whatever their scans look like: it is used, or refused with one message."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.attempt import attempt
from tests.fuzz.campaign import main
from tests.fuzz.kinds import KINDS, try_one
from tests.fuzz.scans import WAYS, Damage

FEWER = 4
"""By which the inputs of a kind are divided where all of them would take too long."""
EXAMPLES = {
    "search space": 150,
    "override": 150,
    "manifest": 80,
    "split file": 60,
    "description": 40,
    "BIDS names": 60,
    "file name": 30,
    "scan": 60,
}


@pytest.mark.parametrize(
    "fewer", [FEWER, pytest.param(1, marks=pytest.mark.exhaustive)], ids=["a quarter", "all"]
)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_input_of_any_kind_is_used_or_refused(name: str, fewer: int) -> None:
    kind = KINDS[name]
    results = set()

    @settings(
        max_examples=EXAMPLES[name] // fewer,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def try_it(drawn: Any) -> None:
        tried = try_one(kind, drawn)
        assert not tried.is_bug, tried.details
        results.add(tried.result)

    try_it()
    assert "refused" in results


@pytest.mark.parametrize("way", sorted(WAYS))
def test_every_way_to_spoil_a_scan_has_been_tried(way: str) -> None:
    for number, (kind, suffix) in enumerate([("t1w", ".nii.gz"), ("ct", ".nrrd"), ("t2w", ".mha")]):
        tried = try_one(KINDS["scan"], (Damage(way, kind, suffix, number),))
        assert not tried.is_bug, tried.details


def test_an_undamaged_patient_is_prepared() -> None:
    tried = try_one(KINDS["preparation"], ())
    assert tried.result == "accepted", tried.details


def test_a_hang_and_a_traceback_are_told_from_a_refusal() -> None:
    def hang() -> None:
        while True:
            pass

    assert attempt(hang, seconds=0.2).result == "hang"
    assert attempt(lambda: 1 / 0, seconds=5).result == "traceback"
    assert attempt(lambda: None, seconds=5).result == "accepted"


def test_the_campaign_counts_what_it_tried(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--inputs", "30", "--seed", "1", "--kinds", "override", "split file"]) == 0
    *kinds, last = capfd.readouterr().out.strip().splitlines()
    assert [line.partition(":")[0] for line in kinds] == ["override", "split file"]
    assert last.startswith("30 inputs, 0 bugs")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["preparation", "preparation setting", "command"])
def test_a_few_inputs_go_all_the_way(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["--inputs", "6", "--seed", "0", "--kinds", name])
    assert status == 0, capfd.readouterr().out
