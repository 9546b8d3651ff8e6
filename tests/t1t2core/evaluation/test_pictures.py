"""Pictures in a trial's record: a reader sees where the network is wrong."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.errors import InputError
from t1t2core.evaluation.pictures import SHOWN_SLICES, ZOOM, cut_slices, draw_confusion, draw_slices
from t1t2core.evaluation.slices import COLOURS, UNKNOWN, WRONG, pack_slices, unpack_slices, upright
from t1t2core.experiment import Outcome
from t1t2core.settings import EvaluationSettings, Settings
from t1t2core.trial import AnyExperiment, Factors, make_experiment
from tests.heads import (
    BONE,
    FLOAT32,
    GRID,
    IGNORED,
    SOFT_TISSUE,
    TINY,
    VOXEL_MM,
    make_scan,
    make_subjects,
    make_training,
)

SPLIT = FoldSplit(1, t1=Roles(("P01",), ("P02",), ("P03",)), t2=Roles(("P01",), ("P02",), ("P03", "P04")))


def experiment(pictures: int = 9) -> AnyExperiment:
    settings = Settings(
        network=TINY,
        pretraining=make_training(),
        training=make_training(),
        evaluation=EvaluationSettings(surface_distances=False, pictures=pictures),
    )
    subjects = make_subjects(4)
    subjects["P03"] = replace(subjects["P03"], t2=make_scan(2, "T2", ignored=6))
    factors = Factors(strategy="scratch", t2_train_size=1, learning_rate=1e-2, seed=0)
    return make_experiment(factors, SPLIT, subjects, settings, pretrained=None, compute=FLOAT32)


def outcome(predictions: dict[str, np.ndarray]) -> Outcome:
    return Outcome(
        scores=[],
        stop_reason="max_epochs",
        epochs=1,
        epoch_seconds=[1.0],
        weights={},
        predictions={("T2", name): labels for name, labels in predictions.items()},
    )


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    """A prediction without an error, by patient."""
    scans = experiment().scans["T2"].test
    return {name: np.where(scan.labels == IGNORED, 0, scan.labels) for name, scan in scans.items()}


def drawn(experiment: AnyExperiment, outcome: Outcome) -> dict[str, bytes]:
    return draw_slices(cut_slices(experiment, outcome))


def packed(experiment: AnyExperiment, outcome: Outcome) -> bytes:
    return pack_slices(cut_slices(experiment, outcome))


def panels(picture: bytes) -> np.ndarray:
    """Slices x columns (MR, CT labels, prediction, errors) x height x width x RGB, a pixel a voxel."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)))[::ZOOM, ::ZOOM]
    width, height, _ = GRID
    rows = pixels.reshape(len(SHOWN_SLICES), height, 4, width, 3)
    return rows.swapaxes(1, 2)


def count(pixels: np.ndarray, colour: np.ndarray) -> int:
    return int((pixels == colour).all(axis=-1).sum())


def test_one_picture_for_each_test_patient_up_to_the_setting(truth: dict[str, np.ndarray]) -> None:
    assert set(drawn(experiment(), outcome(truth))) == {"slices_T2_P03.png", "slices_T2_P04.png"}
    assert set(drawn(experiment(pictures=1), outcome(truth))) == {"slices_T2_P03.png"}
    assert drawn(experiment(pictures=0), outcome(truth)) == {}


def test_a_perfect_prediction_shows_the_labels_twice_and_no_error(truth: dict[str, np.ndarray]) -> None:
    shown = panels(drawn(experiment(), outcome(truth))["slices_T2_P04.png"])
    np.testing.assert_array_equal(shown[:, 1], shown[:, 2])
    assert count(shown[:, 3], WRONG) == 0
    np.testing.assert_array_equal(shown[:, 0], shown[:, 3])
    assert count(shown[:, 1], COLOURS[BONE]) > 0


