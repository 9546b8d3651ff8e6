"""Scores agree with scikit-learn, with cases worked by hand, and with the study's definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix, jaccard_score, precision_recall_fscore_support

from t1t2core.evaluation.counting import confusion, deep_part, open_part, spread_within
from t1t2core.evaluation.scores import METRICS, Counts
from t1t2core.settings.classes import IGNORED, STUDY_CLASSES
from tests.builders.heads import count_classes

SHAPE = (3, 4, 5)
PREDICTIONS = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2]))
TRUTHS = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, IGNORED]))
HULLS = arrays(np.bool_, SHAPE)
repeatable = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or one == pytest.approx(other)


def sklearn_scores(prediction: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, Dice and Jaccard of the labels 0, 1, 2; NaN where undefined."""
    labels, nan = list(STUDY_CLASSES.labels.values()), np.nan
    precision, recall, dsc, _ = precision_recall_fscore_support(
        truth, prediction, labels=labels, zero_division=nan
    )
    absent = [not ((truth == label) | (prediction == label)).any() for label in labels]
    jsc = jaccard_score(truth, prediction, labels=labels, average=None, zero_division=0)
    jsc[absent] = nan
    return {"precision": precision, "recall": recall, "dsc": dsc, "jsc": jsc}


@repeatable
@given(PREDICTIONS, TRUTHS, HULLS)
def test_scores_are_scikit_learn_s_over_the_known_voxels(
    prediction: np.ndarray, truth: np.ndarray, hull: np.ndarray
):
    known = truth != IGNORED
    if not known.any():
        return
    counts = count_classes(prediction, truth, hull, hull)
    expected = sklearn_scores(prediction[known], truth[known])
    for name, label in STUDY_CLASSES.labels.items():
        for metric in METRICS:
            assert same(getattr(counts[name], metric), expected[metric][label]), (name, metric)


@repeatable
@given(PREDICTIONS, TRUTHS)
def test_the_confusion_matrix_is_scikit_learn_s(prediction: np.ndarray, truth: np.ndarray):
    known = truth != IGNORED
    if not known.any():
        return
    expected = confusion_matrix(truth[known], prediction[known], labels=[0, 1, 2])
    np.testing.assert_array_equal(confusion(*map(torch.from_numpy, (prediction, truth)), 3).numpy(), expected)


@repeatable
@given(PREDICTIONS, TRUTHS, HULLS)
def test_internal_air_is_air_in_the_hull_by_scikit_learn(
    prediction: np.ndarray, truth: np.ndarray, hull: np.ndarray
):
    inside = hull & (truth != IGNORED)
    if not inside.any():
        return
    counts = count_classes(prediction, truth, hull, hull)["internal_air"]
    expected = sklearn_scores(prediction[inside], truth[inside])
    for metric in METRICS:
        assert same(getattr(counts, metric), expected[metric][STUDY_CLASSES.labels["air"]]), metric


@repeatable
@given(st.tuples(*[st.integers(0, 10**9)] * 3).filter(any))
def test_jaccard_follows_from_dice(numbers: tuple[int, int, int]):
    counts = Counts(*numbers)
    assert counts.jsc == pytest.approx(counts.dsc / (2 - counts.dsc))


@repeatable
@given(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9)))
def test_dice_is_the_harmonic_mean_of_precision_and_recall(numbers: tuple[int, int, int]):
    counts = Counts(*numbers)
    p, r = counts.precision, counts.recall
    assert counts.dsc == pytest.approx(2 * p * r / (p + r))


@repeatable
@given(st.tuples(PREDICTIONS, TRUTHS, HULLS), st.tuples(PREDICTIONS, TRUTHS, HULLS))
def test_pooled_counts_are_those_of_all_voxels_together(
    one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]
):
    prediction, truth, hull = (np.concatenate(pair) for pair in zip(one, other, strict=True))
    together = count_classes(prediction, truth, hull, hull)
    first, second = count_classes(*one, one[2]), count_classes(*other, other[2])
    assert together == {name: first[name] + second[name] for name in STUDY_CLASSES.scored}


def test_by_hand():
    truth = np.array([[[0, 0], [1, 1]], [[1, 2], [2, IGNORED]]], np.uint8)
    found = np.array([[[0, 1], [1, 1]], [[2, 2], [0, 0]]], np.uint8)
    hull = np.array([[[False, True], [True, True]], [[True, True], [True, True]]])
    counts = count_classes(found, truth, hull, hull)
    assert counts == {
        "bone": Counts(tp=1, fp=1, fn=1),
        "soft_tissue": Counts(tp=2, fp=1, fn=1),
        "air": Counts(tp=1, fp=1, fn=1),
        # In the hull lies one voxel of true air, labelled soft tissue, and one of bone, labelled air.
        "internal_air": Counts(tp=0, fp=1, fn=1),
    }
    soft = counts["soft_tissue"]
    assert [soft.precision, soft.recall, soft.dsc, soft.jsc] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 2])


def test_precision_is_over_what_was_found_and_recall_over_what_is_there():
    counts = Counts(tp=6, fp=2, fn=4)
    scores = [counts.precision, counts.recall, counts.dsc, counts.jsc]
    assert scores == pytest.approx([6 / 8, 6 / 10, 12 / 18, 6 / 12])


