"""Pictures in a trial's record: a reader sees where the network is wrong."""

import io

import numpy as np
import pytest
from PIL import Image

from t1t2core.errors import InputError
from t1t2core.evaluation.pictures import SHOWN_SLICES, ZOOM, cut_slices, draw_confusion, draw_slices
from t1t2core.evaluation.slices import UNKNOWN, WRONG, colours_of, pack_slices, unpack_slices, upright
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import Sequence
from t1t2core.settings.classes import STUDY_CLASSES
from tests.builders.heads import (
    BONE,
    GRID,
    IGNORED,
    SOFT_TISSUE,
    VOXEL_MM,
    make_scan,
)

Scans = dict[tuple[Sequence, str], PreparedScan]
Predictions = dict[tuple[Sequence, str], np.ndarray]


def heads() -> Scans:
    """Two T2w heads; the lowest slices of the first have no label."""
    return {("T2", "P03"): make_scan(2, "T2", ignored=6), ("T2", "P04"): make_scan(3, "T2")}


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    """A prediction without an error, by patient."""
    return {name: np.where(scan.labels == IGNORED, 0, scan.labels) for (_, name), scan in heads().items()}


def of_t2(labels: dict[str, np.ndarray]) -> Predictions:
    return {("T2", name): prediction for name, prediction in labels.items()}


def drawn(labels: dict[str, np.ndarray], scans: Scans | None = None, most: int = 9) -> dict[str, bytes]:
    return draw_slices(cut_slices(scans or heads(), of_t2(labels), most))


def packed(labels: dict[str, np.ndarray]) -> bytes:
    return pack_slices(cut_slices(heads(), of_t2(labels), 9))


def panels(picture: bytes) -> np.ndarray:
    """Slices x columns (MR, CT labels, prediction, errors) x height x width x RGB, a pixel a voxel."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)))[::ZOOM, ::ZOOM]
    width, height, _ = GRID
    rows = pixels.reshape(len(SHOWN_SLICES), height, 4, width, 3)
    return rows.swapaxes(1, 2)


def count(pixels: np.ndarray, colour: np.ndarray) -> int:
    return int((pixels == colour).all(axis=-1).sum())


def test_one_picture_for_each_test_patient_up_to_the_setting(truth: dict[str, np.ndarray]) -> None:
    assert set(drawn(truth)) == {"slices_T2_P03.png", "slices_T2_P04.png"}
    assert set(drawn(truth, most=1)) == {"slices_T2_P03.png"}
    assert drawn(truth, most=0) == {}


def test_a_perfect_prediction_shows_the_labels_twice_and_no_error(truth: dict[str, np.ndarray]) -> None:
    shown = panels(drawn(truth)["slices_T2_P04.png"])
    np.testing.assert_array_equal(shown[:, 1], shown[:, 2])
    assert count(shown[:, 3], WRONG) == 0
    np.testing.assert_array_equal(shown[:, 0], shown[:, 3])
    assert count(shown[:, 1], colours_of(STUDY_CLASSES)[BONE]) > 0


def test_an_error_is_marked_where_it_is_with_the_front_up_and_left_on_the_right(
    truth: dict[str, np.ndarray],
) -> None:
    height = int(SHOWN_SLICES[1] * GRID[2])
    x, y = 3, 8  # left of the middle (x runs to the right), and in the middle from back to front
    labels = truth["P04"].copy()
    right = labels[x, y, height]
    labels[x, y, height] = SOFT_TISSUE if right == BONE else BONE
    shown = panels(drawn({**truth, "P04": labels})["slices_T2_P04.png"])
    assert count(shown[:, 3], WRONG) == 1
    place = (GRID[1] - 1 - y, GRID[0] - 1 - x)
    np.testing.assert_array_equal(shown[1, 3][place], WRONG)
    np.testing.assert_array_equal(shown[1, 2][place], colours_of(STUDY_CLASSES)[labels[x, y, height]])
    np.testing.assert_array_equal(shown[1, 1][place], colours_of(STUDY_CLASSES)[right])


def test_voxels_without_a_label_are_white_and_never_wrong(truth: dict[str, np.ndarray]) -> None:
    assert int(SHOWN_SLICES[0] * GRID[2]) < 6, "the lowest slice is one without labels"
    labels = np.full(GRID, BONE, np.uint8)
    shown = panels(drawn({**truth, "P03": labels})["slices_T2_P03.png"])
    assert count(shown[0, 1], UNKNOWN) == GRID[0] * GRID[1]
    assert count(shown[0, 3], WRONG) == 0
    assert count(shown[1, 3], WRONG) > 0


def test_a_scan_without_contrast_can_be_drawn(truth: dict[str, np.ndarray]) -> None:
    scans = heads()
    scans["T2", "P04"].image[:] = 0
    assert panels(drawn(truth, scans)["slices_T2_P04.png"]).shape[0] == len(SHOWN_SLICES)


def test_the_confusion_matrix_is_a_picture_of_the_predictions(truth: dict[str, np.ndarray]) -> None:
    wrong = {name: np.zeros_like(labels) for name, labels in truth.items()}
    pictures = [draw_confusion(heads(), of_t2(p)) for p in (truth, truth, wrong)]
    assert Image.open(io.BytesIO(pictures[0])).size == (710, 300)
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]


# The slices as arrays


def test_the_slices_that_were_drawn_can_be_read_back(truth: dict[str, np.ndarray]) -> None:
    found = unpack_slices(packed(truth))
    assert list(found) == [("T2", "P03"), ("T2", "P04")]
    slices = found["T2", "P04"]
    heights = [int(share * GRID[2]) for share in SHOWN_SLICES]
    np.testing.assert_array_equal(slices.heights, heights)
    np.testing.assert_array_equal(slices.prediction, truth["P04"][:, :, heights])
    np.testing.assert_array_equal(slices.labels, heads()["T2", "P04"].labels[:, :, heights])
    assert tuple(slices.voxel_mm) == pytest.approx(VOXEL_MM)
    assert slices.image.dtype == slices.labels.dtype == slices.prediction.dtype == np.uint8
    shown = panels(drawn(truth)["slices_T2_P04.png"])
    np.testing.assert_array_equal(shown[1, 0][..., 0], upright(slices.image[:, :, 1]))


def test_each_sequence_has_its_own_patients(truth: dict[str, np.ndarray]) -> None:
    scans: Scans = {("T1", "P03"): make_scan(2, "T1"), **heads()}
    predictions = {**of_t2(truth), ("T1", "P03"): truth["P04"]}
    assert set(cut_slices(scans, predictions, 1)) == {("T1", "P03"), ("T2", "P03")}  # type: ignore[arg-type]


def test_equal_trials_leave_equal_bytes(truth: dict[str, np.ndarray]) -> None:
    assert packed(truth) == packed(truth)


def test_a_damaged_file_is_refused(truth: dict[str, np.ndarray]) -> None:
    content = packed(truth)
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
