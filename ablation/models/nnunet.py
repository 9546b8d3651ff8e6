"""A plan's target scans and folds as a dataset of nnU-Net v2, and what the values of its label maps mean."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk

from ablation.models.recorded_cohort import RecordedCohort, find_recorded_cohort
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.sweep.progress import Show
from t1t2core.cohort.roles import ROLES, FoldSplit
from t1t2core.cohort.split import draw_splits
from t1t2core.errors import InputError
from t1t2core.files import write_atomically
from t1t2core.preparation.grid import to_image
from t1t2core.preparation.own_grid import labels_on_scan
from t1t2core.settings import SOURCE, TARGET
from t1t2core.settings.classes import IGNORED, Classes

DATASET, FOLDS, ROLES_FILE = "dataset.json", "splits_final.json", "splits.csv"
BACKGROUND, IGNORE = "background", "ignore"
"""Names that nnU-Net gives a meaning: label 0, and the last one, which is left out of training."""
ENDING = ".nii.gz"


def export_nnunet(
    ledger: Ledger,
    plan: PlanRecord,
    folder: Path,
    *,
    cohort: str | None,
    output: Path,
    storage: str | None,
    show: Show,
) -> None:
    """Write the target scans of a plan, their true classes and the plan's folds as nnU-Net v2 reads them.

    All keep the grid of the scans. Who trains or validates in a fold is in `imagesTr`, who is tested in one
    in `imagesTs`; where test patients rotate, most are in both.

    Args:
        cohort, output, storage: see `find_recorded_cohort`.
        show: is given the line that tells how far it is.

    Raises:
        InputError: the folder holds something, nothing is finished, or the cohort is not the recorded one.
    """
    _check(plan, folder)
    found = find_recorded_cohort(ledger, plan, cohort=cohort, output=output, storage=storage)
    splits = _splits(found, plan)
    trains = {name for split in splits for name in (*split.t2.training, *split.t2.validation)}
    tested = {name for split in splits for name in split.t2.test}
    cases = [found.subjects[name] for name in sorted(trains | tested)]
    prepared, preparation = found.prepared(cases), found.settings.preparation
    order, is_ignored = _order(found.cohort.classes), False
    values = _values(order, found.cohort.classes)
    for number, subject in enumerate(cases, start=1):
        show(f"nnU-Net: {number} of {len(cases)} scans")
        alignment = prepared[subject.name].alignment[TARGET]
        scan, labels = labels_on_scan(subject, TARGET, alignment, preparation)
        if subject.name in tested:
            _write(scan, folder / "imagesTs" / f"{subject.name}_0000{ENDING}")
        if subject.name in trains:
            is_ignored |= bool((labels == IGNORED).any())
            _write(scan, folder / "imagesTr" / f"{subject.name}_0000{ENDING}")
            _write(to_image(values[labels], scan), folder / "labelsTr" / f"{subject.name}{ENDING}")
    _write_json(folder / DATASET, _about(plan, found, len(trains), order, is_ignored=is_ignored))
    folds = [{"train": list(split.t2.training), "val": list(split.t2.validation)} for split in splits]
    _write_json(folder / FOLDS, folds)
    write_atomically(folder / ROLES_FILE, _roles(splits).encode())


def _check(plan: PlanRecord, folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--export nnunet {folder}: is not empty; name a new folder")
    if not plan.records:
        raise InputError(f"no trial of {plan.space} is finished: there is nothing to export")


def _about(
    plan: PlanRecord, found: RecordedCohort, number: int, order: Sequence[str | None], *, is_ignored: bool
) -> dict[str, Any]:
    """The content of `dataset.json`, with so many training scans."""
    return {
        "name": plan.space,
        "description": f"{found.cohort.sequences.target} scans of {found.cohort.name}",
        "channel_names": {"0": found.cohort.sequences.target},
        "labels": _names(order) | ({IGNORE: len(order)} if is_ignored else {}),
        "numTraining": number,
        "file_ending": ENDING,
    }


def values_in(folder: Path, classes: Classes) -> Classes:
    """Return the classes with the values that label maps in a folder have.

    nnU-Net puts `dataset.json` beside what it predicts, which names them; without it they are the cohort's.

    Raises:
        InputError: the file is damaged, or does not name one of the classes.
    """
    place = folder / DATASET
    if not place.exists():
        return classes
    try:
        named = {str(name): int(value) for name, value in json.loads(place.read_bytes())["labels"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{place}: no labels of a dataset of nnU-Net ({error!r})") from None
    if classes.outside is not None and classes.names[classes.outside] not in named and BACKGROUND in named:
        named[classes.names[classes.outside]] = named[BACKGROUND]
    if absent := [name for name in classes.names if name not in named]:
        raise InputError(f"{place}: names no {' and no '.join(absent)} among its labels: {', '.join(named)}")
    return replace(classes, values=tuple(named[name] for name in classes.names))


def _splits(found: RecordedCohort, plan: PlanRecord) -> list[FoldSplit]:
    """The folds of the plan, with as many training patients as it trains on at most."""
    wanted = {int(fold) for fold in plan.plan["fold"]}
    most = plan.plan["t2_train_size"].max()
    splits = []
    for split in draw_splits(found.cohort, found.settings.cohort):
        if split.fold in wanted:
            training = split.t2.training if pd.isna(most) else split.t2_training(int(most))
            splits.append(replace(split, t2=replace(split.t2, training=training)))
    return splits


def _order(classes: Classes) -> list[str | None]:
    """The classes in the order of nnU-Net's labels, first what surrounds the head; None if no class does."""
    outside = None if classes.outside is None else classes.names[classes.outside]
    return [outside, *(name for name in classes.names if name != outside)]


def _names(order: Sequence[str | None]) -> dict[str, int]:
    return {BACKGROUND if label == 0 else str(name): label for label, name in enumerate(order)}


def _values(order: Sequence[str | None], classes: Classes) -> np.ndarray:
    """nnU-Net's label by label of the classes, 256 of them."""
    values = np.full(IGNORED + 1, len(order), np.uint8)
    for label, name in enumerate(order):
        if name is not None:
            values[classes.labels[name]] = label
    return values


def _roles(splits: Iterable[FoldSplit]) -> str:
    """The roles as `cohort.split_file` has them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["subject", "fold", "sequence", "role"])
    for split in splits:
        for sequence, roles in ((SOURCE, split.t1), (TARGET, split.t2)):
            writer.writerows(
                (name, split.fold, sequence, role) for role in ROLES for name in getattr(roles, role)
            )
    return text.getvalue()


def _write(image: sitk.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, path)


def _write_json(path: Path, content: Any) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
