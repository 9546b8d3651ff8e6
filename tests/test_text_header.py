"""Headers that would end the process inside ITK are refused before ITK sees them."""

from pathlib import Path

import pytest

from t1t2core.cohort.scan import scan_defects
from tests.fuzz.scans import save, voxels


@pytest.mark.parametrize("axes", [b"-4", b"-4 5 6", b"0", b"11", b"x", b"", b"99999999999999999999"])
def test_a_metaimage_with_an_impossible_number_of_axes(tmp_path: Path, axes: bytes) -> None:
    path = save(tmp_path / "t1.mha", voxels("t1w"))
    content = path.read_bytes()
    assert b"NDims = 3" in content
    path.write_bytes(content.replace(b"NDims = 3", b"NDims = " + axes))
    (defect,) = scan_defects(path, "t1w")
    assert "NDims" in defect


@pytest.mark.parametrize("field", [b"type", b"sizes", b"space", b"kinds", b"encoding"])
def test_an_nrrd_with_a_field_that_never_ends(tmp_path: Path, field: bytes) -> None:
    path = save(tmp_path / "t1.nrrd", voxels("t1w"))
    lines = path.read_bytes().split(b"\n")
    (at,) = [number for number, line in enumerate(lines) if line.startswith(field + b":")]
    lines[at] = field + b": " + b"x" * 5000
    path.write_bytes(b"\n".join(lines))
    (defect,) = scan_defects(path, "t1w")
    assert "a field of more than 400 characters" in defect


def test_long_notes_in_a_header_do_no_harm(tmp_path: Path) -> None:
    path = save(tmp_path / "t1.nrrd", voxels("t1w"))
    content = path.read_bytes()
    notes = b"\n# " + b"x" * 2000 + b"\nnotes:=" + b"y" * 2000 + b"\n\n"
    path.write_bytes(content.replace(b"\n\n", notes, 1))
    assert scan_defects(path, "t1w") == []
    plain = save(tmp_path / "t1.mha", voxels("t1w"))
    assert scan_defects(plain, "t1w") == []
