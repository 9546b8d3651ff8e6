"""From a workspace to recorded trials and published pretrained networks."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import ray
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.names import SUBJECTS_FILE
from ablation.plan.plan import (
    PlannedTrial,
    draft_plan,
    recipes_of,
)
from ablation.plan.recipe import EncoderRecipe, digest_of_preparation
from ablation.plan.resources import TrialResources
from ablation.plan.tables import subject_warnings, subjects_frame, warning_lines, write_table
from ablation.record.breakdown import breakdown
from ablation.record.pretraining import PretrainingRecord
from ablation.store.volumes import prepare_cohort
from ablation.sweep.cluster import LOCAL, check_gpu, connect, device_of, request_of
from ablation.sweep.grid_run import GridRun
from ablation.sweep.join import check_join
from ablation.sweep.networks import Networks
from ablation.sweep.plan_run import recorded_trials
from ablation.sweep.pretraining import Pretrainer, check_room, check_workers, tell_missing
from ablation.sweep.progress import Show
from ablation.sweep.provenance import machine_warnings, trial_tags
from ablation.sweep.search_run import SearchRun
from ablation.sweep.sweep import Endings
from ablation.sweep.workspace import Workspace
from ablation.worker.trial import References
from t1t2core.cohort.roles import count_overlap
from t1t2core.preparation.cohort import check_classes
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.settings import SOURCE, TARGET
from t1t2core.settings import Sequence as SequenceName

log = logging.getLogger(__name__)

Draw = Callable[[Mapping[str, PreparedSubject]], bytes | None]
"""Draws how well the subjects are aligned, as PNG."""


@dataclass
class Ended:
    """Trials of a run, and how they ended.

    Args:
        plan: its trials, of a search those that it has sampled.
        recorded: finished before it began, by key.
    """

    plan: Sequence[PlannedTrial] = ()
    recorded: Mapping[str, Run] = field(default_factory=dict)
    result: Endings = field(default_factory=Endings)


def run_trials(workspace: Workspace, show: Show, draw: Draw) -> Ended:
    """Run what is not recorded yet; an interrupt or a breakdown of the record is told in the result.

    Args:
        show: is given the line that tells how far the trials are.
        draw: makes the picture of the subjects' alignment that the record keeps.
    """
    if workspace.request.join:
        check_join(workspace)
    known = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
    is_search = workspace.space.search.samples
    ended = Ended(plan=() if is_search else draft_plan(workspace.points, workspace.study, known))
    try:
        with connect(workspace.address):
            joined, resources = _on_cluster(workspace)
            if joined is not workspace:
                workspace = joined
                known = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
            for warning in machine_warnings(workspace):
                log.warning(warning)
            volumes = _prepare(workspace)
            references = _put(volumes)
            networks = _networks(workspace)
            known = _known_networks(workspace, networks, known)
            ended.recorded = recorded_trials(workspace)
            kind = SearchRun if is_search else GridRun
            run = kind(workspace, known, ended.recorded, show, lambda: draw(_first(volumes)))
            try:
                ended.result = run.run(references, networks, resources)
            finally:
                ended.plan = run.plan
    except KeyboardInterrupt:
        ended.result.interrupted = True
    except (MlflowException, OSError) as error:
        ended.result.stopped = breakdown(error)
    return ended


def train_pretrained(workspace: Workspace, workers: int) -> tuple[dict[str, str], list[str]]:
    """Train and publish the pretrained networks that the space's folds need.

    Args:
        workers: that train a network together.

    Returns:
        The address of each network by its digest, and the digests of those that could not be recorded.

    Raises:
        InputError: there is no room for so many workers.
        PretrainingFailedError: some could not be trained; all others are published.
    """
    check_workers(workers, workspace.settings.pretraining)
    with connect(workspace.address):
        workspace, resources = _on_cluster(workspace)
        check_room(workers, resources)
        folds = {p.fold for p in workspace.points} or {split.fold for split in workspace.study.splits}
        recipes = recipes_of(workspace.points, workspace.study) or list(
            dict.fromkeys(workspace.study.recipe(fold) for fold in sorted(folds))
        )
        references = _put(_prepare(workspace))
        networks = _networks(workspace)
        digests = Pretrainer(
            networks=networks,
            subjects=references,
            resources=resources,
            workers=workers,
            checkpoint_seconds=workspace.space.recovery.checkpoint_seconds,
        ).ensure(recipes)
    addresses = {digests[recipe]: workspace.encoders.address(digests[recipe]) for recipe in recipes}
    return addresses, networks.unrecorded


def _on_cluster(workspace: Workspace) -> tuple[Workspace, TrialResources]:
    """Return the workspace with what trials are computed on there, and what each asks for."""
    resources = request_of(workspace.space.resources)
    check_gpu(resources, workspace.address)
    is_known = workspace.address == LOCAL and workspace.study.device.kind == resources.device
    return workspace if is_known else workspace.on(device_of(resources)), resources


def _networks(workspace: Workspace) -> Networks:
    lease = workspace.space.recovery.lease_seconds
    record = PretrainingRecord(workspace.ledger, trial_tags(workspace), lease)
    return Networks(workspace.encoders, record)


Volumes = dict[str, dict[str, PreparedSubject]]
"""The subjects by name, by the digest of the settings that they were prepared with."""


def _first(volumes: Volumes) -> dict[str, PreparedSubject]:
    return next(iter(volumes.values()))


def _put(volumes: Volumes) -> dict[str, References]:
    """Put all volumes into the object store."""
    return {
        digest: {name: ray.put(subject) for name, subject in prepared.items()}
        for digest, prepared in volumes.items()
    }


def _prepare(workspace: Workspace) -> Volumes:
    """Prepare all volumes, and tell what is known of the subjects, before anything is spent on training."""
    preparations = workspace.preparations
    volumes: Volumes = {}
    for number, preparation in enumerate(preparations, start=1):
        which = f", preparation {number} of {len(preparations)}" if len(preparations) > 1 else ""
        volumes[digest_of_preparation(preparation)] = prepare_cohort(
            workspace.cohort, preparation, workspace.storage, partial(_tell_prepared, which)
        )
    splits = workspace.study.splits
    check_classes(workspace.cohort, _first(volumes), _trained(workspace))
    told = [subject_warnings(workspace.cohort, prepared) for prepared in volumes.values()]
    warnings = {
        name: list(dict.fromkeys(sentence for one in told for sentence in one[name])) for name in told[0]
    }
    frame = subjects_frame(workspace.cohort, splits, _first(volumes), warnings)
    write_table(frame, workspace.folder / SUBJECTS_FILE)
    for line in warning_lines(warnings):
        log.warning(line)
    folds = [count_overlap(split)["t2_training_in_t1_training"] for split in splits]
    own = workspace.settings.cohort
    log.info(
        f"overlap {own.overlap}: {own.target} training patients who also train {own.source}, a fold: "
        f"{', '.join(map(str, folds))}; {own.target} test patients who do: "
        f"{', '.join(str(count_overlap(split)['t2_test_in_t1_training']) for split in splits)}"
    )
    return volumes


def _trained(workspace: Workspace) -> dict[tuple[str, SequenceName], Sequence[str]]:
    """Return the patients whom networks are trained on, by what is trained on their scans of a sequence."""
    trained: dict[tuple[str, SequenceName], Sequence[str]] = {}
    for point in workspace.points:
        split, size = workspace.study.split(point.fold), point.t2_train_size
        trained[f"fold {point.fold}", SOURCE] = split.t1.training
        if size is not None:
            trained[f"fold {point.fold}, t2_train_size {size}", TARGET] = split.t2_training(size)
    return trained


def _tell_prepared(which: str, done: int, total: int) -> None:
    log.info(f"preparing: {done} of {total} subjects{which}")


def _known_networks(
    workspace: Workspace, networks: Networks, known: dict[EncoderRecipe, str]
) -> dict[EncoderRecipe, str]:
    """Return the digests of the pretrained networks that are there; tell how many are to be trained."""
    if workspace.request.encoder is not None:
        return known
    recipes = recipes_of(workspace.points, workspace.study)
    found = networks.find(recipes)
    if len(found) < len(recipes):
        tell_missing(len(recipes) - len(found))
    return found
