"""The figures of a report: what they plot, in which words, and that they leave out what the data lacks."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import get_backend, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ablation.record.further_scores import CALIBRATION
from ablation.record.results import PATIENTS, RESULTS, with_arms
from ablation.report.figures.all import drawings, drawn_trials, pictured_trials
from ablation.report.figures.arm import pick, unit_of
from ablation.report.figures.compute_time import draw_compute_time
from ablation.report.figures.curves import draw_curves
from ablation.report.figures.depth import draw_depth
from ablation.report.figures.drawn import DPI, NARROW, WIDE, Drawn, Layout, freeze, make_panels, png, svg
from ablation.report.figures.pareto import draw_pareto
from ablation.report.figures.patients import draw_patients
from ablation.report.figures.rates import draw_rates
from ablation.report.figures.registration import MOST_PANELS, draw_registration, registration_png, worst_first
from ablation.report.figures.rendered import render
from ablation.report.figures.segmentations import draw_augmentation, draw_segmentations
from ablation.space.design import Design
from t1t2core.cohort.subject import Sequences
from t1t2core.evaluation.slices import PatientSlices, Slices
from t1t2core.preparation.alignment import Alignment
from tests.builders.heads import make_subjects
from tests.builders.tables import frame_of

CLASSES = ("bone", "soft_tissue", "air", "internal_air")
Trial = list[dict[str, Any]]


def trial(
    strategy: str = "open",
    layers: str = "",
    *,
    fusion: str = "",
    rate: float | None = 1e-3,
    size: int | None = 8,
    fold: int = 1,
    test: float = 0.5,
    validation: float = 0.5,
    epochs: int = 10,
    epoch: float = 2.0,
    seconds: float = 30.0,
    stop: str = "converged",
    sequences: Iterable[str] = ("T2",),
) -> Trial:
    """Rows of a trial whose classes all score the same, as `results.csv` has them."""
    common = {
        "trial_key": f"{strategy}{layers}{fusion} {rate} {size} {fold}",
        **{"strategy": strategy, "tuned_layers": layers, "fusion": fusion},
        **{"t2_train_size": size, "learning_rate": rate, "fold": fold, "seed": 0},
        **{"epochs": epochs, "seconds_per_epoch": epoch, "standalone_seconds": seconds, "stop_reason": stop},
        **{"tp": 1, "fp": 1, "fn": 1},
    }
    scores = {("validation", "best"): validation, ("test", "best"): test, ("test", "last"): 0.0}
    return [
        {**common, "split": split, "weights": weights, "sequence": sequence, "class": name, "dsc": value}
        for (split, weights), value in scores.items()
        for sequence in sequences
        for name in CLASSES
    ]


def untuned(**changes: Any) -> Trial:
    given = {"rate": None, "size": None, "epochs": 0, "epoch": 0.0, "seconds": 1.0, "stop": "not_trained"}
    return trial("no_fine_tuning", **(given | changes))


def table_of(*trials: Trial, columns: list[str] = RESULTS) -> pd.DataFrame:
    return frame_of([row for rows in trials for row in rows], columns)


def patients_of(scores: Mapping[str, float], *trials: Trial) -> pd.DataFrame:
    """`patients.csv` of these trials; each patient's Dice is the trial's and what `scores` adds."""
    rows = [
        {**row, "patient": name, "dsc": row["dsc"] + more}
        for rows in trials
        for row in rows
        for name, more in scores.items()
    ]
    return table_of(rows, columns=PATIENTS)


def curves_of(key: str, metric: str, values: list[float]) -> pd.DataFrame:
    columns = {"trial_key": key, "metric": metric, "step": range(1, len(values) + 1), "value": values}
    return pd.DataFrame(columns)


NO_CURVES = pd.DataFrame(columns=["trial_key", "metric", "step", "value"])


def drawn(result: Drawn | None) -> Drawn:
    assert result is not None
    return result


def panel(result: Drawn | None, place: int = 0) -> Axes:
    return drawn(result).figure.axes[place]


def lines(axes: Axes) -> list[tuple[list[float], list[float]]]:
    """Coordinates of the lines with a style, single trials and points left out."""
    return [
        (list(line.get_xdata()), list(line.get_ydata()))  # type: ignore[call-overload]
        for line in axes.get_lines()
        if line.get_linestyle() != "None" and not str(line.get_label()).startswith("_trial")
    ]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


# Dice by depth and training size (Fig. 5)


def depth_table() -> pd.DataFrame:
    folds = ((1, 0.0), (2, 0.1))
    return table_of(
        untuned(test=0.15),
        *(trial("conservative", "fc", fold=f, test=0.2 + more) for f, more in folds),
        *(trial("conservative", "18", fold=f, test=0.4 + more) for f, more in folds),
        *(trial("open", fold=f, test=0.6 + more) for f, more in folds),
        trial("conservative", "fc", size=2, test=0.1),
        trial("conservative", "18", size=2, test=0.05),
        # Better on the test, worse on validation: not the rate that is chosen.
        trial("conservative", "18", rate=1e-2, test=0.99, validation=0.1),
    )


def test_a_line_a_training_size_with_open_as_all_convolutions() -> None:
    result = drawn(draw_depth(depth_table()))
    axes = panel(result)
    two, eight, none = (np.array(y) for _, y in lines(axes))
    np.testing.assert_allclose(two, [0.1, 0.05])
    np.testing.assert_allclose(eight, [0.25, 0.45, 0.65])
    np.testing.assert_allclose(none, [0.15, 0.15])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["fc", "18", "all"]
    assert legend(result.figure) == ["2 patients", "8 patients", "no_fine_tuning"]
    assert [axes.get_title() for axes in result.figure.axes] == ["Bone", "Soft tissue", "Air"]


def test_single_folds_are_dots() -> None:
    dots = [line for line in panel(draw_depth(depth_table())).get_lines() if line.get_label() == "_trials"]
    np.testing.assert_allclose(sorted(dots[1].get_ydata()), [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])  # type: ignore[call-overload]


def test_the_words_give_the_best_depth() -> None:
    assert "with 8 patients: Bone 0.650 at all" in drawn(draw_depth(depth_table())).alt


def test_one_depth_is_no_figure() -> None:
    assert draw_depth(table_of(untuned(), trial("conservative", "9"))) is None


# Compute time (Fig. 7)


def test_time_is_epochs_times_time_an_epoch_and_the_rest() -> None:
    result = drawn(
        draw_compute_time(
            table_of(
                untuned(),
                trial("open", fold=1, epochs=10, epoch=2, seconds=25),
                trial("open", fold=2, epochs=20, epoch=4, seconds=95),
                trial("open", size=2, epochs=99, seconds=999),
            )
        )
    )
    epochs, epoch, total = result.figure.axes
    assert [bar.get_width() for bar in epochs.patches] == [0, 15]  # type: ignore[attr-defined]
    assert [bar.get_width() for bar in epoch.patches] == [0, 3]  # type: ignore[attr-defined]
    trained, rest = [bar.get_width() for bar in total.patches][1::2]  # type: ignore[attr-defined]
    assert (trained, rest) == (50, 10)
    assert total.get_xlabel() == "seconds"
    assert "no_fine_tuning 1, open 60" in result.alt
    assert "budget" not in result.caption


def test_trials_that_ran_out_of_budget_are_counted() -> None:
    result = drawn(draw_compute_time(table_of(trial(stop="max_steps"), trial(fold=2))))
    assert "1 of 2 trials ended with their budget" in result.caption


def test_bars_never_exceed_what_the_trial_took() -> None:
    """Features computed once make an epoch's mean larger than most epochs."""
    total = drawn(draw_compute_time(table_of(trial(epochs=10, epoch=4, seconds=30)))).figure.axes[2]
    assert [bar.get_width() for bar in total.patches] == [30, 0]  # type: ignore[attr-defined]


