"""Dice on changed scans: which arms are tested, what is pooled, and what it is compared with."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes

from ablation.record.robustness import AS_IT_IS, finished_tests, read_robustness, robustness_frame
from ablation.report.figures.arm import look_of
from ablation.report.figures.robustness import draw_robustness
from ablation.report.tables.robustness import robust_arms, robustness
from tests.builders.results import results_of, trial, untuned

SCALE = {"noise": ("% of the 99th percentile", (2.0, 5.0)), "slice_thickness": ("mm", (4.0, 6.0))}
Trial = list[dict[str, Any]]


def run_of(rows: Trial) -> Trial:
    """With a run of its own."""
    first = rows[0]
    name = f"{first['strategy']} {first['tuned_layers']} {first['fold']} {first['learning_rate']}"
    return [{**row, "mlflow_run_id": name} for row in rows]


def sweep() -> pd.DataFrame:
    """Two folds of three arms; the best for bone is conservative 9, at the lower rate."""
    return results_of(
        *(run_of(untuned(0.1, fold=fold)) for fold in (1, 2)),
        *(run_of(trial("open", test=0.4, fold=fold)) for fold in (1, 2)),
        *(run_of(trial("conservative", "9", test=0.5, fold=fold)) for fold in (1, 2)),
        run_of(trial("conservative", "9", test=0.3, rate=1e-2)),
        run_of(trial("conservative", "18", test=0.45)),
    )


def rows_of(run: str, patient: str, hits: Mapping[tuple[str, int], int | None]) -> Trial:
    """Rows of a patient in whose scan a class has 100 voxels, so many of them found, and no others."""
    rows = []
    for (kind, level), tp in hits.items():
        unit, values = SCALE.get(kind, ("", ()))
        for name in ("bone", "air"):
            rows.append(
                {
                    **{"arm": "?", "kind": kind, "level": level, "unit": unit, "fold": 1, "seed": 0},
                    **{"value": values[level - 1] if level else None, "patient": patient, "class": name},
                    **{"tp": tp, "fp": None if tp is None else 0, "fn": None if tp is None else 100 - tp},
                    **{"dsc": None if tp is None else 2 * tp / (100 + tp), "mlflow_run_id": run},
                }
            )
    return rows


def dice(*hits: int) -> float:
    """Of so many voxels found, in patients of 100 voxels each."""
    return 2 * sum(hits) / (100 * len(hits) + sum(hits))


def test_the_best_arm_is_tested_beside_untuned_and_fully_tuned_networks() -> None:
    assert robust_arms(sweep(), "bone") == ["conservative 9", "no_fine_tuning", "open"]
    without = sweep().query("strategy != 'open'")
    assert robust_arms(without, "bone") == ["conservative 9", "no_fine_tuning"]
    assert robust_arms(sweep().query("strategy == 'open'"), "bone") == ["open"]


def test_dice_is_pooled_over_patients_and_averaged_over_networks() -> None:
    kept = robustness_frame(
        [
            *rows_of("open  1 0.0001", "p1", {(AS_IT_IS, 0): 80, ("noise", 1): 60}),
            *rows_of("open  1 0.0001", "p2", {(AS_IT_IS, 0): 60, ("noise", 1): 50}),
            *rows_of("open  2 0.0001", "p1", {(AS_IT_IS, 0): 90, ("noise", 1): 20}),
        ]
    )
    table = robustness(kept, sweep())
    assert table[["arm", "kind", "level", "amount"]].to_numpy().tolist() == [
        ["open", AS_IT_IS, 0, ""],
        ["open", "noise", 1, "2 % of the 99th percentile"],
    ]
    before, after = (dice(80, 60) + dice(90)) / 2, (dice(60, 50) + dice(20)) / 2
    assert table["bone_dsc"].tolist() == pytest.approx([before, after])
    assert table["bone_drop"].tolist() == pytest.approx([0, before - after])
    assert table["patients"].tolist() == [2, 2]


def test_where_a_change_does_not_apply_the_others_are_compared_with_themselves() -> None:
    run = "open  1 0.0001"
    changes = [
        {(AS_IT_IS, 0): 80, ("slice_thickness", 1): None},
        {(AS_IT_IS, 0): 60, ("slice_thickness", 1): 50},
    ]
    kept = robustness_frame([row for n, hits in enumerate(changes) for row in rows_of(run, f"p{n}", hits)])
    last = robustness(kept, sweep()).iloc[-1]
    assert (last["amount"], last["patients"]) == ("4 mm", 1)
    assert last["bone_drop"] == pytest.approx(dice(60) - dice(50))


def test_networks_that_their_arm_would_not_choose_any_more_are_left_out() -> None:
    hits = {(AS_IT_IS, 0): 80, ("noise", 1): 60}
    kept = robustness_frame(
        [*rows_of("conservative 9 1 0.01", "p1", hits), *rows_of("run of old", "p1", hits)]
    )
    assert robustness(kept, sweep()).empty


def test_a_file_is_read_as_it_was_written_and_one_that_was_cut_off_without_its_last_row() -> None:
    rows = rows_of("a", "p1", {(AS_IT_IS, 0): 80, ("noise", 1): None})
    kept = robustness_frame(rows)
    content = kept.to_csv(index=False).encode()
    pd.testing.assert_frame_equal(read_robustness({"robustness.csv": content}), kept, check_exact=True)
    assert len(read_robustness({"robustness.csv": content[:-2]})) == len(kept) - 1
    assert read_robustness({"robustness.csv": content[:40]}).empty
    assert read_robustness({"robustness.csv": b"\x00\xff"}).empty
    assert read_robustness({}).empty


def test_a_patient_is_tested_when_every_level_of_the_scale_is_there() -> None:
    every = {(AS_IT_IS, 0): 80, **{(kind, level): 60 for kind in SCALE for level in (1, 2)}}
    some = {change: hits for change, hits in every.items() if change != ("noise", 2)}
    kept = robustness_frame([*rows_of("a", "p1", every), *rows_of("a", "p2", some)])
    assert finished_tests(kept, SCALE) == {("a", "p1")}
    assert finished_tests(kept, {**SCALE, "noise": ("", (2.0, 7.0))}) == set()


def kept_of_three_arms() -> pd.DataFrame:
    hits = {(AS_IT_IS, 0): 80, ("noise", 1): 60, ("noise", 2): 40, ("slice_thickness", 1): 70}
    runs = ("open  1 0.0001", "conservative 9 1 0.0001", "no_fine_tuning  1 None")
    return robustness_frame([row for run in runs for row in rows_of(run, "p1", hits)])


def test_the_figure_has_a_panel_a_kind_and_a_line_an_arm_from_level_0_on() -> None:
    drawn = draw_robustness(sweep(), kept_of_three_arms(), "bone")
    assert drawn is not None
    panels = [axes for axes in drawn.figure.axes if isinstance(axes, Axes)]
    assert [axes.get_title() for axes in panels] == ["Rician noise", "Slice thickness"]
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == ["as is", "2", "5"]
    assert panels[0].get_xlabel() == "% of the 99th percentile"
    lines = panels[0].get_lines()
    assert len(lines) == 3
    for line in lines:
        assert list(line.get_xdata()) == [0, 1, 2]  # type: ignore[arg-type]
        assert list(line.get_ydata()) == pytest.approx([dice(80), dice(60), dice(40)])  # type: ignore[arg-type]
    named = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert set(named) == {"open", "conservative 9", "no_fine_tuning"}
    colours = {name: line.get_color() for name, line in zip(named, lines, strict=True)}
    assert colours["open"] == look_of("open").colour
    assert "rician noise" in drawn.alt


def test_nothing_was_tested_so_there_is_no_figure() -> None:
    assert draw_robustness(sweep(), robustness_frame([]), "bone") is None
    assert draw_robustness(sweep(), kept_of_three_arms(), "soft_tissue") is None
