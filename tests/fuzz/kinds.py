"""The kinds of input, and what the product does with each of them."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from hypothesis import strategies as st

from ablation.plan.digest import digest_of
from ablation.space.configuration import resolve_settings
from ablation.space.naming import trial_names
from ablation.space.points import Point, expand
from ablation.space.space import read_space
from t1t2core.cohort.check import check_cohort
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.split import check_request, draw_splits
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.errors import InputError
from t1t2core.preparation.patches import patch_starts
from t1t2core.preparation.prepare import load_prepared, prepare_subject, save_prepared
from t1t2core.settings import CohortSettings, PreparationSettings, Settings
from tests.fuzz import texts
from tests.fuzz.attempt import Attempt, attempt
from tests.fuzz.scans import Damage, damages, write_cohort

SMALL_GRID = PreparationSettings(grid=(32, 40, 32), voxel_mm=(7.0, 7.0, 7.0))


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Args:
        inputs: what is drawn.
        act: reads an input with the product's functions, in an empty folder.
        share: how many of 100 inputs of a campaign are of this kind.
        seconds: after which it counts as hanging.
    """

    inputs: st.SearchStrategy[Any]
    act: Callable[[Any, Path], object]
    share: float
    seconds: float = 20.0


def act_space(content: bytes, folder: Path) -> None:
    """As `--space FILE`."""
    path = folder / "space.yaml"
    path.write_bytes(content)
    space = read_space(path)
    settings = resolve_settings("demo", space.settings, str(path), ())
    _use(settings)
    points = expand(space, Settings())
    trial_names(points, space.design)
    _request(points, settings.cohort)
    assert (folder / space.name).resolve().parent == folder.resolve()


def act_override(override: str, folder: Path) -> None:
    """As `--set KEY=VALUE`."""
    settings = resolve_settings("demo", {}, "", [override])
    _use(settings)
    _request((), settings.cohort)


def act_manifest(content: bytes, folder: Path) -> None:
    """As `--cohort FILE.csv`."""
    lay_out(folder)
    (folder / "cohort.csv").write_bytes(content)
    cohort = read_cohort(folder / "cohort.csv", CohortSettings())
    assert cohort.fingerprint
    draw_splits(cohort, CohortSettings())
    _stay_inside(folder, [subject.name for subject in cohort.subjects])


def act_split(content: bytes, folder: Path) -> None:
    """As `--set cohort.split_file=FILE`."""
    (folder / "split.csv").write_bytes(content)
    _request((), CohortSettings(split_file=str(folder / "split.csv")))


def act_description(content: bytes, folder: Path) -> None:
    """As the description in a BIDS folder."""
    write_bids(
        folder, ("sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T2w.nii", "sub-01/ct/sub-01_ct.nii")
    )
    (folder / "dataset_description.json").write_bytes(content)
    cohort = read_cohort(folder, CohortSettings())
    assert cohort.name
    cohort.name.encode()


def act_bids(given: tuple[tuple[str, ...], dict[str, Any]], folder: Path) -> None:
    """As `--cohort DIR`, with folders and files of any name, and any scans asked for."""
    paths, asked = given
    write_bids(folder, paths)
    cohort = read_cohort(folder, resolve_settings("demo", {"cohort": asked}, "", ()).cohort)
    assert cohort.fingerprint
    assert all(cohort.left_out.values())
    _stay_inside(folder, [subject.name for subject in cohort.subjects])


def act_address(text: str, folder: Path) -> None:
    """As `--cohort` and `--space`: names of files that may be anything."""
    with suppress(InputError):
        read_space(folder / text)
    read_cohort(folder / text, CohortSettings())


def act_scan(damaged: tuple[Damage, ...], folder: Path) -> Cohort:
    """Reads and checks a patient's scans as a run does before it prepares them."""
    cohort = read_cohort(write_cohort(folder, damaged), CohortSettings())
    assert cohort.fingerprint
    check_cohort(cohort)
    return cohort


def act_preparation(damaged: tuple[Damage, ...], folder: Path) -> None:
    """Reads, checks and prepares a patient's scans, without registration, and stores the volumes."""
    _prepare(act_scan(damaged, folder), replace(SMALL_GRID, registration="none"), folder)