def test_times_are_told_in_a_unit_that_reads_well() -> None:
    assert [unit_of([seconds])[1] for seconds in (90, 900, 90_000)] == ["seconds", "minutes", "hours"]


# Score against time


def pareto_table() -> pd.DataFrame:
    return table_of(
        untuned(test=0.2, seconds=1),
        trial("conservative", "9", test=0.5, seconds=50),
        trial("open", test=0.4, seconds=60),
        trial("hybrid", fusion="average", test=0.6, seconds=100),
    )


def test_the_front_has_what_nothing_beats_in_both_and_is_named() -> None:
    result = drawn(draw_pareto(pareto_table()))
    axes = panel(result)
    assert [text.get_text() for text in axes.texts] == ["no_fine_tuning", "conservative 9", "hybrid average"]
    hollow = [line.get_label() for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert hollow == ["open"]
    assert "Bone: no_fine_tuning 0.200, conservative 9 0.500, hybrid average 0.600;" in result.alt


def test_names_do_not_overlap_and_stay_inside() -> None:
    crowd = [
        trial("conservative", layers, test=0.5 + i / 500, seconds=50 + i)
        for i, layers in enumerate(("fc", "3", "6", "9", "12"))
    ]
    result = drawn(draw_pareto(table_of(untuned(test=0.2), *crowd)))
    axes = panel(result)
    axes.figure.canvas.draw()
    boxes = [text.get_bbox_patch() or text for text in axes.texts]
    extents = [super(type(box), box).get_window_extent() for box in boxes]
    assert len(extents) == 6
    assert not any(one.overlaps(other) for i, one in enumerate(extents) for other in extents[:i])
    assert all(axes.bbox.padded(1).contains(*corner) for box in extents for corner in box.corners())


@pytest.mark.parametrize("layout", [WIDE, NARROW])
@pytest.mark.parametrize("slowest", [0.18, 0.27, 0.48, 0.6, 1.3, 9.0, 80.0, 900.0, 8000.0])
def test_times_along_the_axis_do_not_overlap(slowest: float, layout: Layout) -> None:
    """Of a sweep of seconds, of one where an arm takes a hundred times as long as another, and between."""
    arms = [untuned(seconds=0.12), trial("conservative", "fc", seconds=0.17), trial(seconds=slowest)]
    axes = panel(drawn(draw_pareto(table_of(*arms), layout)))
    axes.figure.canvas.draw()
    low, high = axes.get_xlim()
    ticks = axes.xaxis.get_major_ticks()
    labels = [tick.label1.get_window_extent() for tick in ticks if low <= tick.get_loc() <= high]
    assert len(labels) >= 2
    assert not any(one.overlaps(other) for i, one in enumerate(labels) for other in labels[:i])


def test_one_arm_has_no_front() -> None:
    assert draw_pareto(table_of(trial())) is None


def test_an_undefined_score_is_left_out() -> None:
    rows = trial("open")
    for row in rows:
        row["dsc"] = np.nan if row["class"] == "bone" else row["dsc"]
    result = drawn(draw_pareto(table_of(untuned(), trial("conservative", "9", seconds=3.0), rows)))
    assert "open" not in [line.get_label() for line in panel(result, 0).get_lines()]
    assert "open" in [line.get_label() for line in panel(result, 1).get_lines()]


# The choice of the learning rate


def test_the_chosen_rate_is_ringed_and_arms_without_a_choice_are_left_out() -> None:
    result = drawn(
        draw_rates(
            table_of(
                untuned(),
                trial("conservative", "9", rate=1e-2, validation=0.3, test=0.9),
                trial("conservative", "9", rate=1e-3, validation=0.6, test=0.1),
                trial("conservative", "18", rate=1e-3, validation=0.5),
                trial("open", rate=1e-2, validation=0.7),
                trial("open", rate=1e-3, validation=0.4),
                trial("open", rate=1e-4, validation=0.99, size=2),
            )
        )
    )
    assert [axes.get_title() for axes in result.figure.axes] == ["Conservative", "Whole networks"]
    line, ring = panel(result).get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[1e-3, 0.6], [1e-2, 0.3]])
    np.testing.assert_allclose(ring.get_xydata(), [[1e-3, 0.6]])
    assert "conservative 9 0.001, open 0.01" in result.alt