def test_rows_are_the_truth_and_columns_the_prediction():
    prediction, truth = (torch.tensor(labels, dtype=torch.uint8) for labels in ([2, 2, 1], [1, 1, 1]))
    table = confusion(prediction, truth, 3)
    assert table.tolist() == [[0, 0, 0], [0, 1, 2], [0, 0, 0]]


def test_a_class_neither_there_nor_found_has_no_score():
    nothing = Counts(0, 0, 0)
    assert all(math.isnan(getattr(nothing, metric)) for metric in METRICS)


def test_a_class_that_is_there_and_not_found_has_recall_0_and_no_precision():
    missed = Counts(tp=0, fp=0, fn=5)
    assert math.isnan(missed.precision)
    assert (missed.recall, missed.dsc, missed.jsc) == (0, 0, 0)


def test_air_around_the_head_does_not_flatter_internal_air():
    truth = np.zeros((10, 10, 10), np.uint8)
    truth[3:7, 3:7, 3:7] = 1
    truth[4, 4, 4] = 0
    hull = np.zeros(truth.shape, bool)
    hull[3:7, 3:7, 3:7] = True
    found = truth.copy()
    found[4, 4, 4] = 1
    counts = count_classes(found, truth, hull, hull)
    assert counts["air"].dsc > 0.99
    assert counts["internal_air"].recall == 0


@pytest.fixture
def head() -> tuple[np.ndarray, np.ndarray]:
    """Labels of a head of 20 voxels a side, 1 mm each, with a sinus in its middle; and its hull."""
    truth = np.zeros((30, 30, 30), np.uint8)
    truth[5:25, 5:25, 5:25] = 1
    hull = truth == 1
    truth[13:17, 13:17, 13:17] = 0
    return truth, hull


def test_a_scalp_that_is_labelled_too_thin_is_no_internal_air(head: tuple[np.ndarray, np.ndarray]):
    truth, hull = head
    deep = deep_part(hull, (1.0, 1.0, 1.0), 6.0)
    thin = truth.copy()
    thin[5:7] = 0
    assert count_classes(thin, truth, hull, deep)["internal_air"] == Counts(64, 0, 0)
    assert count_classes(thin, truth, hull, hull)["internal_air"].fp == 2 * 20 * 20, "without a rim it was"


def test_near_the_skin_air_counts_where_it_is_closed(head: tuple[np.ndarray, np.ndarray]):
    truth, hull = head
    deep = deep_part(hull, (1.0, 1.0, 1.0), 6.0)
    cell = truth.copy()
    cell[7:9, 15, 15] = 0
    assert count_classes(truth, cell, hull, deep)["internal_air"] == Counts(64, 0, 2)
    assert count_classes(cell, truth, hull, deep)["internal_air"] == Counts(64, 2, 0)
    # A canal from outside to a known cell: the cell is found, the canal is on the way.
    canal = cell.copy()
    canal[5:7, 15, 15] = 0
    assert count_classes(canal, cell, hull, deep)["internal_air"] == Counts(66, 0, 0)


def test_deep_in_the_head_a_way_to_the_outside_does_not_matter(head: tuple[np.ndarray, np.ndarray]):
    truth, hull = head
    deep = deep_part(hull, (1.0, 1.0, 1.0), 6.0)
    nose = truth.copy()
    nose[5:13, 15, 15] = 0
    found = count_classes(truth, nose, hull, deep)["internal_air"]
    assert found == Counts(64, 0, 2), "of the nose what lies deeper than 6 mm"


def test_where_the_volume_cuts_the_head_off_is_no_skin():
    hull = np.ones((4, 20, 20), bool)
    hull[:, 0] = False
    deep = deep_part(hull, (3.0, 1.0, 1.0), 6.0)
    assert deep[:, 7:].all()
    assert not deep[:, :7].any()


def test_a_patient_without_any_known_voxel_counts_nothing():
    unknown = np.full((2, 2, 2), IGNORED, np.uint8)
    head = np.ones((2, 2, 2), bool)
    counts = count_classes(np.zeros((2, 2, 2), np.uint8), unknown, head, head)
    assert set(counts.values()) == {Counts(0, 0, 0)}


@repeatable
@given(arrays(np.bool_, (9, 8, 7)), arrays(np.bool_, (9, 8, 7)))
def test_pieces_found_by_spreading_are_those_that_scipy_finds(mask: np.ndarray, seeds: np.ndarray):
    """As they are found on a GPU."""
    both = torch.from_numpy(mask), torch.from_numpy(mask & seeds)
    assert torch.equal(spread_within(*both), open_part(*both))


def test_spreading_follows_a_canal_to_its_end():
    mask = np.zeros((40, 40, 3), bool)
    for row in range(0, 40, 4):  # a canal that goes to and fro
        mask[row, :, 1] = True
        mask[row : row + 5, 39 if row % 8 == 0 else 0, 1] = True
    seeds = np.zeros_like(mask)
    seeds[0, 0, 1] = True
    reached = spread_within(torch.from_numpy(mask), torch.from_numpy(seeds))
    assert torch.equal(reached, torch.from_numpy(mask))
