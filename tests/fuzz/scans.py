"""Damaged scans: one patient's files, some of them spoilt as converters, disks and people do."""

import gzip
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from hypothesis import strategies as st
from pydicom import Dataset

from tests.builders.dicoms import enhanced
from tests.builders.dicoms import save as save_dicom

SHAPE, SPACING_MM = (40, 44, 32), (5.0, 5.0, 6.0)
KINDS = ("t1w", "t2w", "ct")
FORMATS = (".nii", ".nii.gz", ".mha", ".nrrd")

DIM_AT, DATATYPE_AT, BITS_AT, SPACING_AT, OFFSET_AT, SLOPE_AT = 40, 70, 72, 76, 108, 112
QFORM_CODE_AT, SFORM_CODE_AT, QUATERN_AT, SFORM_AT, HEADER_SIZE = 252, 254, 256, 280, 348
"""Places of fields in a NIfTI-1 header, bytes."""

ODD_FLOATS = [0.0, -0.0, -1.0, np.nan, np.inf, -np.inf, 1e-30, 1e30, 3e38, 1e-3, 1e4, 0.1, 20.0]
ODD_SIZES = [0, -1, 1, 2, 3, 7, 8, 32767, -32768, 1000]
DATATYPES = [0, 1, 2, 4, 8, 16, 32, 64, 128, 255, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, 9999, -1]


@dataclass(frozen=True)
class Damage:
    """What is done to one file.

    Args:
        name: of the way to spoil it, one of `WAYS`.
        kind: which scan.
        suffix: format it is written in first.
        number: settles all that the way leaves open.
    """

    name: str
    kind: str
    suffix: str
    number: int


def write_cohort(folder: Path, damages: tuple[Damage, ...], patients: int = 1) -> Path:
    """A table of patients, the first of them with the damaged files; the table's path."""
    lines = ["subject,t1w,t2w,ct"]
    for number in range(patients):
        own = folder / f"p{number}"
        own.mkdir()
        cells = _write_patient(own, damages if number == 0 else (), number)
        lines.append(",".join([own.name, *(f"{own.name}/{cell}" for cell in cells)]))
    table = folder / "cohort.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    return table


def _write_patient(folder: Path, damages: tuple[Damage, ...], number: int) -> list[str]:
    """The names of a patient's files."""
    cells = []
    for kind in KINDS:
        own = [damage for damage in damages if damage.kind == kind]
        path = folder / f"{kind}{own[0].suffix if own else '.nii'}"
        save(path, voxels(kind, number))
        for damage in own:
            path = WAYS[damage.name](path, np.random.default_rng(damage.number)) or path
        cells.append(path.name)
    return cells


def damages() -> st.SearchStrategy[tuple[Damage, ...]]:
    """One or two spoilt files of a patient, of different kinds."""
    one = st.builds(
        Damage,
        st.sampled_from(sorted(WAYS)),
        st.sampled_from(KINDS),
        st.sampled_from(FORMATS),
        st.integers(0, 2**16),
    )
    return st.lists(one, min_size=1, max_size=2, unique_by=lambda damage: damage.kind).map(tuple)


@cache
def voxels(kind: str, patient: int = 0) -> np.ndarray:
    """A head of three ellipsoids: scalp, skull, brain with ventricles; patients differ in the noise."""
    rng = np.random.default_rng([KINDS.index(kind), patient])
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt((x / 0.8) ** 2 + (y / 0.85) ** 2 + (z / 0.9) ** 2)
    inner = np.sqrt((x / 0.2) ** 2 + (y / 0.3) ** 2 + (z / 0.2) ** 2) < 1
    tissue = np.select([inner, radius < 0.8, radius < 0.92, radius < 1], [0, 1, 2, 3], 4)
    means = {"t1w": (150, 500, 60, 700, 8), "t2w": (800, 350, 50, 400, 8), "ct": (10, 40, 1100, -60, -1000)}
    noise = rng.normal(0, 12, SHAPE)
    values = np.take(means[kind], tissue) + noise
    return (values if kind == "ct" else np.abs(values)).astype(np.int16)


