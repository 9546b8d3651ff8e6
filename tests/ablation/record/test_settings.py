"""Settings come back from the record as they were, whatever they are."""

import json
from dataclasses import asdict, replace

import pytest

from ablation.record.ledger import Ledger
from ablation.record.settings import (
    LONGEST_PARAM,
    SETTINGS_FILE,
    SHORTENED,
    as_params,
    pack_settings,
    read_settings,
    shortened_params,
)
from t1t2core.errors import InputError
from t1t2core.presets import PRESETS
from t1t2core.settings import CohortSettings, Settings, TrainingSettings

UNUSUAL = Settings(
    cohort=CohortSettings(
        exclude=("sub-04", "it's, (1)"),
        session="1",
        run="01",
        select={"T1w": {"acquisition": "1e5", "rec": None}, "ct": {}},
        split_file="a b.csv",
    ),
    training=TrainingSettings(
        max_epochs=None, max_steps=7, learning_rate=1e-5, batch_size_of_concatenation=1
    ),
)


def params_of(settings: Settings) -> dict[str, str]:
    """As the record keeps them."""
    groups = asdict(settings).items()
    return {f"{group}.{name}": str(value) for group, values in groups for name, value in values.items()}


def changed_file(settings: Settings, **changes: dict[str, object]) -> bytes:
    """The file of a trial with other settings in a group; None takes one out."""
    groups = json.loads(pack_settings(settings))
    for group, values in changes.items():
        groups[group] = {n: v for n, v in {**groups[group], **values}.items() if v is not None}
    return json.dumps(groups).encode()


ALL = pytest.mark.parametrize("settings", [*PRESETS.values(), UNUSUAL], ids=[*PRESETS, "unusual"])


@ALL
def test_settings_come_back_from_their_file_as_they_were(settings: Settings) -> None:
    assert read_settings(pack_settings(settings), {}, source="the run") == settings


@ALL
def test_settings_come_back_from_the_params_of_a_record_without_the_file(settings: Settings) -> None:
    params = {"strategy": "open", "learning_rate": "0.5"} | params_of(settings)
    assert read_settings(None, params, source="the run") == settings


def test_the_file_counts_where_there_is_one() -> None:
    params = params_of(PRESETS["paper"])
    assert read_settings(pack_settings(PRESETS["demo"]), params, source="the run") == PRESETS["demo"]


def test_a_setting_newer_than_the_record_has_its_default() -> None:
    params = params_of(PRESETS["demo"])
    del params["preparation.normalisation_sigma_mm"]
    assert read_settings(None, params, source="the run") == PRESETS["demo"]
    content = changed_file(PRESETS["demo"], preparation={"normalisation_sigma_mm": None})
    assert b"normalisation_sigma_mm" not in content
    assert read_settings(content, {}, source="the run") == PRESETS["demo"]


@pytest.mark.parametrize("has_file", [True, False])
def test_what_this_version_cannot_rebuild_is_refused_with_all_findings(has_file: bool) -> None:
    params = params_of(PRESETS["demo"]) | {"network.depth": "5", "preparation.grid": "(64, -80, 48)"}
    content = changed_file(PRESETS["demo"], network={"depth": 5}, preparation={"grid": [64, -80, 48]})
    with pytest.raises(InputError) as refused:
        read_settings(content if has_file else None, params, source="run 1f")
    message = str(refused.value)
    assert "run 1f" in message
    assert "network.depth: this version has no such setting" in message
    assert "preparation.grid" in message
    assert "-80" in message


def test_a_file_that_is_broken_is_refused() -> None:
    with pytest.raises(InputError, match=r"(?s)of run 1f cannot be used.*settings\.json: Invalid JSON"):
        read_settings(pack_settings(PRESETS["demo"])[:100], {}, source="run 1f")


def test_a_run_without_settings_is_not_ours() -> None:
    with pytest.raises(InputError, match="no trial of this program"):
        read_settings(None, {"alpha": "0.5"}, source="run 1f")


def test_a_text_is_not_taken_for_another_type() -> None:
    session = replace(PRESETS["demo"], cohort=CohortSettings(session="2024"))
    assert read_settings(None, params_of(session), source="the run").cohort.session == "2024"


NAMES = tuple(f"sub-{number:04}-of-a-long-study" for number in range(400))
LONG = replace(PRESETS["demo"], cohort=CohortSettings(exclude=NAMES, split_file="b.csv"))


@pytest.mark.parametrize(
    "content",
    [pack_settings(LONG), json.dumps(asdict(LONG), indent=1).encode()],
    ids=["now", "as records had it for long settings alone"],
)
def test_a_setting_longer_than_mlflow_keeps_is_read_from_the_trials_file(
    ledger: Ledger, content: bytes
) -> None:
    experiment = ledger.experiment("long")
    parent = ledger.open_plan(experiment, "plan", "long", {})
    run = ledger.start_trial(experiment, parent, "open", params=shortened_params(LONG), tags={})
    ledger.keep_files(run, {SETTINGS_FILE: content})
    params = ledger.client.get_run(run).data.params
    kept = params["cohort.exclude"]
    assert len(kept) == LONGEST_PARAM
    assert kept.startswith("('sub-0000-of-a-long-study', ")
    assert kept.endswith(SHORTENED)
    assert read_settings(ledger.read_file(run, SETTINGS_FILE), params, source="the run") == LONG
    with pytest.raises(InputError, match=r"cohort\.exclude: shortened, and the file settings\.json"):
        read_settings(None, params, source="the run")


def test_params_of_usual_length_are_whole() -> None:
    assert shortened_params(UNUSUAL) == as_params(UNUSUAL) == params_of(UNUSUAL)


def test_an_older_record_whose_list_mlflow_cut_off_is_read_without_it(ledger: Ledger) -> None:
    experiment = ledger.experiment("long")
    parent = ledger.open_plan(experiment, "plan", "long", {})
    run = ledger.start_trial(experiment, parent, "open", params=as_params(LONG), tags={})
    params = ledger.client.get_run(run).data.params
    assert len(params["cohort.exclude"]) == LONGEST_PARAM
    expected = replace(LONG, cohort=replace(LONG.cohort, exclude=()))
    assert read_settings(None, params, source="the run") == expected
