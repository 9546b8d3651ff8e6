"""A reader sees how far surfaces lie apart, beside Dice, and which arm is better by that."""

import numpy as np
import pandas as pd
import pytest

from ablation.report.statistics.surfaces import (
    COMPARED_SURFACES,
    SURFACES,
    surface_comparisons,
    surfaces,
)
from tests.builders.tables import sweep, trial

OPEN = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
FAR = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]


def measured(hd95: list[float], nsd: list[float]) -> dict[str, list[float]]:
    return {"hausdorff_95_mm": hd95, "nsd_2_mm": nsd}


def two_arms() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The arm that validation chooses has surfaces that lie closer, in every patient."""
    near = np.subtract(FAR, 2).tolist()
    return sweep(
        trial("open", validation=0.9, test=OPEN, surface=measured(near, [0.8] * 6)),
        trial("scratch", validation=0.5, test=OPEN, surface=measured(FAR, [0.6] * 6)),
    )


def row_of(table: pd.DataFrame, **where: str) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    (_, row), *others = table.iterrows()
    assert not others
    return row


def test_each_arm_has_its_means_over_test_patients_at_its_chosen_values() -> None:
    results, patients = sweep(
        trial(rate=1e-2, validation=0.9, test=[0.5, 0.7], surface=measured([2.0, 4.0], [0.5, 0.7])),
        trial(rate=1e-3, validation=0.1, test=[0.9, 0.9], surface=measured([1.0, 1.0], [0.9, 0.9])),
    )
    table = surfaces(results, patients)
    assert list(table.columns) == SURFACES
    bone = row_of(table, arm="open", **{"class": "bone"})
    assert bone[["hausdorff_95_mm", "nsd_2_mm"]].tolist() == pytest.approx([3.0, 0.6])
    assert (bone["sequence"], bone["patients"], bone["undefined"]) == ("T2", 2, 0)
    assert np.isnan(bone["nsd_3_mm"]), "not measured"


def test_a_patient_in_whom_a_class_is_not_found_has_no_distance_and_is_counted() -> None:
    missed = measured([2.0, float("nan"), 4.0], [0.6, 0.0, 0.6])
    bone = row_of(surfaces(*sweep(trial(test=[0.5, 0.0, 0.5], surface=missed))), **{"class": "bone"})
    assert (bone["patients"], bone["undefined"]) == (3, 1)
    assert bone[["hausdorff_95_mm", "nsd_2_mm"]].tolist() == pytest.approx([3.0, 0.4])


def test_of_distances_less_is_better_and_of_surface_dice_more() -> None:
    table = surface_comparisons(*two_arms())
    assert list(table.columns) == COMPARED_SURFACES
    distance = row_of(table, metric="hausdorff_95_mm", **{"class": "bone"})
    assert (distance["first"], distance["second"]) == ("open", "scratch")
    assert (distance["difference"], distance["verdict"]) == (pytest.approx(-2.0), "better")
    share = row_of(table, metric="nsd_2_mm", **{"class": "bone"})
    assert (share["difference"], share["verdict"]) == (pytest.approx(0.2), "better")
    assert distance["p"] == share["p"] == 0.03125


def test_an_arm_that_validation_chose_may_be_worse_by_surfaces() -> None:
    results, patients = sweep(
        trial("open", validation=0.9, test=OPEN, surface=measured(FAR, [0.6] * 6)),
        trial("scratch", validation=0.5, test=OPEN, surface=measured([1.0] * 6, [0.8] * 6)),
    )
    table = surface_comparisons(results, patients)
    assert set(table["first"]) == {"open"}
    assert set(table["verdict"]) == {"worse"}


def test_holm_counts_the_pairs_of_one_class_and_metric() -> None:
    results, patients = sweep(
        trial("open", validation=0.9, test=OPEN, surface=measured([1.0] * 6, [0.9] * 6)),
        trial("scratch", validation=0.5, test=OPEN, surface=measured(FAR, [0.6] * 6)),
        trial("augmented", validation=0.4, test=OPEN, surface=measured(FAR, [0.5] * 6)),
    )
    table = surface_comparisons(results, patients)
    assert table.groupby(["class", "metric"]).size().eq(2).all()
    assert table["p_holm"].tolist() == pytest.approx([0.0625] * len(table))


def test_networks_are_crossed_with_patients_as_for_dice() -> None:
    arms = [
        trial(name, validation=score, test=OPEN[:3], network=network, surface=measured([far] * 3, [0.5] * 3))
        for name, score, shift in (("open", 0.9, 0.0), ("scratch", 0.5, 1.0))
        for network, far in ((0, 2.0 + shift), (1, 3.0 + 2 * shift), (2, 4.0 + shift))
    ]
    table = surface_comparisons(*sweep(*arms))
    row = row_of(table, metric="hausdorff_95_mm", **{"class": "bone"})
    assert (row["networks"], row["interval"]) == (3, "patients and pretrained networks crossed")
    assert row["difference"] == pytest.approx(-4 / 3)


def test_without_measured_surfaces_there_are_no_tables() -> None:
    frames = sweep(trial("open", test=OPEN), trial("scratch", test=OPEN))
    assert surfaces(*frames).empty
    assert surface_comparisons(*frames).empty
