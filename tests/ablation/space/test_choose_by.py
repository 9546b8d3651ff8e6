"""A researcher says by which score on validation is chosen; what cannot be is told."""

from pathlib import Path

import pytest

from ablation.space.configuration import resolve_settings
from t1t2core.errors import InputError
from tests.builders.spaces import read, refusal

ARMS = "arms: [{strategy: open}]\n"


def chosen_by(tmp_path: Path, text: str, *overrides: str) -> str:
    space = read(tmp_path, ARMS + text)
    return resolve_settings("demo", space.settings, "mine.yaml", overrides).evaluation.choose_by


def test_the_mean_of_the_classes_chooses_unless_the_space_names_a_class(tmp_path: Path) -> None:
    assert chosen_by(tmp_path, "") == "mean"
    assert chosen_by(tmp_path, "choose_by: bone\nevaluation: {pictures: 0}") == "bone"
    assert chosen_by(tmp_path, "evaluation: {choose_by: internal_air}") == "internal_air"
    assert chosen_by(tmp_path, "choose_by: bone", "evaluation.choose_by=air") == "air"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("choose_by: [mean, bone]", "choose_by: found ['mean', 'bone']; allowed: mean, "),
        ("choose_by: null", ""),
        (
            "choose_by: air\nevaluation: {choose_by: bone}",
            "choose_by: evaluation.choose_by says the same; leave out one of them",
        ),
        ("chose_by: air", "chose_by: unknown key; allowed: "),
        ("chose_by: air", "did you mean choose_by?"),
        (
            "evaluation: {choose_by: [mean, bone]}",
            "evaluation.choose_by: evaluation settings are the same in all trials",
        ),
    ],
)
def test_what_cannot_choose_is_told_with_what_can_and_the_nearest(
    tmp_path: Path, text: str, told: str
) -> None:
    if not told:
        assert chosen_by(tmp_path, text) == "mean"
    else:
        assert told in refusal(tmp_path, ARMS + text)


def test_on_the_command_line_the_nearest_is_told_too() -> None:
    with pytest.raises(InputError) as caught:
        resolve_settings("demo", {}, "mine.yaml", ["evaluation.choose_by=soft_tisue"])
    message = str(caught.value)
    assert "evaluation.choose_by: found 'soft_tisue'; allowed: mean, bone, soft_tissue, air, " in message
    assert message.endswith("did you mean soft_tissue?")