def save(path: Path, values: np.ndarray, spacing_mm: tuple[float, ...] = SPACING_MM) -> Path:
    """A scan in the format that its name says."""
    if path.name.endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(values, np.diag([*spacing_mm, 1.0])), path)
        return path
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    image.SetSpacing(spacing_mm[: image.GetDimension()])
    sitk.WriteImage(image, path)
    return path


Way = Callable[[Path, np.random.Generator], Path | None]
"""Spoils the file at a path; gives the path of what is there now, if that is another."""


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.name.endswith(".gz") else raw


def _rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)


def _is_nifti(path: Path) -> bool:
    return path.name.endswith((".nii", ".nii.gz"))


def _replace_text(path: Path, rng: np.random.Generator) -> None:
    """One field of a MetaImage's or NRRD's header gets another value."""
    content = path.read_bytes()
    end = content.find(b"\n\n") if path.suffix == ".nrrd" else content.find(b"ElementDataFile")
    lines = content[:end].split(b"\n")
    at = int(rng.integers(1, max(2, len(lines))))
    joint = b": " if path.suffix == ".nrrd" else b" = "
    values = [
        *(
            b"0",
            b"-1",
            b"nan",
            b"inf",
            b"1e30",
            b"0 0 0",
            b"-4 5 6",
            b"99999 99999 99999",
            b"",
            b"x" * 5000,
            b"x" * 390,
            b"7" * 390,
            b"(1,0,0) " * 60,
        ),
        *(
            b"40 44",
            b"2 2 2",
            b"1000000 1000000 1000000",
            b"3",
            b"7",
            b"MET_FLOAT_ARRAY",
            b"double",
            b"block",
        ),
        *(b"(nan,0,0) (0,1,0) (0,0,1)", b"(0,0,0) (0,0,0) (0,0,0)", b"1 0 0 1 0 0 0 0 1", b"LOCAL", b"gzip"),
        *(b"1e300 1e300 1e300", b"nan nan nan", b"../../etc/passwd", b"True", b"100 100 100"),
    ]
    if at < len(lines):
        lines[at] = lines[at].partition(joint)[0] + joint + values[int(rng.integers(len(values)))]
    path.write_bytes(b"\n".join(lines) + content[end:])


def header_field(path: Path, rng: np.random.Generator) -> None:
    """One field of the header gets a value that it should not have."""
    if not _is_nifti(path):
        return _replace_text(path, rng)
    content = bytearray(_content(path))
    floats = [*(SPACING_AT + 4 * i for i in range(4)), OFFSET_AT, SLOPE_AT, SLOPE_AT + 4]
    floats += [*range(QUATERN_AT, SFORM_AT + 48, 4)]
    shorts = {DIM_AT + 2 * i: ODD_SIZES for i in range(8)} | {DATATYPE_AT: DATATYPES, BITS_AT: ODD_SIZES}
    shorts |= {QFORM_CODE_AT: [0, 1, 2, 3, 99, -1], SFORM_CODE_AT: [0, 1, 2, 3, 99, -1]}
    if rng.random() < 0.5:
        struct.pack_into("<f", content, int(rng.choice(floats)), float(rng.choice(ODD_FLOATS)))
    else:
        at = int(rng.choice(list(shorts)))
        struct.pack_into("<h", content, at, int(rng.choice(shorts[at])))
    _rewrite(path, bytes(content))
    return None


def header_bytes(path: Path, rng: np.random.Generator) -> None:
    """Random bytes somewhere in the header."""
    content = bytearray(_content(path))
    for _ in range(int(rng.integers(1, 6))):
        content[int(rng.integers(0, min(HEADER_SIZE + 4, len(content))))] = int(rng.integers(256))
    _rewrite(path, bytes(content))


def any_bytes(path: Path, rng: np.random.Generator) -> None:
    """Random bytes anywhere in the file as it lies on the disk."""
    content = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 20))):
        content[int(rng.integers(0, len(content)))] = int(rng.integers(256))
    path.write_bytes(content)


def cut(path: Path, rng: np.random.Generator) -> None:
    """The file ends too early."""
    content = path.read_bytes()
    path.write_bytes(
        content[: int(rng.choice([0, 1, 4, 100, 347, 348, 352, *rng.integers(0, len(content), 5)]))]
    )


