"""Registration checks: a class of the labels outlined on the MR, the least certain alignments first."""

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from PIL import Image

from ablation.report.figures.drawn import WIDE, Drawn, Layout, make_figure, png, styled
from ablation.report.study.texts import ALONG_THE_SKULL, CONTRAST
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.evaluation.slices import grey_levels, upright
from t1t2core.preparation.alignment import LIMITS, Alignment
from t1t2core.preparation.prepare import PreparedScan, PreparedSubject
from t1t2core.settings import SOURCE, TARGET
from t1t2core.settings.classes import Classes

MOST_PANELS = 24
COLUMNS = {True: 6, False: 2}
"""By whether the layout is a wide one."""
COLOURS = 128
"""Of the picture for the record: greys and an outline need no more, and it stays small."""
LONGEST_NAME = 15
SHOWN = {"bone_contrast": "contrast", "sharpness": "sharp"}
"""Measures under each panel."""


@styled
def draw_registration(
    subjects: Mapping[str, PreparedSubject],
    layout: Layout = WIDE,
    *,
    sequences: Sequences = STUDY_SEQUENCES,
) -> Drawn | None:
    """A panel a subject and sequence, at most `MOST_PANELS`. None without subjects."""
    order = worst_first(
        {
            (name, sequence): alignment
            for name, subject in subjects.items()
            for sequence, alignment in subject.alignment.items()
        }
    )
    if not order:
        return None
    shown = order[:MOST_PANELS]
    most = COLUMNS[layout.columns > 1]
    columns, rows = min(most, len(shown)), -(-len(shown) // most)
    side = layout.width / most
    figure = make_figure(side * columns, rows * (side * 1.25 + 0.45))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (name, sequence) in zip(grid.flat, shown, strict=False):
        subject = subjects[name]
        _show(axes, subject.scan(SOURCE if sequence == SOURCE else TARGET))
        title = f"{_short(name)} {sequences.suffix(sequence)}\n{_measures(subject.alignment[sequence])}"
        axes.set_title(title, fontsize=8)
    return Drawn(
        figure=figure,
        title="Registration checks",
        caption=_caption(subjects[shown[0][0]].t1.classes, f"{len(shown)} of {len(order)} scans"),
        alt=f"MR slices of {len(shown)} scans with the labels' outline, least certain first: "
        + ", ".join(f"{name} {sequences.suffix(sequence)}" for name, sequence in shown[:5])
        + (" and others." if len(shown) > 5 else "."),
    )


def _caption(classes: Classes, which: str) -> str:
    """What is outlined, which scans are shown, and what their measures mean."""
    name = classes.outlined.replace("_", " ")
    skull = f": {ALONG_THE_SKULL}" if classes.is_study else ""
    contrast = CONTRAST if classes.is_study else ""
    return (
        f"MR slice halfway up, and the outline of {name} on it{skull}. {which}, the least certain alignments "
        f"first (mean rank of their measures). {contrast}Sharp: how much better the CT fits here than beside "
        "its place."
    )


def registration_png(
    subjects: Mapping[str, PreparedSubject], sequences: Sequences = STUDY_SEQUENCES
) -> bytes | None:
    """The checks as PNG, for the record; None without subjects."""
    drawn = draw_registration(subjects, sequences=sequences)
    if drawn is None:
        return None
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png(drawn.figure))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def worst_first(alignments: Mapping[tuple[str, str], Alignment]) -> list[tuple[str, str]]:
    """Subjects and sequences: refused alignments first, then by the mean rank of their measures."""
    table = pd.DataFrame(
        [{name: a.measures.get(name, np.nan) for name in LIMITS} for a in alignments.values()],
        columns=list(LIMITS),
        dtype=float,
    )
    falling = [name for name, (_, most, _) in LIMITS.items() if np.isfinite(most) and most != 1]
    table[falling] = -table[falling]
    ranks = table.rank(pct=True).mean(axis=1).fillna(2.0)
    keys = zip(alignments.items(), ranks, strict=True)
    return [place for (place, _), _ in sorted(keys, key=lambda item: (item[0][1].ok, item[1], item[0][0]))]


def _show(axes: Axes, scan: PreparedScan) -> None:
    classes = scan.classes
    outlined = scan.labels == classes.labels[classes.outlined]
    k = outlined.shape[2] // 2
    x, y, _ = scan.voxel_mm
    axes.imshow(upright(grey_levels(scan.image[:, :, k])), cmap="gray", vmin=0, vmax=255, aspect=y / x)
    if outlined[:, :, k].any():
        axes.contour(upright(outlined[:, :, k]).astype(float), levels=[0.5], colors="#F0E442", linewidths=0.7)


def _measures(alignment: Alignment) -> str:
    found = [
        f"{short} {alignment.measures[name]:.2f}"
        for name, short in SHOWN.items()
        if name in alignment.measures
    ]
    return ", ".join(found) or "labels given"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 4]}…{name[-3:]}"
