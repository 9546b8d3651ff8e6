"""A researcher names classes of their own, by Hounsfield units or by values of label maps."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from t1t2core.preparation.labels import threshold
from t1t2core.settings import CohortSettings, EvaluationSettings, PreparationSettings, Settings
from t1t2core.settings.classes import IGNORED, STUDY_CLASSES, Classes, ClassRule

USUAL = PreparationSettings()


def classes_of(**cohort: object) -> Classes:
    return TypeAdapter(CohortSettings).validate_python(cohort).told_apart


def refusal(**groups: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Settings).validate_python(groups)
    return str(caught.value)


def test_without_any_they_are_the_studys() -> None:
    assert Settings().classes == STUDY_CLASSES
    assert STUDY_CLASSES.scored == ("bone", "soft_tissue", "air", "internal_air")
    assert STUDY_CLASSES.foreground == ("bone", "soft_tissue", "air")
    assert STUDY_CLASSES.labels == {"air": 0, "soft_tissue": 1, "bone": 2}
    assert STUDY_CLASSES.outside == 0


def test_ranges_of_hounsfield_units_make_labels_from_the_lowest_upwards() -> None:
    skull = classes_of(
        classes={
            "table": {"above_hu": 800},
            "diploe": {"above_hu": 300, "below_hu": 800},
            "air": {"below_hu": -500},
            "soft": {},
        }
    )
    assert skull.names == ("air", "soft", "diploe", "table")
    assert skull.order == ("table", "diploe", "air", "soft")
    hu = np.array([-1000, -500, 0, 300, 301, 799, 800, 2000])
    assert [skull.names[label] for label in threshold(hu, USUAL, skull)] == [
        *("air", "soft", "soft", "soft", "diploe", "diploe", "table", "table")
    ]


def test_values_of_label_maps_make_labels_in_their_order() -> None:
    brain = classes_of(
        classes={"grey": {"value": 30}, "white": {"value": 41}, "outside": {"value": 0}},
        background="outside",
        others="ignore",
    )
    assert (brain.names, brain.values) == (("outside", "grey", "white"), (0, 30, 41))
    assert brain.foreground == ("grey", "white")
    assert brain.scored == ("grey", "white", "outside")
    assert (brain.outside, brain.others, brain.from_ct) == (0, IGNORED, False)
    rest = classes_of(classes={"head": {"value": 1}, "rest": {"value": 0}}, others="rest")
    assert rest.others == rest.labels["rest"]


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ({"bone": {"above_hu": 600}}, "1 classes, where 2 to 16 are possible"),
        ({"a": {"above_hu": 100}, "b": {"above_hu": 50}}, "a and b overlap from 100 to inf HU"),
        ({"a": {"above_hu": 100}, "b": {"below_hu": 50}}, "no class has the range from 50 to 100 HU"),
        (
            {"a": {"above_hu": 100}, "b": {"below_hu": 150, "above_hu": 160}},
            "b: nothing is above 160 and below",
        ),
        ({"a": {"above_hu": 100}, "b": {}, "c": {}}, "b and c have no range: one class can be all the rest"),
        ({"a": {"value": 1}, "b": {"value": 1}}, "two classes have the value 1"),
        ({"a": {"value": 1}, "b": {"above_hu": 3}}, "b: no value, where other classes have one"),
        ({"a": {}, "b": {}}, "a has neither a value of label maps nor a range"),
        ({"mean": {"value": 1}, "b": {"value": 0}}, "'mean' cannot name a class"),
        ({"grey matter": {"value": 1}, "b": {"value": 0}}, "'grey matter' cannot name a class"),
        ({"a": {"value": 1.5}, "b": {"value": 0}}, "valid integer"),
    ],
)
def test_what_makes_no_classes_is_told(classes: object, told: str) -> None:
    assert told in refusal(cohort={"classes": classes})


def test_what_refers_to_classes_names_one_that_there_is() -> None:
    two = {"head": {"value": 1}, "rest": {"value": 0}}
    assert "background: 'air' is no class; there are head, rest" in refusal(
        cohort={"classes": two, "background": "air"}
    )
    assert "others: 'air' is no class" in refusal(cohort={"classes": two, "others": "air"})
    told = refusal(cohort={"classes": two}, evaluation={"choose_by": "haed"})
    assert "evaluation.choose_by: found 'haed'; allowed: mean, head, rest; did you mean head?" in told
    assert "cohort.classes has the ranges" in refusal(
        cohort={"classes": two}, preparation={"bone_above_hu": 500}
    )
    assert "source and target are both T1w" in refusal(cohort={"target": "T1w"})
    assert Settings(
        cohort=CohortSettings(classes={name: ClassRule(**rule) for name, rule in two.items()}),
        evaluation=EvaluationSettings(choose_by="head"),
    ).classes.names == ("rest", "head")