def cut_inside(path: Path, rng: np.random.Generator) -> None:
    """The volume ends too early in a whole file."""
    content = _content(path)
    _rewrite(path, content[: int(rng.integers(0, len(content)))])


def text(path: Path, rng: np.random.Generator) -> None:
    """No image at all."""
    others = [
        "not an image",
        "",
        "<html>404</html>" * 99,
        "\0" * 1000,
        "n+1\0" * 200,
        "NRRD0004\n",
        "NDims = 3\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "/annex/objects/MD5E-s4095--0123.nii.gz\n",
        "NDims = 3\nDimSize = 40 44 32\nElementType = MET_SHORT\nElementDataFile = absent%03d.raw 0 31 1\n",
    ]
    path.write_text(others[int(rng.integers(len(others)))], encoding="utf-8")


def forms(path: Path, rng: np.random.Generator) -> None:
    """Two forms that differ, a sheared one, or any numbers in one that is switched off."""
    if not _is_nifti(path):
        return
    kind = (nib.Nifti1Image, nib.Nifti2Image)[int(rng.integers(2))]
    image = kind(voxels(path.name.partition(".")[0]), np.diag([*SPACING_MM, 1.0]))
    codes = rng.choice([0, 1, 2, 5], 2)
    size = float(rng.choice([0, 1e-6, 1e-4, 1e-2, 1, np.nan]))
    sform = np.diag([*SPACING_MM, 1.0])
    sform[:3] += rng.normal(0, 1, (3, 4)) * size
    image.header.set_qform(np.diag([*SPACING_MM, 1.0]), int(codes[0]))
    image.header.set_sform(sform, int(codes[1]))
    content = bytearray(image.to_bytes())
    if rng.random() < 0.3:
        # Nibabel itself writes no quaternion that is none.
        at = image.header.template_dtype.fields["quatern_b"][1]
        odd = np.array([rng.choice(ODD_FLOATS)], image.header["quatern_b"].dtype)
        content[at : at + odd.nbytes] = odd.tobytes()
    path.write_bytes(gzip.compress(bytes(content)) if path.name.endswith(".gz") else bytes(content))


def ending(path: Path, rng: np.random.Generator) -> Path | None:
    """Gzipped twice or not at all, bytes behind it, or another format's name."""
    content = path.read_bytes()
    way = int(rng.integers(4))
    if way == 0:
        path.write_bytes(_content(path))
    elif way == 1:
        path.write_bytes(gzip.compress(content))
    elif way == 2:
        path.write_bytes(content + rng.bytes(int(rng.integers(1, 40))))
    else:
        others = [".nii", ".nii.gz", ".mha", ".nrrd", ".hdr", ".img", ".img.gz", ".mhd", ".nhdr", ".dcm", ""]
        kind = path.name.partition(".")[0]
        return path.rename(path.with_name(f"{kind}{others[int(rng.integers(len(others)))]}"))
    return None


def odd_voxels(path: Path, rng: np.random.Generator) -> None:
    """Some or all voxels are no numbers, or have no meaning."""
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T.astype(np.float32)
    odd = float(rng.choice([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20, 0, 1e-38]))
    where = rng.random(values.shape) < float(rng.choice([1e-4, 0.5, 1]))
    values[where] = odd
    save(path, values)