def test_an_error_is_marked_where_it_is_with_the_front_up_and_left_on_the_right(
    truth: dict[str, np.ndarray],
) -> None:
    height = int(SHOWN_SLICES[1] * GRID[2])
    x, y = 3, 8  # left of the middle (x runs to the right), and in the middle from back to front
    labels = truth["P04"].copy()
    right = labels[x, y, height]
    labels[x, y, height] = SOFT_TISSUE if right == BONE else BONE
    shown = panels(drawn(experiment(), outcome({**truth, "P04": labels}))["slices_T2_P04.png"])
    assert count(shown[:, 3], WRONG) == 1
    place = (GRID[1] - 1 - y, GRID[0] - 1 - x)
    np.testing.assert_array_equal(shown[1, 3][place], WRONG)
    np.testing.assert_array_equal(shown[1, 2][place], COLOURS[labels[x, y, height]])
    np.testing.assert_array_equal(shown[1, 1][place], COLOURS[right])


def test_voxels_without_a_label_are_white_and_never_wrong(truth: dict[str, np.ndarray]) -> None:
    assert int(SHOWN_SLICES[0] * GRID[2]) < 6, "the lowest slice is one without labels"
    labels = np.full(GRID, BONE, np.uint8)
    shown = panels(drawn(experiment(), outcome({**truth, "P03": labels}))["slices_T2_P03.png"])
    assert count(shown[0, 1], UNKNOWN) == GRID[0] * GRID[1]
    assert count(shown[0, 3], WRONG) == 0
    assert count(shown[1, 3], WRONG) > 0


def test_a_scan_without_contrast_can_be_drawn(truth: dict[str, np.ndarray]) -> None:
    flat = experiment()
    scan = flat.scans["T2"].test["P04"]
    scan.image[:] = 0
    assert panels(drawn(flat, outcome(truth))["slices_T2_P04.png"]).shape[0] == len(SHOWN_SLICES)


def test_the_confusion_matrix_is_a_picture_of_the_predictions(truth: dict[str, np.ndarray]) -> None:
    wrong = {name: np.zeros_like(labels) for name, labels in truth.items()}
    pictures = [draw_confusion(experiment(), outcome(p)) for p in (truth, truth, wrong)]
    assert Image.open(io.BytesIO(pictures[0])).size == (710, 300)
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]


# The slices as arrays


def test_the_slices_that_were_drawn_can_be_read_back(truth: dict[str, np.ndarray]) -> None:
    found = unpack_slices(packed(experiment(), outcome(truth)))
    assert list(found) == [("T2", "P03"), ("T2", "P04")]
    slices = found["T2", "P04"]
    heights = [int(share * GRID[2]) for share in SHOWN_SLICES]
    np.testing.assert_array_equal(slices.heights, heights)
    np.testing.assert_array_equal(slices.prediction, truth["P04"][:, :, heights])
    np.testing.assert_array_equal(slices.labels, experiment().scans["T2"].test["P04"].labels[:, :, heights])
    assert tuple(slices.voxel_mm) == pytest.approx(VOXEL_MM)
    assert slices.image.dtype == slices.labels.dtype == slices.prediction.dtype == np.uint8
    shown = panels(drawn(experiment(), outcome(truth))["slices_T2_P04.png"])
    np.testing.assert_array_equal(shown[1, 0][..., 0], upright(slices.image[:, :, 1]))


def test_each_sequence_has_its_own_patients(truth: dict[str, np.ndarray]) -> None:
    settings = Settings(network=TINY, pretraining=make_training(), evaluation=EvaluationSettings(pictures=1))
    factors = Factors(strategy="augmented", t2_train_size=1, learning_rate=1e-2, seed=0)
    both = make_experiment(factors, SPLIT, make_subjects(4), settings, pretrained=None, compute=FLOAT32)
    labelled = outcome(truth)
    labelled.predictions["T1", "P03"] = truth["P04"]
    assert set(unpack_slices(packed(both, labelled))) == {("T1", "P03"), ("T2", "P03")}


def test_equal_trials_leave_equal_bytes(truth: dict[str, np.ndarray]) -> None:
    assert packed(experiment(), outcome(truth)) == packed(experiment(), outcome(truth))


def test_a_damaged_file_is_refused(truth: dict[str, np.ndarray]) -> None:
    content = packed(experiment(), outcome(truth))
    with pytest.raises(InputError, match="not a whole file of slices"):
        unpack_slices(content[: len(content) // 2])
    buffer = io.BytesIO()
    np.savez(buffer, format_version=np.array(99))
    with pytest.raises(InputError, match="format version 99, expected 1"):
        unpack_slices(buffer.getvalue())


def test_nothing_is_unpickled() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, format_version=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="not a whole file of slices"):
        unpack_slices(buffer.getvalue())
