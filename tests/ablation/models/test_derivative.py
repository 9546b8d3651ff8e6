"""Tables of the values of label maps, as BIDS has them."""

from ablation.models.derivative import label_table
from t1t2core.settings.classes import STUDY_CLASSES, Classes, ClassRule


def test_values_and_abbreviations() -> None:
    assert list(label_table(STUDY_CLASSES)["abbreviation"]) == ["A", "ST", "B"]
    rules = {"bone": 4, "brain": 9, "white_matter": 2, "wide_matter": 3}
    classes = Classes.of({name: ClassRule(value=value) for name, value in rules.items()})
    table = label_table(classes)
    assert list(table["index"]) == [2, 3, 4, 9]
    assert list(table["name"]) == ["white_matter", "wide_matter", "bone", "brain"]
    assert table["abbreviation"].nunique() == 4
