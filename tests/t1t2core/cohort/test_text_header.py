"""Headers that would end the process inside ITK are refused before ITK sees them."""

from pathlib import Path

import pytest
import SimpleITK as sitk

from t1t2core.cohort.scan import scan_defects, scan_notes
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


@pytest.mark.parametrize(("ending", "voxel_ending"), [("mhd", "raw"), ("nhdr", "raw"), ("mhd", "zraw")])
def test_the_file_of_the_voxels_is_named_where_it_is_missing(
    tmp_path: Path, ending: str, voxel_ending: str
) -> None:
    image = sitk.GetImageFromArray(voxels("t1w").T.copy())
    image.SetSpacing((5.0, 5.0, 6.0))
    sitk.WriteImage(image, tmp_path / f"t1.{ending}", useCompression=voxel_ending == "zraw")
    assert scan_defects(tmp_path / f"t1.{ending}", "t1w") == []
    (tmp_path / f"t1.{voxel_ending}").unlink()
    (defect,) = scan_defects(tmp_path / f"t1.{ending}", "t1w")
    assert defect == f"its voxels should be in t1.{voxel_ending}, which is not there: copy that file too"
    (tmp_path / f"t1.{voxel_ending}").symlink_to("nowhere")
    (defect,) = scan_defects(tmp_path / f"t1.{ending}", "t1w")
    assert defect.startswith(f"its voxels should be in t1.{voxel_ending}, but that is a link to nothing")


@pytest.mark.parametrize("named", ["s%03d.raw 0 31 1", "LIST"])
@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
def test_of_a_file_a_slice_the_one_that_is_missing_is_named(tmp_path: Path, ending: str, named: str) -> None:
    image = sitk.GetImageFromArray(voxels("t1w").T.copy())
    image.SetSpacing((5.0, 5.0, 6.0))
    path = tmp_path / f"t1.{ending}"
    sitk.WriteImage(image, path)
    names = [f"s{number:03}.raw" for number in range(image.GetDepth())]
    for name, one in zip(names, voxels("t1w").T, strict=True):
        (tmp_path / name).write_bytes(one.tobytes())
    listed = "\n".join([named, *names]) if named == "LIST" else named
    path.write_text(path.read_text(encoding="utf-8").replace("t1.raw", listed), encoding="utf-8")
    assert scan_defects(path, "t1w") == []
    (tmp_path / "s007.raw").unlink()
    assert "s007.raw, which is not there" in scan_defects(path, "t1w")[0]


def test_a_header_without_directions_does_not_say_where_left_is(tmp_path: Path) -> None:
    save(tmp_path / "t1.mha", voxels("t1w"))
    save(tmp_path / "t1.nrrd", voxels("t1w"))
    assert scan_notes(tmp_path / "t1.mha") == scan_notes(tmp_path / "t1.nrrd") == []
    for name, field in (("t1.mha", b"TransformMatrix"), ("t1.nrrd", b"space: ")):
        lines = (tmp_path / name).read_bytes().split(b"\n")
        kept = [line for line in lines if not line.startswith(field)]
        assert len(kept) == len(lines) - 1
        (tmp_path / name).write_bytes(b"\n".join(kept))
        (note,) = scan_notes(tmp_path / name)
        assert "does not say which side is left" in note