def test_the_choice_is_drawn_by_the_score_that_chose_and_each_folds_own_is_ringed() -> None:
    scores = {(1e-2, 1): 0.2, (1e-2, 2): 0.6, (1e-3, 1): 0.4, (1e-3, 2): 0.5}
    table = table_of(*(trial(rate=rate, fold=fold, validation=v) for (rate, fold), v in scores.items()))
    named = with_arms(table, chosen_by="validation/bone/dsc", in_folds=True)
    result = drawn(draw_rates(named))
    line, ring = panel(result).get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[1e-3, 0.45], [1e-2, 0.4]])
    np.testing.assert_allclose(ring.get_xydata(), [[1e-3, 0.45], [1e-2, 0.4]])
    assert panel(result).get_ylabel() == "validation, Dice of bone"
    assert "Ringed: the value chosen on validation by Dice of bone inside each fold" in result.caption


def test_another_tuned_setting_has_a_figure_at_the_best_of_the_others() -> None:
    table = table_of(
        trial("open", rate=1e-2, validation=0.7),
        trial("open", rate=1e-3, validation=0.4),
        trial("open", rate=1e-2, validation=0.5),
        trial("open", rate=1e-3, validation=0.6),
    )
    decay = np.repeat(["0", "0.001"], len(table) // 2)
    keys = table["trial_key"] + decay
    design = Design(settings=("training.weight_decay",), tuned=("learning_rate", "training.weight_decay"))
    named = with_arms(table.assign(**{"training.weight_decay": decay, "trial_key": keys}), design)
    result = drawn(draw_rates(named, factor="training.weight_decay"))
    line, ring = panel(result).get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[0, 0.7], [1e-3, 0.6]])
    np.testing.assert_allclose(ring.get_xydata(), [[0, 0.7]])
    assert result.title == "Choice of the weight decay"


