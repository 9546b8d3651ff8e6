"""Segmented slices: the scan, true labels, and what each arm says (Figs 6 and 8)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ablation.report.figures.arm import largest, pick, scored_rows
from ablation.report.figures.drawn import WIDE, Drawn, Layout, add_legend, fold, make_figure, styled
from ablation.report.study.texts import COLOURS
from ablation.report.tables.choice import as_chosen
from t1t2core.cohort.subject import STUDY_SEQUENCES, Sequences
from t1t2core.evaluation.slices import (
    UNKNOWN,
    WRONG,
    PatientSlices,
    Slices,
    colour_labels,
    colours_of,
    mark_errors,
    upright,
)
from t1t2core.settings import SOURCE, TARGET, Sequence
from t1t2core.settings.classes import STUDY_CLASSES, Classes

TRUE = "true labels"
AUGMENTATION = {"no_fine_tuning": "without target scans", "augmented": "with target scans"}
LETTERS = 15
"""Of a line of a panel's title."""
TITLE = 0.2
"""Inches of a line of a panel's title."""
BOTH: tuple[Sequence, Sequence] = (SOURCE, TARGET)
MARGIN = 0.25
"""Inches of what stands beside the panels."""


@dataclass(frozen=True)
class _Strip:
    """A slice and what each arm makes of it: one row of the wide figure."""

    name: str
    pictures: dict[str, np.ndarray]
    """RGB (X, Y, 3) by title."""
    height: float
    """Height of a voxel over its width."""


@styled
def draw_segmentations(
    results: pd.DataFrame,
    slices: Mapping[str, PatientSlices],
    layout: Layout = WIDE,
    *,
    classes: Classes = STUDY_CLASSES,
    sequences: Sequences = STUDY_SEQUENCES,
) -> Drawn | None:
    """Target slices of one test patient by arm (Fig. 6). None where no record keeps slices.

    Args:
        results: as `results.csv`, for the arms and their chosen learning rate.
        slices: by trial key.
    """
    found = _patient_of_all(results, slices, TARGET, None)
    if found is None:
        return None
    patient, fold, by_arm = found
    shown = pick(by_arm)
    strips = list(_strips({arm: by_arm[arm] for arm in shown}, classes))
    return Drawn(
        figure=_draw(strips, layout, classes),
        title="Segmented slices",
        caption=f"Axial {sequences.target} slices of test patient {patient}: the scan, true labels, and the "
        f"labels of each arm (fold {fold}, {as_chosen(results)}). {_key(strips, classes)}",
        alt="Axial slices of a test patient: the scan, true labels, and the labels of "
        f"{', '.join(shown)}, with wrong voxels marked.",
    )