def act_registration(damaged: tuple[Damage, ...], folder: Path) -> None:
    """As `act_preparation`, with registration."""
    _prepare(act_scan(damaged, folder), SMALL_GRID, folder)


def act_preparation_setting(override: str, folder: Path) -> None:
    """A good patient's scans, prepared as no one would."""
    usual = [
        "preparation.registration=none",
        "preparation.grid=[32, 40, 32]",
        "preparation.voxel_mm=[7, 7, 7]",
    ]
    settings = resolve_settings("demo", {}, "", [*usual, override]).preparation
    patch_starts(settings.grid, (8, 8, 8), (8, 8, 8))
    _prepare(act_scan((), folder), settings, folder)


def act_command(given: tuple[str, Any], folder: Path) -> None:
    """The real command: it plans, or ends with status 2 and a message, and says nothing else."""
    option, content = given
    space, cohort = folder / "space.yaml", folder / "cohort.csv"
    space.write_text(texts.SMALL_SPACE, encoding="utf-8")
    arguments = ["--plan"]
    if option == "space":
        space.write_bytes(content)
    elif option == "manifest":
        lay_out(folder)
        cohort.write_bytes(content)
    elif option == "override":
        arguments += [f"--set={content}"]
    else:
        write_cohort(folder, content, patients=3)
        arguments = [] if attempt(lambda: _check(cohort), seconds=60).result == "refused" else ["--plan"]
    arguments += ["--cohort", str(cohort)] if cohort.exists() else []
    run_command(["--space", str(space), "--output", str(folder / "runs"), "--preset", "demo", *arguments])


def run_command(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """`python -m ablation.run` as a user starts it; raises AssertionError where it is not as promised."""
    command = [sys.executable, "-m", "ablation.run", *arguments]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=200, check=False
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.returncode in (0, 2), (done.returncode, done.stderr)
    assert done.returncode == 0 or (done.stderr.strip() and not done.stdout), (done.stdout, done.stderr)
    return done


def _check(cohort: Path) -> None:
    check_cohort(read_cohort(cohort, CohortSettings()))


def commands() -> st.SearchStrategy[tuple[str, Any]]:
    """What is wrong, and with which option."""
    no_nul = texts.overrides().filter(
        lambda text: "\0" not in text and text.isprintable() and len(text) < 10**5
    )
    return st.one_of(
        st.tuples(st.just("space"), texts.spaces()),
        st.tuples(st.just("manifest"), texts.files_of_tables(texts.MANIFEST)),
        st.tuples(st.just("override"), no_nul),
        st.tuples(st.just("scans"), damages()),
    )


def lay_out(folder: Path) -> None:
    """The files that a manifest may name: scans, a folder, links, a pipe, a DICOM folder."""
    for name in ("t1.nii", "t2.nii", "ct.nii", "labels.nii"):
        (folder / name).write_bytes(tiny_scan(name))
    (folder / "folder" / "below").mkdir(parents=True)
    (folder / "loop").symlink_to("loop")
    (folder / "dangling.nii").symlink_to("nowhere.nii")
    (folder / "pointer.nii").write_text("/annex/objects/SHA256E-s1--ab.nii\n", encoding="utf-8")
    os.mkfifo(folder / "pipe")
    (folder / "dicom").mkdir()
    (folder / "dicom" / "1.dcm").write_bytes(b"one")
    (folder / "dicom" / "2.dcm").symlink_to("nowhere")


def tiny_scan(name: str) -> bytes:
    """A NIfTI file of 8 voxels that follow from its name, packed if the name says so."""
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:4])
    image = np.random.default_rng(seed).integers(0, 1000, (2, 2, 2)).astype(np.int16)
    content: bytes = nib.Nifti1Image(image, np.eye(4)).to_bytes()
    return gzip.compress(content) if name.endswith(".gz") else content


