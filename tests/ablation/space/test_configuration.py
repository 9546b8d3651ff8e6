"""Settings come from a preset, the search space and the command line, each over the one before."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ablation.space.configuration import describe_settings, resolve_settings
from ablation.space.space import read_space
from t1t2core.errors import InputError
from t1t2core.presets import PRESETS
from t1t2core.settings import CohortSettings, Settings


def resolve(space: dict[str, dict[str, Any]] | None = None, *overrides: str) -> Settings:
    return resolve_settings("demo", space or {}, "mine.yaml", overrides)


def refusal(space: dict[str, dict[str, Any]] | None = None, *overrides: str) -> list[str]:
    """The findings of the message, a line each."""
    with pytest.raises(InputError) as caught:
        resolve(space, *overrides)
    headline, *findings = str(caught.value).splitlines()
    assert headline == "these settings cannot be used:"
    return [finding.removeprefix("  - ") for finding in findings]


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_a_preset_as_it_is(preset: Any) -> None:
    assert resolve_settings(preset, {}, "mine.yaml", []) == PRESETS[preset]


def test_the_space_over_the_preset_and_the_command_line_over_both() -> None:
    space: dict[str, dict[str, Any]] = {"training": {"batch_size": 3, "beta1": 0.8}, "network": {"width": 5}}
    settings = resolve(space, "training.batch_size=4", "cohort.split_seed=1")
    assert (settings.training.batch_size, settings.training.beta1) == (4, 0.8)
    assert settings.network.width == 5
    assert settings.cohort.split_seed == 1
    assert settings.training.loss == PRESETS["demo"].training.loss
    assert settings.preparation == PRESETS["demo"].preparation


def test_of_one_setting_given_twice_the_last_counts() -> None:
    assert resolve(None, "network.width=3", "network.width=4").network.width == 4


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.weight_decay=1e-4", 1e-4),
        ("training.weight_decay=0", 0.0),
        ("training.max_epochs=3", 3),
        ("training.stop_patience=null", None),
        ("training.patch=[8, 16, 24]", (8, 16, 24)),
        ("training.loss=dice", "dice"),
        ("evaluation.surface_distances=false", False),
        ("cohort.exclude=[sub-01, sub-02]", ("sub-01", "sub-02")),
        ("cohort.split_file=a=b.csv", "a=b.csv"),
    ],
)
def test_values_on_the_command_line_are_written_as_in_yaml(override: str, value: object) -> None:
    group, name = override.partition("=")[0].split(".")
    assert getattr(getattr(resolve(None, override), group), name) == value


LABELS = ["01", "1", "007", "20230401", "0o1", "0x1F", "1e5", "1.0", "2024.10", "+1", "-0", "1_000", "1:30"]
LABELS += ["pre", "no", "yes", "true", "False", ".nan", "9" * 400]


@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_what_was_typed_though_it_looks_like_a_number(label: str, tmp_path: Path) -> None:
    select = f"{{ct: {{run: {label}}}}}"
    expected = CohortSettings(
        exclude=(label,), session=label, run=label, split_file=label, select={"ct": {"run": label}}
    )
    plain = {"session": label, "run": f" {label}", "split_file": f"'{label}'", "select": select}
    for exclude in (label, f"[{label}]"):
        typed = [f"cohort.{name}={value}" for name, value in (plain | {"exclude": exclude}).items()]
        assert resolve(None, *typed).cohort == expected
        file = tmp_path / "mine.yaml"
        lines = [f"  {name}: {value}" for name, value in (plain | {"exclude": exclude}).items()]
        file.write_text("\n".join(["arms: [{strategy: open}]", "cohort:", *lines]), encoding="utf-8")
        assert resolve(read_space(file).settings).cohort == expected
    assert resolve(None, f"cohort.select={select[1:-1]}").cohort.select == expected.select


@pytest.mark.parametrize("nothing", ["", "null", "~", " Null "])
def test_nothing_is_nothing(nothing: str, tmp_path: Path) -> None:
    space: dict[str, dict[str, Any]] = {"cohort": {"session": "1", "exclude": ["a"], "split_file": "b"}}
    cohort = resolve(space, *(f"cohort.{n}={nothing}" for n in ("session", "exclude", "split_file"))).cohort
    assert (cohort.session, cohort.exclude, cohort.split_file) == (None, (), None)
    file = tmp_path / "mine.yaml"
    file.write_text(f"arms: [{{strategy: open}}]\ncohort:\n  run: {nothing}\n  exclude: {nothing}\n")
    assert resolve(read_space(file).settings).cohort == CohortSettings()


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("a #1.csv", "a #1.csv"),
        ("#1.csv", "#1.csv"),
        ("a: b.csv", "a: b.csv"),
        ("[a].csv", "[a].csv"),
        ("'null'", "null"),
        ('"a b.csv"', "a b.csv"),
        ("it's.csv", "it's.csv"),
        (" split.csv ", "split.csv"),
    ],
)
def test_a_files_name_is_what_was_typed(typed: str, value: str) -> None:
    assert resolve(None, f"cohort.split_file={typed}").cohort.split_file == value


def test_one_name_stands_for_a_list() -> None:
    assert resolve(None, "cohort.exclude=sub-01").cohort.exclude == ("sub-01",)
    assert resolve({"cohort": {"exclude": "sub-01"}}).cohort.exclude == ("sub-01",)
    assert resolve({"cohort": {"exclude": ["4", "04"]}}).cohort.exclude == ("4", "04")


def test_a_number_is_still_a_number_where_one_is_expected() -> None:
    (line,) = refusal(None, "cohort.split_seed=pre")
    assert "valid integer" in line
    assert resolve(None, "cohort.split_seed=7").cohort.split_seed == 7
    (line,) = refusal(None, "cohort.select={ct: {run: [1]}}")
    assert "valid string" in line


@pytest.mark.parametrize(
    ("override", "finding"),
    [
        ("training.max_epoch=3", "no such setting; training has .*; did you mean max_epochs?"),
        ("trainng.max_epochs=3", "no such group of settings; there are .*; did you mean training?"),
        ("training.max_epochs.x=3", "expected GROUP.NAME=VALUE, such as training.max_epochs=3"),
        ("training=3", "expected GROUP.NAME=VALUE, such as training.max_epochs=3"),
        ("training.batch_size=0", "Input should be greater than 0 (found 0)"),
        ("training.batch_size=two", "valid integer"),
        ("training.patch=[8, 8]", "Field required"),
        ("training.patch=[8, 8", "valid tuple"),
        ("training.loss=dise", "'dice'"),
        ("training.weight_decay=nan", "finite number"),
        ("training.learning_rate=.inf", "finite number"),
        ("training.beta1=1", "less than 1 (found 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(override: str, finding: str) -> None:
    (line,) = refusal(None, override)
    key = override.partition("=")[0]
    assert line.startswith(f"--set {key}")
    for part in finding.split(" .*"):
        assert part in line


def test_everything_that_is_wrong_is_said_at_once() -> None:
    space = {"training": {"max_epoch": 3, "batch_size": -1}, "network": {"width": 0}}
    lines = refusal(space, "cohort.splitseed=1", "nonsense", "preparation.grid=[0, 1, 1]")
    places = [
        "mine.yaml: training.max_epoch: no such setting",
        "mine.yaml: training.batch_size: ",
        "mine.yaml: network.width: ",
        "--set cohort.splitseed=1: no such setting",
        "--set nonsense: expected",
        "--set preparation.grid=[0, 1, 1]: ",
    ]
    assert len(lines) == len(places)
    for place in places:
        assert any(line.startswith(place) for line in lines), place


def test_settings_that_contradict_each_other_are_refused() -> None:
    (line,) = refusal(None, "training.max_epochs=null", "training.max_steps=null")
    assert line.startswith("training: max_epochs and max_steps are both null")


def test_every_setting_is_described() -> None:
    rows = {row["setting"]: row for row in describe_settings()}
    expected = [
        f"{group.name}.{setting.name}"
        for group in fields(Settings)
        for setting in fields(getattr(PRESETS["demo"], group.name))
    ]
    assert list(rows) == expected
    assert all(row["meaning"] for row in rows.values())
    width = rows["network.width"]
    assert (width["demo"], width["paper"]) == tuple(
        str(PRESETS[name].network.width) for name in ("demo", "paper")
    )
    assert rows["training.patch"]["paper"] == "[128, 128, 48]"
    assert rows["training.max_steps"]["paper"] == "null"
    types = [rows[f"{name}"]["type"] for name in ("training.patch", "training.max_steps", "cohort.run")]
    assert types == ["tuple[int, int, int]", "int | null", "str | null"]


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_a_value_as_it_is_described_can_be_given_back(preset: Any) -> None:
    for row in describe_settings():
        given = resolve_settings(preset, {}, "mine.yaml", [f"{row['setting']}={row[preset]}"])
        assert given == PRESETS[preset], row["setting"]


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
def test_a_setting_that_is_not_finite_is_refused(value: str) -> None:
    (finding,) = refusal(None, f"preparation.bone_above_hu={value}")
    assert finding.startswith(f"--set preparation.bone_above_hu={value}: Input should be a finite number")


@pytest.mark.parametrize(
    "value", ["[" * 5000, "9" * 5000, "!!int 0x" + "f" * 5000, "&a [*a]", "x" * 100_000, '"\\ud800"']
)
def test_an_override_of_any_size_is_refused_in_a_few_words(value: str) -> None:
    (finding,) = refusal(None, f"training.max_epochs={value}")
    assert finding.startswith("--set ")
    assert len(finding) < 1000