def other_type(path: Path, rng: np.random.Generator) -> None:
    """Colour, complex numbers, four axes, two axes, or another type of number."""
    values = np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T)
    way = int(rng.integers(8))
    if way == 0 and _is_nifti(path):
        colour = np.zeros(values.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
        nib.save(nib.Nifti1Image(colour, np.diag([*SPACING_MM, 1.0])), path)
    elif way == 1 and _is_nifti(path):
        nib.save(nib.Nifti1Image(values.astype(np.complex64), np.diag([*SPACING_MM, 1.0])), path)
    elif way in (2, 3) and _is_nifti(path):
        nib.save(nib.Nifti1Image(np.stack([values] * way, -1), np.diag([*SPACING_MM, 1.0])), path)
    elif way == 4:
        save(path, values[..., 0], SPACING_MM)
    elif way == 5:
        save(path, values[..., : int(rng.integers(1, 12))])
    else:
        save(path, values.astype(rng.choice(["f8", "u1", "i4", "f4"])))


def constant(path: Path, rng: np.random.Generator) -> None:
    """Nothing is to be seen, or noise, or very little."""
    shapes = [
        np.full(SHAPE, float(rng.choice([0, 1, -1000, 1e9])), np.float32),
        rng.normal(0, 1, SHAPE).astype(np.float32),
        (rng.random(SHAPE) < float(rng.choice([0.011, 0.05]))).astype(np.float32),
        rng.choice([-1000.0, 40.0, 1000.0], SHAPE, p=[0.8, 0.15, 0.05]).astype(np.float32),
        rng.choice([-1000.0, 40.0, 1000.0], SHAPE, p=[0.978, 0.021, 0.001]).astype(np.float32),
        np.where(np.indices(SHAPE)[0] < 4, 100, 0).astype(np.float32),
    ]
    save(path, shapes[int(rng.integers(len(shapes)))])


def swapped(path: Path, rng: np.random.Generator) -> None:
    """Another of the patient's scans lies under this name."""
    save(path, voxels(KINDS[int(rng.integers(3))]))


def spacing(path: Path, rng: np.random.Generator) -> None:
    """Voxels of a size that a scan does not have, or hardly."""
    some = [0.1, 0.11, 0.3, 1.0, 5.0, 19.9, 20.0, 20.1, 100.0, 1e-5, 1e5]
    save(path, voxels(path.name.partition(".")[0]), tuple(float(mm) for mm in rng.choice(some, 3)))


def far_away(path: Path, rng: np.random.Generator) -> None:
    """A volume somewhere else, turned or mirrored."""
    image = sitk.ReadImage(str(path))
    image.SetOrigin(rng.choice([0.0, 1e3, -1e5, 1e9, 1e30], 3).tolist())
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    image.SetDirection(turned.ravel().tolist())
    sitk.WriteImage(image, str(path))


def promises(path: Path, rng: np.random.Generator) -> None:
    """A header that promises a volume of any size, and a file that could be gzip's bomb."""
    if not _is_nifti(path):
        old = b"40 44 32"
        new = rng.choice([b"30000 30000 30000", b"4000000000 1 1", b"99999999999999999999 2 2", b"-40 44 32"])
        path.write_bytes(path.read_bytes().replace(old, bytes(new)))
        return
    content = bytearray(_content(path))
    sizes = [(32767, 32767, 32767), (2000, 2000, 2000), (30, 30, 30000), (1000, 1000, 100)]
    struct.pack_into("<hhh", content, DIM_AT + 2, *sizes[int(rng.integers(len(sizes)))])
    _rewrite(path, bytes(content) + bytes(int(rng.choice([0, 10_000_000]))))


def no_file(path: Path, rng: np.random.Generator) -> Path | None:
    """A link to nowhere, to itself or to a device; a folder; a pipe; a name without a file."""
    path.unlink()
    way = int(rng.integers(7))
    if way == 0:
        path.symlink_to("nowhere")
    elif way == 1:
        path.symlink_to(path.name)
    elif way == 2:
        path.symlink_to("/dev/zero")
    elif way == 3:
        path.mkdir()
    elif way == 4:
        os.mkfifo(path)
    elif way == 5:
        path.symlink_to("..")
    return None


def dicom(path: Path, rng: np.random.Generator) -> Path:
    """A folder of DICOM files in which something is wrong, or nothing."""
    kind = path.name.partition(".")[0]
    folder = path.with_name(f"{kind}-series")
    write_series(folder, voxels(kind))
    _spoil_series(folder, rng)
    return folder


def enhanced_dicom(path: Path, rng: np.random.Generator) -> Path:
    """A multi-frame DICOM file in which something is wrong, or nothing."""
    kind = path.name.partition(".")[0]
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels(kind).T))
    image.SetSpacing(SPACING_MM)
    order = list(range(SHAPE[2]))
    orders = [
        order,
        order[::-1],
        rng.permutation(order).tolist(),
        order[:9] + order[10:],
        [9, *order],
        order * 2,
    ]
    file = enhanced(image, orders[int(rng.integers(len(orders)))])
    _spoil_frames(file, rng)
    path = save_dicom(file, path.with_name(f"{kind}.dcm"))
    spoil = [any_bytes, cut, None, None][int(rng.integers(4))]
    if spoil is not None:
        spoil(path, rng)
    return path