def test_without_a_choice_there_is_no_figure() -> None:
    assert draw_rates(table_of(untuned(), trial())) is None


# Learning curves


def test_curves_are_means_as_far_as_all_folds_went() -> None:
    results = table_of(trial(fold=1), trial(fold=2), trial(rate=1e-2, validation=0.1))
    keys = sorted(set(results["trial_key"]))
    chosen, other = [key for key in keys if "0.001" in key], [key for key in keys if "0.01" in key]
    curves = pd.concat(
        [
            curves_of(chosen[0], "validation/bone/dsc", [0.2, 0.4, 0.6]),
            curves_of(chosen[1], "validation/bone/dsc", [0.4, 0.6]),
            curves_of(other[0], "validation/bone/dsc", [0.9, 0.9]),
            curves_of(chosen[0], "learning_rate", [1.0]),
        ]
    )
    result = drawn(draw_curves(results, curves))
    bone = next(axes for axes in result.figure.axes if axes.get_title().startswith("Bone"))
    ((epochs, values),) = lines(bone)
    assert epochs == [1, 2]
    np.testing.assert_allclose(values, [0.3, 0.5])
    assert legend(result.figure) == ["open"]


def test_of_many_arms_those_of_the_study_are_drawn_and_the_others_named() -> None:
    layers = ("fc", "3", "6", "9", "12", "15", "18")
    results = table_of(*(trial("conservative", name) for name in layers), trial("open"))
    curves = pd.concat([curves_of(key, "train/loss", [1.0]) for key in results["trial_key"].unique()])
    result = drawn(draw_curves(results, curves))
    shown = [f"conservative {name}" for name in ("fc", "3", "6", "9", "18")]
    assert sorted(legend(result.figure)) == sorted([*shown, "open"])
    assert "Not drawn, for room: conservative 12, conservative 15." in result.caption


def test_trials_without_curves_are_no_figure() -> None:
    assert draw_curves(table_of(untuned()), NO_CURVES) is None


# Patients


def test_a_line_a_patient_across_arms() -> None:
    trials = [untuned(test=0.2), trial(fold=1, test=0.5), trial(fold=2, test=0.7)]
    result = drawn(draw_patients(table_of(*trials), patients_of({"P1": -0.1, "P2": 0.1}, *trials)))
    first, second = lines(panel(result))
    np.testing.assert_allclose(first[0], [0.1, 0.5])
    np.testing.assert_allclose(second[0], [0.3, 0.7])
    assert [label.get_text() for label in panel(result).get_yticklabels()] == ["no_fine_tuning", "open"]
    assert legend(result.figure) == ["P1", "P2"]
    assert "no_fine_tuning 0.100 to 0.300, open 0.500 to 0.700" in result.alt


def test_many_patients_need_no_legend() -> None:
    names = {f"P{number}": 0.0 for number in range(14)}
    result = drawn(draw_patients(table_of(trial()), patients_of(names, trial())))
    assert result.figure.legends == []
    assert "14 T2w test patients" in result.caption


# Segmented slices (Figs 6 and 8)


