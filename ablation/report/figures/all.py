"""All figures of a report at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from ablation.report.figures.arm import largest, scored_rows
from ablation.report.figures.calibration import draw_calibration
from ablation.report.figures.compute_time import draw_compute_time
from ablation.report.figures.curves import draw_curves
from ablation.report.figures.depth import draw_depth
from ablation.report.figures.drawn import Drawn, Layout
from ablation.report.figures.forest import draw_forest
from ablation.report.figures.pareto import draw_pareto
from ablation.report.figures.patients import draw_patients
from ablation.report.figures.rates import draw_rates
from ablation.report.figures.rendered import Drawing
from ablation.report.figures.robustness import draw_robustness
from ablation.report.figures.segmentations import draw_augmentation, draw_segmentations
from ablation.report.study.texts import FIGURES
from ablation.space.design import STUDY, Design
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.evaluation.slices import PatientSlices
from t1t2core.settings import SOURCE, TARGET
from t1t2core.settings.classes import STUDY_CLASSES, Classes


def drawings(
    results: pd.DataFrame,
    patients: pd.DataFrame,
    calibration: pd.DataFrame,
    curves: pd.DataFrame,
    slices: Mapping[str, PatientSlices],
    design: Design = STUDY,
    changed: pd.DataFrame | None = None,
    tested: Sequence[str] = (),
    *,
    classes: Classes = STUDY_CLASSES,
    sequences: Sequences = STUDY_SEQUENCES,
) -> dict[str, Drawing]:
    """All figures, still to be drawn, by the name of their files, in the order of a page.

    Args:
        results, patients: as `results.csv` and `patients.csv`, of the box.
        calibration: as `calibration_frame` gives it.
        curves: columns `trial_key`, `metric`, `step` and `value`; empty where there are none.
        slices: of trials by key, see `t1t2core.evaluation.slices.unpack_slices`.
        design: of the plan; the study's own figure is drawn where it varies the study's factors alone.
        changed: as `robustness.csv`.
        tested: classes whose best arms were tested on changed scans.
        classes, sequences: of the plan.
    """
    about: dict[str, Any] = {"classes": classes, "sequences": sequences}
    tuned = [name for name in design.tuned if name in design.settings]
    of_changed = {} if changed is None else {n: partial(draw_robustness, results, changed, n) for n in tested}
    of_study = {} if design.settings else {"dsc_by_depth": partial(draw_depth, results)}
    found: dict[str, Drawing] = {
        "changes": partial(draw_forest, results, patients, design),
        **of_study,
        "score_against_time": partial(draw_pareto, results),
        "compute_time": partial(draw_compute_time, results),
        "patients": partial(draw_patients, results, patients, sequences=sequences),
        "slices": partial(draw_segmentations, results, slices, **about),
        "slices_augmentation": partial(draw_augmentation, results, slices, **about),
        **{f"robustness_{name}": drawing for name, drawing in of_changed.items()},
        "learning_rates": partial(draw_rates, results),
        **{f"choice_of_{name}": partial(draw_rates, results, factor=name) for name in tuned},
        "calibration": partial(draw_calibration, results, calibration, sequences=sequences),
        "learning_curves": partial(draw_curves, results, curves),
    }
    is_study = classes == STUDY_CLASSES and sequences == STUDY_SEQUENCES
    return _numbered(found) if is_study else found


def _numbered(drawings: Mapping[str, Drawing]) -> dict[str, Drawing]:
    """Let the titles of figures that the study has too name its own."""
    own = {name: number for name, number in FIGURES.items() if name in drawings}
    return {**drawings, **{n: partial(_draw_numbered, drawings[n], number) for n, number in own.items()}}


def _draw_numbered(drawing: Drawing, number: int, layout: Layout) -> Drawn | None:
    """Draw a figure whose title names the study's own."""
    drawn = drawing(layout)
    return drawn and replace(drawn, title=f"{drawn.title} (Fig. {number} of the study)")


def drawn_trials(results: pd.DataFrame) -> list[str]:
    """Keys of the trials whose curves the figures may need: each arm's at its chosen rate."""
    return list(dict.fromkeys(key for rows in _drawn_rows(results) for key in rows["trial_key"]))


def pictured_trials(results: pd.DataFrame) -> list[str]:
    """Keys of the trials whose slices the figures may need: of those, one an arm and fold."""
    one = (rows.sort_values("seed").drop_duplicates(["arm", "fold"]) for rows in _drawn_rows(results))
    return list(dict.fromkeys(key for rows in one for key in rows["trial_key"]))


def _drawn_rows(results: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows that figures show, for each sequence."""
    rows = [scored_rows(results, sequence) for sequence in (SOURCE, TARGET)]
    return [largest(scored) for scored in rows if not scored.empty]
