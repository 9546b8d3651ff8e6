"""Scores of label maps that something else made, kept with a plan: each folder of them is one more arm."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ablation.names import (
    COHORT_FINGERPRINT,
    ENCODER_DIGEST,
    EPOCHS,
    SECONDS_PER_EPOCH,
    STANDALONE_SECONDS,
    STOP_REASON,
    TOTAL_SECONDS,
    TRIAL_KEY,
)
from ablation.record.trials import Record
from ablation.space.naming import external_strategy
from t1t2core.settings import TARGET

VERSION = 1
TESTED = {"split": "test", "sequence": TARGET, "weights": "best"}
"""The scores of a trial beside which those of label maps stand."""
NOT_TRAINED = "not_trained"


@dataclass(frozen=True)
class ExternalArm:
    """Label maps of test patients.

    Args:
        name: as the user gave it.
        folder: where they lay.
        digest: of their content.
        scores: of each patient, as `scores.json` has them.
    """

    name: str
    folder: str
    digest: str
    scores: Mapping[str, Sequence[Mapping[str, Any]]]


def pack_external(arms: Iterable[ExternalArm]) -> bytes:
    """Return the content of the file that keeps them."""
    return json.dumps({"version": VERSION, "arms": [asdict(arm) for arm in arms]}).encode()


def unpack_external(content: bytes | None) -> list[ExternalArm]:
    """Return what `pack_external` packed; nothing where nothing was."""
    return [] if content is None else [ExternalArm(**arm) for arm in json.loads(content)["arms"]]


def tested_patients(records: Iterable[Record]) -> dict[int, list[str]]:
    """Return who is tested in each fold, in the order of the trials' scores."""
    tested: dict[int, dict[str, None]] = {}
    for record in records:
        names = [
            str(score["patient"])
            for score in record.scores
            if all(score[name] == value for name, value in TESTED.items())
        ]
        tested.setdefault(int(record.params["fold"]), {}).update(dict.fromkeys(names))
    return {fold: list(names) for fold, names in sorted(tested.items())}


def external_records(arms: Iterable[ExternalArm], records: Sequence[Record]) -> list[Record]:
    """Return the arms as if each were a trial of each fold; of folds whose patients all have label maps.

    Args:
        records: of the trials beside which they stand.
    """
    return [
        _record(arm, fold, patients, records[0])
        for arm in arms
        for fold, patients in tested_patients(records).items()
        if set(patients) <= set(arm.scores)
    ]


def _record(arm: ExternalArm, fold: int, patients: Iterable[str], beside: Record) -> Record:
    name = external_strategy(arm.name)
    unknown = dict.fromkeys((SECONDS_PER_EPOCH, TOTAL_SECONDS, STANDALONE_SECONDS), float("nan"))
    return Record(
        run_id="",
        experiment_id="",
        name=f"{name} fold={fold}",
        tags={
            TRIAL_KEY: f"{name} fold={fold} {arm.digest[:12]}",
            ENCODER_DIGEST: "",
            COHORT_FINGERPRINT: beside.tags[COHORT_FINGERPRINT],
            STOP_REASON: NOT_TRAINED,
        },
        params={"strategy": name, "fold": str(fold)},
        metrics={EPOCHS: 0, **unknown},
        scores=[dict(score) for patient in patients for score in arm.scores[patient]],
    )
