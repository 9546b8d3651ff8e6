"""All figures of a report at once."""

from collections.abc import Mapping

import pandas as pd

from ablation.pictures import PatientSlices
from ablation.report.figures.arm import largest, scored_rows
from ablation.report.figures.compute_time import draw_compute_time
from ablation.report.figures.curves import draw_curves
from ablation.report.figures.depth import draw_depth
from ablation.report.figures.drawn import NARROW, WIDE, Drawn, Layout, png
from ablation.report.figures.pareto import draw_pareto
from ablation.report.figures.patients import draw_patients
from ablation.report.figures.rates import draw_rates
from ablation.report.figures.segmentations import draw_augmentation, draw_segmentations


def draw_all(
    results: pd.DataFrame,
    patients: pd.DataFrame,
    curves: pd.DataFrame,
    slices: Mapping[str, PatientSlices],
    layout: Layout = WIDE,
) -> dict[str, Drawn]:
    """The figures that the data has something for, by the name of their file, in the order of a page.

    Args:
        results: as `results.csv`.
        patients: as `patients.csv`.
        curves: columns `trial_key`, `metric`, `step` and `value`; empty where there are none.
        slices: of trials by key, see `ablation.pictures.unpack_slices`.
        layout: `WIDE`, or `NARROW` for a phone.
    """
    figures = {
        "dsc_by_depth": draw_depth(results, layout),
        "score_against_time": draw_pareto(results, layout),
        "compute_time": draw_compute_time(results, layout),
        "patients": draw_patients(results, patients, layout),
        "slices": draw_segmentations(results, slices, layout),
        "slices_augmentation": draw_augmentation(results, slices, layout),
        "learning_rates": draw_rates(results, layout),
        "learning_curves": draw_curves(results, curves, layout),
    }
    return {name: drawn for name, drawn in figures.items() if drawn is not None}


def draw_narrow(
    results: pd.DataFrame,
    patients: pd.DataFrame,
    curves: pd.DataFrame,
    slices: Mapping[str, PatientSlices],
) -> dict[str, bytes]:
    """As `draw_all`, for a phone, as PNG."""
    figures = draw_all(results, patients, curves, slices, NARROW)
    return {name: png(drawn.figure) for name, drawn in figures.items()}


def drawn_trials(results: pd.DataFrame) -> list[str]:
    """Keys of the trials whose curves the figures may need: each arm's at its chosen rate."""
    return list(dict.fromkeys(key for rows in _drawn_rows(results) for key in rows["trial_key"]))


def pictured_trials(results: pd.DataFrame) -> list[str]:
    """Keys of the trials whose slices the figures may need: of those, one an arm and fold."""
    one = (rows.sort_values("seed").drop_duplicates(["arm", "fold"]) for rows in _drawn_rows(results))
    return list(dict.fromkeys(key for rows in one for key in rows["trial_key"]))


def _drawn_rows(results: pd.DataFrame) -> list[pd.DataFrame]:
    """Of each sequence, those that figures show."""
    rows = [scored_rows(results, sequence) for sequence in ("T1", "T2")]
    return [largest(scored) for scored in rows if not scored.empty]