@styled
def draw_augmentation(
    results: pd.DataFrame,
    slices: Mapping[str, PatientSlices],
    layout: Layout = WIDE,
    *,
    classes: Classes = STUDY_CLASSES,
    sequences: Sequences = STUDY_SEQUENCES,
) -> Drawn | None:
    """A slice of each sequence without and with the target in training (Fig. 8). None where one lacks."""
    strips, patients = [], []
    for sequence in BOTH:
        found = _patient_of_all(results, slices, sequence, set(AUGMENTATION))
        if found is None or set(found[2]) != set(AUGMENTATION):
            return None
        patients.append(f"{sequences.suffix(sequence)} of {found[0]}")
        by_title = {title: found[2][arm] for arm, title in AUGMENTATION.items()}
        every = list(_strips(by_title, classes))
        strips.append(every[len(every) // 2])
    for place, sequence in enumerate(BOTH):
        strips[place] = _Strip(
            f"{sequences.suffix(sequence)}, {strips[place].name}",
            strips[place].pictures,
            strips[place].height,
        )
    return Drawn(
        figure=_draw(strips, Layout(width=min(layout.width, 7), columns=layout.columns), classes),
        title=f"Segmented slices without and with {sequences.target} in training",
        caption=f"Axial slices of test patients ({', '.join(patients)}): the scan, true labels, the network "
        f"trained on {sequences.source} alone, and the one trained on both sequences together. "
        f"{_key(strips, classes)}",
        alt="An axial slice of each sequence: the scan, true labels, and the labels of networks trained "
        f"without and with {sequences.target} heads, with wrong voxels marked.",
    )


def _patient_of_all(
    results: pd.DataFrame, slices: Mapping[str, PatientSlices], sequence: str, wanted: set[str] | None
) -> tuple[str, int, dict[str, Slices]] | None:
    """The patient and fold that most arms have slices of, with these by arm."""
    rows = scored_rows(results, sequence)
    if rows.empty:
        return None
    trials = largest(rows).drop_duplicates("trial_key").sort_values(["fold", "seed"], kind="stable")
    order = [arm for arm in dict.fromkeys(largest(rows)["arm"]) if wanted is None or arm in wanted]
    places: dict[tuple[str, int], dict[str, Slices]] = {}
    for trial in trials[trials["arm"].isin(order)].to_dict("records"):
        for (own, patient), found in slices.get(str(trial["trial_key"]), {}).items():
            if own == sequence:
                places.setdefault((patient, int(trial["fold"])), {}).setdefault(str(trial["arm"]), found)
    if not places:
        return None
    (patient, fold), by_arm = max(places.items(), key=lambda place: len(place[1]))
    return patient, fold, {arm: by_arm[arm] for arm in order if arm in by_arm}


def _strips(by_title: Mapping[str, Slices], classes: Classes) -> Iterator[_Strip]:
    first = next(iter(by_title.values()))
    for place, height in enumerate(first.heights):
        pictures = {
            "MR": first.image[:, :, place, None].repeat(3, axis=2),
            TRUE: colour_labels(first.labels[:, :, place], classes),
        }
        for title, own in by_title.items():
            labels, prediction = own.labels[:, :, place], own.prediction[:, :, place]
            pictures[title] = mark_errors(colour_labels(prediction, classes), prediction, labels)
        yield _Strip(f"slice {height + 1}", pictures, float(first.voxel_mm[1] / first.voxel_mm[0]))


def _draw(strips: list[_Strip], layout: Layout, classes: Classes) -> Figure:
    """Slices downwards where there is room for all columns, else to the right."""
    titles = list(strips[0].pictures)
    across = layout.columns > 1
    rows, columns = (len(strips), len(titles)) if across else (len(titles), len(strips))
    sizes = [strip.pictures["MR"].shape for strip in strips]
    tallest = max(strip.height * size[1] / size[0] for strip, size in zip(strips, sizes, strict=True))
    lines = max(len(fold(title, LETTERS).splitlines()) for title in titles)
    heads = lines * TITLE if across else rows * TITLE
    figure = make_figure(layout.width, (layout.width - MARGIN) / columns * tallest * rows + heads + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.03, wspace=0.01, hspace=0.01)
    for down, strip in enumerate(strips):
        for right, (title, picture) in enumerate(strip.pictures.items()):
            axes = grid[down, right] if across else grid[right, down]
            _show(axes, picture, strip.height)
            if across and down == 0:
                axes.set_title(fold(title, LETTERS), fontsize=9)
            if not across and down == 0:
                axes.set_title(title, fontsize=10, loc="left")
        if across:
            grid[down, 0].set_ylabel(strip.name, fontsize=9)
        else:
            grid[-1, down].set_xlabel(strip.name, fontsize=9)
    add_legend(figure, _legend(strips, classes), layout)
    return figure


def _show(axes: Axes, picture: np.ndarray, height: float) -> None:
    axes.imshow(upright(picture), aspect=height)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)


def _legend(strips: list[_Strip], classes: Classes) -> dict[str, Patch]:
    names = [name.replace("_", " ") for name in classes.names]
    colours = dict(zip(names, colours_of(classes), strict=True)) | {"differs from the truth": WRONG}
    if _some_unknown(strips):
        colours["no label"] = UNKNOWN
    return {name: Patch(facecolor=tuple(rgb / 255), edgecolor="#444444") for name, rgb in colours.items()}


def _some_unknown(strips: list[_Strip]) -> bool:
    return any((strip.pictures[TRUE] == UNKNOWN).all(axis=-1).any() for strip in strips)


def _key(strips: list[_Strip], classes: Classes) -> str:
    unknown = " White: no label, neither trained on nor scored." if _some_unknown(strips) else ""
    words = COLOURS if classes.is_study else ""
    return (
        f"{words}Dark orange: voxels whose label differs from the true one.{unknown} The patient's left is "
        "on the right. The same slices for all arms, at fixed shares of the volume's height."
    )
