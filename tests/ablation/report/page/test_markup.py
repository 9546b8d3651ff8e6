"""Tables as text that others paste into a paper."""

import math

import pandas as pd

from ablation.report.page.markup import headings_of, to_csv, to_latex, to_markdown

SCORES = pd.DataFrame(
    {
        "arm": ["no_fine_tuning", "open"],
        "t2_train_size": pd.array([None, 8], dtype="Int64"),
        "learning_rate": [math.nan, 1e-4],
        "bone_precision": [math.nan, 0.69104],
        "bone_dsc": [1 / 3, 0.51549],
        "internal_air_dsc": [0.0, 1.0],
    }
)


def test_csv_is_unrounded_and_leaves_cells_empty() -> None:
    assert to_csv(SCORES).splitlines() == [
        "arm,t2_train_size,learning_rate,bone_precision,bone_dsc,internal_air_dsc",
        "no_fine_tuning,,,,0.3333333333333333,0.0",
        "open,8,0.0001,0.69104,0.51549,1.0",
    ]


def test_markdown_rounds_as_the_study_and_says_what_is_undefined() -> None:
    assert to_markdown(SCORES).splitlines() == [
        "| Arm | T2 train size | Learning rate | Bone PRE | Bone DSC | Internal air DSC |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| no_fine_tuning | – | – | undefined | 0.3333 | 0.0000 |",  # noqa: RUF001
        "| open | 8 | 0.0001 | 0.6910 | 0.5155 | 1.0000 |",
    ]


def test_an_interval_stands_behind_its_score() -> None:
    table = pd.DataFrame({"dsc": [0.5393, math.nan], "dsc_voxel_interval": [0.00068, math.nan]})
    assert to_markdown(table).splitlines() == ["| DSC |", "| ---: |", "| 0.5393 ± 0.0007 |", "| undefined |"]
    assert r"0.5393 $\pm$ 0.0007 \\" in to_latex(table, "Scores")


def test_percentages_of_table_9_have_two_decimals() -> None:
    table = pd.DataFrame({"row": ["with", "difference_percent"], "bone_dsc": [0.54, 40.557]})
    assert [line.split("|")[2].strip() for line in to_markdown(table).splitlines()[2:]] == ["0.5400", "40.56"]


def test_a_bar_in_a_cell_does_not_break_the_row() -> None:
    table = pd.DataFrame({"arm": ["a|b\nc"], "folds": [3]})
    assert to_markdown(table).splitlines()[2] == r"| a\|b c | 3 |"


def test_latex_has_the_classes_over_their_metrics() -> None:
    lines = to_latex(SCORES, "Bone & air, 95 %").splitlines()
    assert r"\caption{Bone \& air, 95 \%}" in lines
    head = r"\multicolumn{3}{c}{} & \multicolumn{2}{c}{Bone} & Internal air \\"
    assert lines[lines.index(r"\toprule") + 1] == head
    assert r"Arm & T2 train size & Learning rate & PRE & DSC & DSC \\" in lines
    assert r"no\_fine\_tuning & -- & -- & undefined & 0.3333 & 0.0000 \\" in lines
    assert lines[-3:] == [r"\bottomrule", r"\end{tabular}", r"\end{table}"]


def test_latex_of_a_table_without_classes_has_one_line_of_heads() -> None:
    lines = to_latex(pd.DataFrame({"arm": ["open"], "seconds": [1.26]}), "Time").splitlines()
    assert lines[lines.index(r"\toprule") + 1 : -3] == [r"Arm & Seconds \\", r"\midrule", r"open & 1.3 \\"]


def test_all_that_latex_would_misread_is_escaped() -> None:
    text = to_latex(pd.DataFrame({"arm": ["50%_$x^2~#{a}\\ & b"]}), "")
    expected = r"50\%\_\$x\textasciicircum{}2\textasciitilde{}\#\{a\}\textbackslash{} \& b \\"
    assert expected in text.splitlines()


def test_headings_know_the_classes() -> None:
    columns = ["soft_tissue_jsc", "internal_air_recall", "air_precision", "air_low", "stop_reasons"]
    assert headings_of(columns) == [
        ("Soft tissue", "JSC"),
        ("Internal air", "REC"),
        ("Air", "PRE"),
        ("Air", "low"),
        ("", "Stop reasons"),
    ]
