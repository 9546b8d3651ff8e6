"""A file that is something else than its name says, or only stands for a scan, is called by what it is."""

import gzip
import zipfile
from pathlib import Path

import pytest
import SimpleITK as sitk

from t1t2core.cohort.scan import read_scan, scan_defects
from tests.builders.niftis import mr_voxels, save

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 12345\n"
ANNEX = "/annex/objects/MD5E-s4095--0123456789abcdef.nii.gz\n"
SCAN_NAMES = ("t1.nii", "t1.nii.gz", "t1.mha", "t1.nrrd", "t1.hdr", "t1.dcm", "t1")


@pytest.mark.parametrize("name", SCAN_NAMES)
def test_pointers_say_how_to_get_the_scan(tmp_path: Path, name: str) -> None:
    (tmp_path / "t1.img").write_bytes(b"\0" * 100)
    (tmp_path / name).write_text(LFS, encoding="utf-8")
    assert "run `git lfs pull`" in scan_defects(tmp_path / name, "t1w")[0]
    (tmp_path / name).write_text(ANNEX, encoding="utf-8")
    assert "(or `git annex get`)" in scan_defects(tmp_path / name, "t1w")[0]
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("../.git/annex/objects/x1/y2/MD5E-s4095--01/MD5E-s4095--01")
    assert "a link to nothing: run `datalad get" in scan_defects(tmp_path / name, "t1w")[0]


def test_another_format_under_a_scans_name_is_named_with_what_to_do(tmp_path: Path) -> None:
    image = read_scan(save(tmp_path / "whole.nii", mr_voxels()))
    sitk.WriteImage(image, tmp_path / "a.mha")
    sitk.WriteImage(image, tmp_path / "a.nrrd")
    found = {
        "meta.nii": ((tmp_path / "a.mha").read_bytes(), "it is a MetaImage: rename it to end with .mha"),
        "nrrd.nii.gz": (
            (tmp_path / "a.nrrd").read_bytes(),
            "it is an NRRD file: rename it to end with .nrrd",
        ),
        "nifti.mha": (
            (tmp_path / "whole.nii").read_bytes(),
            "it is a NIfTI file: rename it to end with .nii",
        ),
        "nifti.nrrd": (gzip.compress((tmp_path / "whole.nii").read_bytes()), "it is a NIfTI file: rename it"),
        "page.nii.gz": (b"<!DOCTYPE html><html>404</html>", "it is a web page"),
        "page.nrrd": (b"\n<html>Sign in</html>", "it is a web page"),
        "text.nii": (b"Dear all,\nplease find", "it is a text that begins with 'Dear all,"),
        "empty.mha": (b"", "it is empty"),
    }
    for name, (content, what) in found.items():
        (tmp_path / name).write_bytes(content)
        (defect,) = scan_defects(tmp_path / name, "t1w")
        assert what in defect
    with zipfile.ZipFile(tmp_path / "zip.nii.gz", "w") as archive:
        archive.write(tmp_path / "whole.nii")
    assert "it is a zip archive: unpack it" in scan_defects(tmp_path / "zip.nii.gz", "t1w")[0]


def test_a_scan_that_is_damaged_is_not_told_to_take_the_name_that_it_has(tmp_path: Path) -> None:
    path = save(tmp_path / "t1.nii", mr_voxels())
    path.write_bytes(b"\xff\xff" + path.read_bytes()[2:])
    assert scan_defects(path, "t1w") == ["not a NIfTI file (its header is damaged or missing)"]