def write_bids(folder: Path, paths: tuple[str, ...]) -> None:
    """Tiny scans of these names, each another image, where the disk takes them; other files have a text."""
    for name in paths:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = name.encode("utf-8", "surrogatepass")
            path.write_bytes(tiny_scan(name) if name.endswith((".nii", ".nii.gz")) else text)
        except (OSError, ValueError):
            continue


def bids_names() -> st.SearchStrategy[tuple[tuple[str, ...], dict[str, Any]]]:
    """Names of files in a BIDS folder, right or nearly, and the scans that are asked for."""
    safe = texts.texts().map(lambda text: text.replace("/", "").replace("\0", "")[:80])
    label = st.one_of(st.sampled_from(["01", "02", "1", "a"]), safe)
    entity = st.one_of(
        st.just(""), st.builds("_{}-{}".format, st.sampled_from(["ses", "run", "acq", "part"]), label)
    )
    kind = st.sampled_from([("anat", "T1w"), ("anat", "T2w"), ("ct", "ct")])
    session = st.one_of(st.just(""), st.builds("ses-{}/".format, label))
    end = st.sampled_from([".nii.gz", ".nii", ".json", ""])
    name = st.builds(
        lambda sub, ses, place, own, more, end: (
            f"sub-{sub}/{ses}{place[0]}/sub-{own or sub}{more}_{place[1]}{end}"
        ),
        *(label, session, kind, st.one_of(st.just(""), label), entity, end),
    )
    whole = ("sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T2w.nii", "sub-01/ct/sub-01_ct.nii")
    return st.tuples(st.lists(name, max_size=6).map(lambda names: (*whole, *names)), texts.selections())


KINDS: dict[str, Kind] = {
    "search space": Kind(texts.spaces(), act_space, 24),
    "override": Kind(texts.overrides(), act_override, 18),
    "manifest": Kind(texts.files_of_tables(texts.MANIFEST), act_manifest, 12),
    "split file": Kind(texts.files_of_tables(texts.SPLIT), act_split, 8),
    "description": Kind(texts.descriptions(), act_description, 5),
    "BIDS names": Kind(bids_names(), act_bids, 6),
    "file name": Kind(texts.texts(), act_address, 3),
    "scan": Kind(damages(), act_scan, 20),
    "preparation": Kind(damages(), act_preparation, 2, seconds=60),
    "preparation setting": Kind(texts.preparations(), act_preparation_setting, 2, seconds=60),
    "registration": Kind(damages(), act_registration, 0.4, seconds=120),
    "command": Kind(commands(), act_command, 0.4, seconds=240),
}


def _prepare(cohort: Cohort, settings: PreparationSettings, folder: Path) -> None:
    """Volumes of numbers that a network can be given, as they come back from the disk."""
    for subject in cohort.subjects:
        save_prepared(prepare_subject(subject, settings), folder / "prepared.safetensors")
        prepared = load_prepared(folder / "prepared.safetensors")
        for scan in filter(None, (prepared.t1, prepared.t2)):
            assert np.isfinite(scan.image).all()


def _use(settings: Settings) -> None:
    """What is done with settings before anything is read."""
    for training in (settings.pretraining, settings.training):
        patch_starts(settings.preparation.grid, training.patch, training.stride)
    assert digest_of(asdict(settings))


def _request(points: tuple[Point, ...], settings: CohortSettings) -> None:
    splits = draw_splits(_cohort(), settings)
    check_request(splits, [p.fold for p in points], [p.t2_train_size for p in points if p.t2_train_size])


@cache
def _cohort() -> Cohort:
    nowhere = Path("nowhere.nii")
    names = [f"p{number:02}" for number in range(1, 13)]
    return Cohort(
        name="cohort", subjects=tuple(Subject(name=n, t1w=nowhere, t2w=nowhere, ct=nowhere) for n in names)
    )


def _stay_inside(folder: Path, names: list[str]) -> None:
    """A subject's name can be a file's name, and that file lies where it should."""
    for name in names:
        path = folder / f"{name}.png"
        assert path.resolve().parent == folder.resolve()
        path.touch()


def try_one(kind: Kind, drawn: Any) -> Attempt:
    """One input, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        return attempt(lambda: kind.act(drawn, folder), seconds=kind.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
