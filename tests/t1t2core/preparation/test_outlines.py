"""What only the MR or only the CT shows of a head is found, and told with its volume."""

import numpy as np
import pytest
import SimpleITK as sitk

from t1t2core.preparation.anatomy import Anatomy
from t1t2core.preparation.grid import to_image
from t1t2core.preparation.outlines import OutlineDifference, compare_outlines

GRID = (80, 80, 60)
STILL = sitk.Transform()


def ball(radius_mm: float, centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * 2.0 - c for n, c in zip(GRID, centre_mm, strict=True)]
    return np.linalg.norm(np.stack(np.meshgrid(*axes, indexing="ij")), axis=0) < radius_mm


def anatomy(values: np.ndarray, head: np.ndarray) -> Anatomy:
    like = sitk.Image(GRID, sitk.sitkUInt8)
    like.SetSpacing((2.0, 2.0, 2.0))
    scan = to_image(values.astype(np.float32), like)
    return Anatomy(scan=scan, head=to_image(head, like), measured=to_image(np.ones(GRID, bool), like))


def compare(ct_head: np.ndarray, beside: np.ndarray | None = None) -> OutlineDifference:
    """An MR of a ball of 50 mm with a CT of another outline and something beside it."""
    dense = ct_head if beside is None else ct_head | beside
    mr = anatomy(np.where(ball(50), 100.0, 0.0), ball(50))
    return compare_outlines(mr, anatomy(np.where(dense, 40.0, -1000.0), ct_head), STILL)


def test_equal_outlines() -> None:
    same = compare(ball(50))
    assert same.volumes_ml == {"only_in_mr": 0.0, "only_in_ct": 0.0}
    assert same.doubts() == []
    assert not sitk.GetArrayFromImage(compare(ball(48)).mask).any()  # as outlines of one head differ


def test_a_part_of_the_head_that_the_ct_lacks() -> None:
    cut = ball(50) & (np.arange(GRID[0]) > 30)[:, None, None]
    found = compare(cut)
    missing_ml = (ball(50) & ~cut).sum() * 0.008
    assert found.volumes_ml["only_in_mr"] == pytest.approx(missing_ml, rel=0.15)
    assert found.doubts() == [
        f"{found.volumes_ml['only_in_mr']:g} ml of the head are not in the CT or label map (outside its "
        "reconstruction circle?): ignored"
    ]


def test_a_frame_around_the_head_that_mr_does_not_show() -> None:
    frame = ball(62) & ~ball(58)
    found = compare(ball(50), frame)
    assert found.volumes_ml["only_in_ct"] == pytest.approx(frame.sum() * 0.008, rel=0.01)
    assert "lie outside the head in MR (a head holder, mask or frame?)" in found.doubts()[0]
    assert (sitk.GetArrayFromImage(found.mask).transpose(2, 1, 0)[frame] == 1).all()