def slices_of(patient: str = "P1", sequence: Any = "T2", wrong: int = 0, ignored: int = 0) -> PatientSlices:
    """Slices of 4 x 6 voxels; soft tissue with a corner of bone, and `wrong` voxels called bone."""
    labels = np.ones((4, 6, 3), np.uint8)
    labels[0, 0] = 2
    prediction = labels.copy()
    prediction[1, :wrong] = 2
    labels[3, :ignored] = 255
    slices = Slices(
        image=np.full((4, 6, 3), 99, np.uint8),
        labels=labels,
        prediction=prediction,
        heights=np.array([3, 5, 7]),
        voxel_mm=np.array([1.0, 2.0, 3.0]),
    )
    return {(sequence, patient): slices}


def key_of(rows: Trial) -> str:
    return str(rows[0]["trial_key"])


def titles(result: Drawn) -> list[str]:
    return [text for axes in result.figure.axes if (text := axes.get_title().replace("\n", " "))]


def test_slices_are_rows_and_arms_columns_with_errors_marked() -> None:
    one, other = untuned(), trial()
    result = drawn(
        draw_segmentations(
            table_of(one, other), {key_of(one): slices_of(), key_of(other): slices_of(wrong=2)}
        )
    )
    assert titles(result) == ["MR", "true labels", "no_fine_tuning", "open"]
    grid = result.figure.axes
    assert len(grid) == 12
    assert [axes.get_ylabel() for axes in grid[::4]] == ["slice 4", "slice 6", "slice 8"]
    truth, right, wrong = (np.asarray(axes.images[0].get_array()) for axes in grid[1:4])
    np.testing.assert_array_equal(truth, right)
    assert (truth != wrong).any(axis=-1).sum() == 2
    assert truth.shape[:2] == (6, 4)
    assert tuple(truth[-1, -1]) == (240, 228, 66), "back, and the patient's right: bone"
    assert grid[0].get_aspect() == 2, "voxels are twice as long from back to front"
    assert "no label" not in legend(result.figure)


def test_titles_of_slices_that_are_long_do_not_overlap() -> None:
    trials = [trial("conservative", layers) for layers in ("3", "6", "9", "12", "15", "18")]
    table = table_of(*trials)
    table["arm"] += " architecture=segresnet"
    result = drawn(draw_segmentations(table, {key_of(rows): slices_of() for rows in trials}))
    result.figure.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in result.figure.axes if axes.get_title()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_voxels_without_a_label_are_explained_where_there_are_some() -> None:
    result = drawn(draw_segmentations(table_of(trial()), {key_of(trial()): slices_of(ignored=2)}))
    assert "no label" in legend(result.figure)
    assert "White: no label" in result.caption


def test_all_arms_show_the_same_patient_of_the_same_fold() -> None:
    one, early, late = untuned(fold=2), trial(fold=1), trial(fold=2)
    slices = {
        key_of(one): slices_of("P2"),
        key_of(early): slices_of("P1"),
        key_of(late): slices_of("P2") | slices_of("P3"),
    }
    result = drawn(draw_segmentations(table_of(one, early, late), slices))
    assert titles(result)[2:] == ["no_fine_tuning", "open"]
    assert "patient P2" in result.caption
    assert "fold 2" in result.caption


def test_on_a_phone_slices_lie_beside_each_other_and_arms_below() -> None:
    result = drawn(draw_segmentations(table_of(trial()), {key_of(trial()): slices_of()}, NARROW))
    assert len(result.figure.axes) == 9
    assert [axes.get_xlabel() for axes in result.figure.axes[-3:]] == ["slice 4", "slice 6", "slice 8"]


def test_records_without_slices_are_no_figure() -> None:
    assert draw_segmentations(table_of(trial()), {}) is None
    assert draw_segmentations(table_of(trial()), {key_of(trial()): {}}) is None


def test_augmentation_is_shown_on_both_sequences() -> None:
    one, other = (
        rows(sequences=("T1", "T2")) for rows in (untuned, lambda **more: trial("augmented", **more))
    )
    both = {key_of(rows): slices_of() | slices_of(sequence="T1") for rows in (one, other)}
    result = drawn(draw_augmentation(table_of(one, other), both))
    assert titles(result) == ["MR", "true labels", "without target scans", "with target scans"]
    assert [axes.get_ylabel() for axes in result.figure.axes[::4]] == ["T1w, slice 6", "T2w, slice 6"]
    only_t2 = {key: {("T2", "P1"): own["T2", "P1"]} for key, own in both.items()}
    assert draw_augmentation(table_of(one, other), only_t2) is None
    assert draw_augmentation(table_of(one), both) is None


