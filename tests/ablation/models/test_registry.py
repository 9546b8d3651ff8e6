"""A winner gets a name and a card, and is found again under them."""

from dataclasses import replace

import pytest

from ablation.models.find import find_model
from ablation.models.registry import register, registered_runs
from ablation.record.ledger import Ledger
from t1t2core.errors import InputError
from tests.builders.records import CARD, record_trial


def test_a_winner_is_found_under_its_name_with_all_its_folds(ledger: Ledger) -> None:
    runs = [ledger.client.get_run(record_trial(ledger, fold=fold)) for fold in (1, 2, 3)]
    assert register(ledger, runs, "skull", CARD) == "models:/skull/1"
    found = find_model(ledger, "models:/skull/1", "T2")
    assert {run.info.run_id for run in found.runs} == {run.info.run_id for run in runs}
    assert found.about == "skull, version 1"


def test_the_card_tells_data_scores_and_limits(ledger: Ledger) -> None:
    register(ledger, [ledger.client.get_run(record_trial(ledger))], "skull", CARD)
    version = ledger.client.get_model_version("skull", "1")
    for part in (
        "Labels T2w scans",
        "20 digital heads (simulated)",
        "| test | 0.583 | undefined |",
        "nothing about patients",
    ):
        assert part in version.description
    assert version.tags["test.bone.dsc"] == "0.5830"
    assert version.tags["cohort_fingerprint"] == "heads"
    assert version.tags["simulated"] == "true"
    real = replace(CARD, simulated=False, cohort="hospital").text()
    assert "imulated" not in real


def test_the_same_winner_gets_no_second_version_and_another_one_does(ledger: Ledger) -> None:
    first = [ledger.client.get_run(record_trial(ledger, fold=fold)) for fold in (1, 2)]
    register(ledger, first, "skull", CARD)
    assert register(ledger, first[::-1], "skull", replace(CARD, arm="renamed")) == "models:/skull/1"
    assert ledger.client.get_model_version("skull", "1").tags["arm"] == "renamed"
    assert register(ledger, first[:1], "skull", CARD) == "models:/skull/2"


def test_names_that_cannot_be_or_are_not_there_are_refused(ledger: Ledger) -> None:
    runs = [ledger.client.get_run(record_trial(ledger))]
    with pytest.raises(InputError, match="cannot register a model as 'a/b'"):
        register(ledger, runs, "a/b", CARD)
    register(ledger, runs, "skull", CARD)
    with pytest.raises(InputError, match=r"did you mean 'skull'.*; there are skull"):
        registered_runs(ledger, "skul", "1")
    with pytest.raises(InputError, match="no such version; skull has 1"):
        registered_runs(ledger, "skull", "7")
    ledger.client.create_registered_model("foreign")
    ledger.client.create_model_version("foreign", "s3://elsewhere/model")
    with pytest.raises(InputError, match="registered by another program"):
        registered_runs(ledger, "foreign", "1")
