"""Label maps that something else made, scored on a plan's test patients as one more arm."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ablation.models.nnunet import values_in
from ablation.models.recorded_cohort import find_recorded_cohort
from ablation.names import EXTERNAL_FILE
from ablation.record.external import (
    TESTED,
    ExternalArm,
    pack_external,
    tested_patients,
    unpack_external,
)
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.sweep.progress import Show
from t1t2core.cohort.names import is_safe_name
from t1t2core.cohort.subject import Subject
from t1t2core.errors import InputError
from t1t2core.evaluation.external import MapScore, label_map_defects, score_label_map
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import TARGET, Settings
from t1t2core.settings.classes import Classes

ENDING = "_dseg.nii.gz"


def score_external(
    ledger: Ledger,
    plan: PlanRecord,
    given: Sequence[str],
    *,
    cohort: str | None,
    output: Path,
    storage: str | None,
    show: Show,
) -> PlanRecord:
    """Score folders of label maps on a plan's test patients, and keep the scores with it; or renew them.

    Args:
        given: `NAME=DIR` each.
        cohort, output, storage: see `find_recorded_cohort`.
        show: is given the line that tells how far it is.

    Returns:
        The plan, with what is now recorded.

    Raises:
        InputError: nothing of the plan is finished, or label maps are missing, on another grid, or have
            values that no class has; names all.
    """
    folders = _folders(given)
    if not plan.records:
        raise InputError(f"no trial of {plan.space} is finished: there are no test patients to score")
    found = find_recorded_cohort(ledger, plan, cohort=cohort, output=output, storage=storage)
    tested = {name for names in tested_patients(plan.records).values() for name in names}
    patients, target = [found.subjects[n] for n in sorted(tested)], found.cohort.sequences.target
    classes = {name: values_in(folder, found.cohort.classes) for name, folder in folders.items()}
    files = {name: _files(name, folder, patients, target, classes[name]) for name, folder in folders.items()}
    prepared = found.prepared(patients)
    arms = {arm.name: arm for arm in unpack_external(plan.files.get(EXTERNAL_FILE))}
    for name, paths in files.items():
        scores = {}
        for number, subject in enumerate(patients, start=1):
            show(f"{name}: {number} of {len(patients)} label maps")
            truth = prepared[subject.name].scan(TARGET)
            scores[subject.name] = _score(paths[subject.name], subject, truth, found.settings, classes[name])
        arms[name] = ExternalArm(name, str(folders[name].resolve()), _digest(paths), scores)
    content = pack_external(arms.values())
    ledger.keep_files(plan.parent.info.run_id, {EXTERNAL_FILE: content})
    return replace(plan, files={**plan.files, EXTERNAL_FILE: content})


def _score(
    path: Path, subject: Subject, truth: PreparedScan, settings: Settings, classes: Classes
) -> list[dict[str, Any]]:
    """The scores of a label map as the record has them, a region each."""
    regions = score_label_map(path, subject, truth, settings.preparation, settings.evaluation, classes)
    return [_as_recorded(subject.name, one) for one in regions]


def _folders(given: Sequence[str]) -> dict[str, Path]:
    """The folder of each name."""
    folders: dict[str, Path] = {}
    for one in given:
        name, equals, folder = one.partition("=")
        if not equals or not is_safe_name(name):
            raise InputError(
                f"--external {one}: NAME=DIR is expected, a name of letters, digits, '.', '_' and '-'"
            )
        if name in folders:
            raise InputError(f"--external: two folders are named {name}")
        if not Path(folder).is_dir():
            raise InputError(f"--external {one}: {folder or 'nothing'} is no folder")
        folders[name] = Path(folder)
    return folders


def _files(
    name: str, folder: Path, patients: Sequence[Subject], suffix: str, classes: Classes
) -> dict[str, Path]:
    """The label map of each patient.

    Raises:
        InputError: names all that cannot be scored.
    """
    files, findings = {}, []
    for subject in patients:
        try:
            files[subject.name] = _file(folder, subject.name, suffix)
        except InputError as error:
            findings.append(f"{subject.name}: {error}")
        else:
            defects = label_map_defects(files[subject.name], subject, classes)
            findings += [f"{subject.name}: {defect}" for defect in defects]
    if findings:
        raise InputError.collect(f"--external {name}={folder}: these label maps cannot be scored:", findings)
    return files


def _file(folder: Path, subject: str, suffix: str) -> Path:
    """The label map of a subject's target scan: `SUBJECT.nii.gz`, or `SUBJECT*_dseg.nii.gz`."""
    whole = folder / f"{subject}.nii.gz"
    named = [path for path in sorted(folder.glob(f"*{ENDING}")) if path.name.startswith(f"{subject}_")]
    of_target = [path for path in named if suffix in path.name.removesuffix(ENDING).split("_")]
    there = [*([whole] if whole.exists() else []), *(of_target or named)]
    if not there:
        raise InputError(f"no {whole.name} and no {subject}*{ENDING} in {folder}")
    if len(there) > 1:
        raise InputError(f"several label maps, one is expected: {', '.join(path.name for path in there)}")
    return there[0]


def _as_recorded(patient: str, score: MapScore) -> dict[str, Any]:
    """A score as `scores.json` has it."""
    return {**TESTED, "patient": patient, "calibration": None, **asdict(score)}


def _digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