# Registration checks


def alignment(ok: bool = True, **measures: float) -> Alignment:
    return Alignment(method="rigid", ok=ok, reason="", to_ct=np.eye(4).tolist(), measures=measures)


def test_the_least_certain_alignments_come_first() -> None:
    found = {
        ("good", "T1"): alignment(dice=0.99, sharpness=3.0, restart_mm=0.1),
        ("poor", "T1"): alignment(dice=0.91, sharpness=1.7, restart_mm=1.9),
        ("fair", "T1"): alignment(dice=0.95, sharpness=2.0, restart_mm=1.0),
        ("given", "T1"): alignment(),
        ("refused", "T1"): alignment(ok=False, dice=0.99, sharpness=3.0, restart_mm=0.1),
    }
    assert [name for name, _ in worst_first(found)] == ["refused", "poor", "fair", "good", "given"]


def test_bone_is_outlined_on_each_scan_up_to_the_limit() -> None:
    subjects = {
        name: replace(subject, alignment={s: alignment(bone_contrast=0.9) for s in ("T1", "T2")})
        for name, subject in make_subjects(13).items()
    }
    result = drawn(draw_registration(subjects))
    shown = [axes for axes in result.figure.axes if axes.images]
    assert len(shown) == MOST_PANELS
    assert f"{MOST_PANELS} of 26 scans" in result.caption
    assert shown[0].get_title() == "P01 T1w\ncontrast 0.90"
    assert shown[0].collections, "the outline"


def test_the_record_gets_a_small_picture() -> None:
    content = registration_png(make_subjects(2))
    assert content is not None
    assert Image.open(io.BytesIO(content)).format == "PNG"
    assert len(content) < 1_000_000
    assert registration_png({}) is None


# All of them, and their files


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    trials = [
        untuned(test=0.2, sequences=("T1", "T2")),
        trial("conservative", "9", test=0.4),
        trial("open", rate=1e-2, validation=0.4),
        trial("open", test=0.6, seconds=99),
        trial("augmented", sequences=("T1", "T2")),
    ]
    return {
        "results": table_of(*trials),
        "patients": patients_of({"P1": 0.0, "P2": 0.1}, *trials),
        "calibration": pd.concat([calibration_of(key_of(rows)) for rows in trials]),
        "curves": pd.concat([curves_of(key_of(rows), "train/loss", [1.0, 0.5]) for rows in trials]),
        "slices": {key_of(rows): slices_of() | slices_of(sequence="T1") for rows in trials},
    }


def calibration_of(key: str) -> pd.DataFrame:
    """As `calibration_frame` has a trial's, of one T2 patient and networks that are a little too sure."""
    bins = np.arange(15)
    given = (bins + 0.5) / 15
    rows = pd.DataFrame({"bin": bins, "voxels": 1000, "probabilities": 1000 * given, "true": 900 * given})
    return pd.concat(
        [
            rows.assign(
                **{"trial_key": key, "sequence": "T2", "patient": "P1", "class": name, "squares": 900.0}
            )
            for name in ("bone", "soft_tissue", "air")
        ]
    )


NO_OTHERS = {
    "patients": table_of(columns=PATIENTS),
    "calibration": pd.DataFrame(columns=CALIBRATION),
    "curves": NO_CURVES,
    "slices": {},
}


def all_drawn(layout: Layout = WIDE, **data: Any) -> dict[str, Drawn]:
    return {name: figure for name, drawing in drawings(**data).items() if (figure := drawing(layout))}


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_a_whole_sweep_has_every_figure_with_its_words(everything: dict[str, Any], layout: Layout) -> None:
    figures = all_drawn(layout, **everything)
    assert list(figures) == [
        "dsc_by_depth",
        "score_against_time",
        "compute_time",
        "patients",
        "slices",
        "slices_augmentation",
        "learning_rates",
        "calibration",
        "learning_curves",
    ]
    for result in figures.values():
        assert result.title
        assert result.caption
        assert len(result.alt) > 40
        assert "nan" not in result.alt + result.caption
        assert result.figure.get_figwidth() <= layout.width