def _spoil_frames(file: Dataset, rng: np.random.Generator) -> None:
    frames = file.PerFrameFunctionalGroupsSequence
    one = frames[int(rng.integers(len(frames)))]
    way = int(rng.integers(8))
    if way == 0:
        one.PlanePositionSequence[0].ImagePositionPatient[1] = float(rng.choice([2, 1e30]))
    elif way == 1:
        for number, frame in enumerate(frames):
            frame.PlanePositionSequence[0].ImagePositionPatient[1] = 2.0 * number
    elif way in (2, 3):
        groups = one if way == 2 else file.SharedFunctionalGroupsSequence[0]
        del groups[list(groups.keys())[int(rng.integers(len(groups)))]]
    elif way == 4:
        file.NumberOfFrames = int(rng.choice([0, 1, 10, 10**9]))


def write_series(folder: Path, values: np.ndarray, uid: str = "1") -> None:
    """A series of axial slices."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for number in range(values.shape[2]):
        image = sitk.GetImageFromArray(np.ascontiguousarray(values[..., number].T))
        image.SetSpacing(SPACING_MM[:2])
        tags = {
            "0008|0060": "MR",
            "0020|000d": "1.2.3",
            "0020|000e": f"1.2.3.{uid}",
            "0008|0018": f"1.2.3.{uid}.{number}",
            "0020|0032": f"0\\0\\{SPACING_MM[2] * number:g}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{uid}-{number:03}.dcm"))
        writer.Execute(image)


def _spoil_series(folder: Path, rng: np.random.Generator) -> None:
    files = sorted(folder.iterdir())
    one = files[int(rng.integers(len(files)))]
    way = int(rng.integers(14))
    if way == 0:
        one.unlink()
    elif way == 1:
        one.write_bytes(one.read_bytes()[: int(rng.integers(0, one.stat().st_size))])
    elif way == 2:
        any_bytes(one, rng)
    elif way == 3:
        write_series(folder, voxels("ct"), uid="2")
    elif way == 4:
        (folder / "notes.txt").write_text("nothing", encoding="utf-8")
        (folder / "below").mkdir()
    elif way == 5:
        (folder / "999.dcm").symlink_to("nowhere")
    elif way == 6:
        shutil.copy(one, folder / "copy.dcm")
    elif way == 7:
        os.mkfifo(folder / "pipe")
    elif way == 8:
        for file in files[1:]:
            file.unlink()
    elif way in (9, 10, 11, 12):
        places = ["", "0\\0", "nan\\nan\\nan", "x\\y\\z", "1e30\\0\\0", "0\\0\\0", "0\\0\\1\\2"]
        axes = [
            "",
            "1\\0\\0",
            "0\\0\\0\\0\\0\\0",
            "nan\\0\\0\\0\\1\\0",
            "1\\0\\0\\1\\0\\0",
            "x",
            "2\\0\\0\\0\\2\\0",
        ]
        tag, choices = (b"\x20\0\x32\0", places) if way % 2 else (b"\x20\0\x37\0", axes)
        value = choices[int(rng.integers(len(choices)))]
        for file in files if way > 10 else [one]:
            _set_tag(file, tag, value)


def _set_tag(file: Path, tag: bytes, value: str) -> None:
    """Gives a text of a DICOM file's header another value, be it allowed or not."""
    content = file.read_bytes()
    at = content.index(tag) + len(tag)
    (length,) = struct.unpack_from("<I", content, at)
    packed = value.encode() + b" " * (len(value) % 2)
    after = content[at + 4 + length :]
    file.write_bytes(content[:at] + struct.pack("<I", len(packed)) + packed + after)


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        *(header_field, header_bytes, any_bytes, cut, cut_inside, text, odd_voxels, other_type, constant),
        *(forms, ending, swapped, spacing, far_away, promises, no_file, dicom, enhanced_dicom),
    )
}
"""The ways to spoil a file, by name."""
