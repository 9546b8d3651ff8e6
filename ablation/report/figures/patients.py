"""Each test patient's Dice by arm: how much patients differ, beside how much arms do."""

import pandas as pd
from matplotlib.axes import Axes

from ablation.record.selection import classes_in, select
from ablation.report.figures.arm import LOOKS, Look, largest, look, scored_rows, titles_of
from ablation.report.figures.drawn import (
    WIDE,
    Drawn,
    Layout,
    add_legend,
    height_of,
    make_panels,
    name_rows,
    styled,
)
from ablation.report.tables.choice import as_chosen
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.settings import TARGET

ROW = 0.3
"""Inches of height an arm takes."""
TICKS = 4
"""At most so many on the axis of a class: in a narrow range each has four decimals."""
ALIKE = Look("#666666", "o", "-", "")
"""Where there are too many patients to tell apart."""


@styled
def draw_patients(
    results: pd.DataFrame,
    patients: pd.DataFrame,
    layout: Layout = WIDE,
    *,
    sequences: Sequences = STUDY_SEQUENCES,
) -> Drawn | None:
    """A panel a class, a row an arm, a line a patient. None without scores of patients.

    Args:
        results: as `results.csv`, for the arms and their chosen learning rate.
        patients: as `patients.csv`.
    """
    scores = _scores(results, patients)
    if scores.empty:
        return None
    arms, names = list(dict.fromkeys(scores["arm"])), sorted(scores["patient"].unique())
    means = scores.groupby(["class", "patient", "arm"])["dsc"].mean().unstack("arm")
    titles = titles_of(scores)
    figure, panels = make_panels(layout, len(titles), height_of(arms, ROW) + 1.3, sharey=True)
    handles = {}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for place, patient in enumerate(names):
            if (name, patient) in means.index:
                style = look(place) if len(names) <= len(LOOKS) else ALIKE
                handles[patient] = _line(axes, means.loc[(name, patient)].reindex(arms), style)
        axes.set(title=title, xlabel="test DSC of a patient")
        axes.locator_params(axis="x", nbins=TICKS)
    name_rows(panels, arms, layout)
    if len(names) <= len(LOOKS):
        add_legend(figure, handles, layout)
    return Drawn(
        figure=figure,
        title="Dice of each test patient",
        caption=f"Test DSC of each of the {len(names)} {sequences.target} test patients, a line a patient; "
        f"means over the folds and seeds that tested the patient, each arm {as_chosen(results)}, at the "
        "largest training set. Where lines run side by side, patients differ more than arms do.",
        alt=f"Dot charts of the test Dice of {len(names)} patients by arm. Range over patients, first class: "
        + _ranges(means, arms),
    )


def _scores(results: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    rows = scored_rows(results)
    if rows.empty or patients.empty:
        return pd.DataFrame(columns=["arm", "patient", "class", "dsc"])
    part = select(patients, split="test", sequence=TARGET, tissue=classes_in(patients)).dropna(subset=["dsc"])
    shown = part[part["trial_key"].isin(largest(rows)["trial_key"])]
    return shown.assign(patient=shown["patient"].astype("str"))


def _line(axes: Axes, values: pd.Series, style: Look) -> object:
    (line,) = axes.plot(
        values,
        range(len(values)),
        color=style.colour,
        marker=style.marker,
        ls=style.line,
        ms=5.5,
        lw=1,
        alpha=0.85,
    )
    return line


def _ranges(means: pd.DataFrame, arms: list[str]) -> str:
    names = classes_in(means.reset_index())
    if not names:
        return "none measured."
    first = means.loc[names[0]]
    ends = zip(arms, first.min().reindex(arms), first.max().reindex(arms), strict=True)
    return ", ".join(f"{arm} {low:.3f} to {high:.3f}" for arm, low, high in ends if low == low) + "."