@pytest.mark.filterwarnings("error")  # of a layout that has no room
@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_arms_of_long_names_leave_the_figures_their_room(everything: dict[str, Any], layout: Layout) -> None:
    more = " lora_rank=4 layer_decay=1 augmentation=none"
    named = {
        name: everything[name].assign(arm=lambda rows: rows["arm"] + more) for name in ("results", "patients")
    }
    for name, result in all_drawn(layout, **{**everything, **named}).items():
        freeze(result.figure)
        result.figure.canvas.draw()
        for text in words_of(result.figure):
            assert result.figure.bbox.padded(1).contains(*text.get_window_extent().p0), (name, text)
            assert result.figure.bbox.padded(1).contains(*text.get_window_extent().p1), (name, text)
        panels = result.figure.axes
        assert all(axes.bbox.width > 0.15 * result.figure.bbox.width / layout.columns for axes in panels), (
            name
        )


def words_of(figure: Figure) -> list[Text]:
    """Titles, labels of axes, names of rows, names of points and legends."""
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    words = [
        *(text for legend in legends for text in legend.get_texts()),
        *(text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label)),
        *(text for axes in figure.axes for text in axes.get_yticklabels() if text.get_text()[:1].isalpha()),
        *(text for axes in figure.axes for text in axes.texts),
    ]
    return [text for text in words if text.get_text()]


def test_nothing_recorded_is_no_figure() -> None:
    assert all_drawn(**NO_OTHERS, results=table_of()) == {}


def test_one_arm_alone_does_not_crash() -> None:
    figures = all_drawn(**NO_OTHERS, results=table_of(untuned()))
    assert list(figures) == ["compute_time"]


def test_curves_and_slices_are_asked_for_chosen_trials_only(everything: dict[str, Any]) -> None:
    results = everything["results"]
    assert set(results["trial_key"]) - set(drawn_trials(results)) == {"open 0.01 8 1"}
    assert pictured_trials(results) == drawn_trials(results), "one seed"
    again = results.assign(trial_key=results["trial_key"] + " again", seed=1)
    assert len(drawn_trials(pd.concat([again, results]))) == 2 * len(drawn_trials(results))
    assert set(pictured_trials(pd.concat([again, results]))) == set(pictured_trials(results))
    assert drawn_trials(table_of()) == pictured_trials(table_of()) == []


def test_an_arm_tried_on_fewer_patients_says_so() -> None:
    results = table_of(trial("open"), trial("conservative", "9", size=4))
    labels = panel(draw_compute_time(results)).get_yticklabels()
    assert [label.get_text() for label in labels] == ["open", "conservative 9 (4 patients)"]


def test_the_studys_arms_go_first() -> None:
    assert pick(["conservative fc", "conservative 6", "open"], most=2) == ["conservative 6", "open"]


def test_titles_name_the_studys_figures_where_its_sequences_and_classes_are(
    everything: dict[str, Any],
) -> None:
    others = {"sequences": Sequences(target="FLAIR")}
    for about, named in (({}, True), (others, False)):
        for name, number in {"dsc_by_depth": 5, "slices": 6, "compute_time": 7}.items():
            drawn = drawings(**everything, **about)[name](WIDE)
            assert drawn is not None
            assert drawn.title.endswith(f" (Fig. {number} of the study)") is named


def test_files_are_the_same_each_time(everything: dict[str, Any]) -> None:
    drawing = drawings(**everything)["score_against_time"]
    rendered = render(drawing)
    assert rendered is not None
    assert render(drawing) == rendered
    assert b"<dc:date>" not in rendered.svg
    widths = [Image.open(io.BytesIO(picture)).width for picture in (rendered.wide, rendered.narrow)]
    assert widths == [WIDE.width * DPI, NARROW.width * DPI]


def test_drawing_leaves_matplotlib_as_it_was(everything: dict[str, Any]) -> None:
    before = (get_backend(), dict(rcParams))
    figure = drawn(draw_depth(everything["results"])).figure
    assert png(figure).startswith(b"\x89PNG")
    assert b"<svg" in svg(figure)
    assert (get_backend(), dict(rcParams)) == before


def test_panels_lie_beside_each_other_where_there_is_room() -> None:
    wide, _ = make_panels(WIDE, 3, 2.0)
    narrow, panels = make_panels(NARROW, 3, 2.0)
    assert wide.get_figheight() == 2
    assert narrow.get_figheight() == 6
    assert len(panels) == 3
