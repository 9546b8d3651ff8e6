"""The example of the documents: from a cohort to a labelled scan."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

EXAMPLE = Path(__file__).parents[1] / "docs/example.py"


WHOLE, SMALL = "subjects=6, with_t2w=4", "subjects=3, with_t2w=3"
"""Its heads, and fewer, since each takes seconds to register."""


@pytest.mark.parametrize(
    "heads", [SMALL, pytest.param(WHOLE, marks=pytest.mark.exhaustive)], ids=["fewer heads", "as it is"]
)
def test_the_example_leaves_a_scan_labelled_on_its_own_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heads: str
) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert WHOLE in text
    (tmp_path / EXAMPLE.name).write_text(text.replace(WHOLE, heads), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    ran = runpy.run_path(EXAMPLE.name)
    labels = sitk.ReadImage(str(tmp_path / "runs/example/labels.nii.gz"))
    scan = sitk.ReadImage(str(ran["scan"]))
    assert labels.GetSize() == scan.GetSize()
    np.testing.assert_allclose(labels.GetOrigin(), scan.GetOrigin(), atol=1e-4)
    assert set(np.unique(sitk.GetArrayFromImage(labels))) <= {0, 1, 2}
    assert ran["outcome"].stop_reason == "max_steps"
    tested = {score.patient for score in ran["outcome"].scores if score.split == "test"}
    assert tested == set(ran["split"].t2.test)


def test_the_example_is_short() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) < 30
