"""Pretrained networks that are trained without trials, by one worker or by several each."""

import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import ray
from ray.exceptions import RayError

from ablation.plan.recipe import EncoderRecipe, digest_of_preparation
from ablation.plan.resources import TrialResources
from ablation.record.claims import Claim
from ablation.store.pretraining_journal import read_journal
from ablation.sweep.cluster import slots_of
from ablation.sweep.failures import COLOURS
from ablation.sweep.networks import Networks, failure_of
from ablation.worker.pretraining import Job, start
from ablation.worker.trial import References
from t1t2core.errors import InputError
from t1t2core.settings import TrainingSettings

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
LOOK_SECONDS = 10.0
"""Between two looks at journals in storage, and at what other drivers do."""


class PretrainingFailedError(Exception):
    """Pretrained networks could not be trained; the message says which, and why."""


@dataclass(kw_only=True)
class Pretrainer:
    """Trainer of pretrained networks by several workers each, without trials.

    Args:
        subjects: references to the volumes, by the digest of their preparation.
        resources: that each worker asks for.
        workers: that share out the patches of each step of a training.
        checkpoint_seconds: least time between two checkpoints of a training; None for none.
    """

    networks: Networks
    subjects: Mapping[str, References]
    resources: TrialResources
    workers: int = 1
    checkpoint_seconds: float | None

    def ensure(self, recipes: Sequence[EncoderRecipe]) -> dict[EncoderRecipe, str]:
        """Return the digests of these networks; those that storage lacks are trained and published.

        Raises:
            PretrainingFailedError: some could not be; all others are there.
        """
        digests = self.networks.find(recipes)
        missing = [recipe for recipe in recipes if recipe not in digests]
        if missing:
            tell_missing(len(missing))
            try:
                digests |= self._train(missing)
            finally:
                self.networks.stop()
        return digests

    def _train(self, missing: Sequence[EncoderRecipe]) -> dict[EncoderRecipe, str]:
        work = _Work(waiting=list(missing))
        looked = float("-inf")
        while work.waiting or work.running:
            if time.monotonic() - looked >= LOOK_SECONDS:
                self._look(work)
                looked = time.monotonic()
            for reference in _ended(work.running):
                self._end(work, reference)
            self.networks.beat()
        if work.failures:
            raise PretrainingFailedError("; ".join(work.failures))
        return work.digests

    def _look(self, work: "_Work") -> None:
        """Follow what is trained, and start what nobody trains."""
        for recipe in work.running.values():
            if journal := read_journal(self.networks.store.storage, recipe.digest):
                self.networks.follow(recipe, journal.history)
        for recipe in list(work.waiting):
            claim = self.networks.claim(recipe)
            if claim is Claim.THEIRS:
                continue
            if claim is Claim.OURS:
                work.running[start(self._job(recipe))] = recipe
            else:
                work.digests[recipe] = self.networks.published(recipe)
            work.waiting.remove(recipe)

    def _end(self, work: "_Work", reference: ray.ObjectRef) -> None:
        recipe = work.running.pop(reference)
        try:
            ray.get(reference)
        except RayError as error:
            text = re.sub(COLOURS, "", str(error)).strip()
            cause = text.splitlines()[-1].strip() if text else type(error).__name__
            work.failures.append(failure_of(recipe, cause))
            self.networks.fail(recipe, cause, text)
            return
        work.digests[recipe] = self.networks.published(recipe)

    def _job(self, recipe: EncoderRecipe) -> Job:
        each = _of_each(self.workers, self.resources)
        return Job(
            recipe=recipe,
            subjects=self.subjects[digest_of_preparation(recipe.preparation)],
            storage=self.networks.store.storage.address,
            workers=self.workers,
            cpus=each.cpus,
            gpus=each.gpus,
            checkpoint_seconds=self.checkpoint_seconds,
        )


def tell_missing(number: int) -> None:
    """Tell how many networks are to be trained."""
    log.info(f"pretrained networks to train: {number}; later runs reuse what is trained now")


@dataclass
class _Work:
    """Networks to be trained: those that wait, those under way, how the rest ended."""

    waiting: list[EncoderRecipe]
    running: dict[ray.ObjectRef, EncoderRecipe] = field(default_factory=dict)
    digests: dict[EncoderRecipe, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def check_workers(workers: int, pretraining: TrainingSettings) -> None:
    """Refuse more workers than a step has patches.

    Raises:
        InputError: there are more workers than patches.
    """
    if workers > pretraining.batch_size:
        raise InputError(
            f"--workers {workers}: a step has {pretraining.batch_size} patches (pretraining.batch_size), "
            f"one for each worker at most; use --workers {pretraining.batch_size}, or a larger batch, which "
            "makes another network"
        )


def check_room(workers: int, resources: TrialResources) -> None:
    """Refuse more workers than the cluster has room for.

    Args:
        resources: that one worker alone asks for.

    Raises:
        InputError: the workers can never be there all at once, so that training would wait for ever.
    """
    each = _of_each(workers, resources)
    room = slots_of(each)
    if workers > room:
        amounts = ", ".join(f"{name} {amount:g}" for name, amount in asdict(each).items() if amount)
        raise InputError(
            f"--workers {workers}: the cluster has room for {room} at once (resources of each: {amounts})"
        )


def _of_each(workers: int, resources: TrialResources) -> TrialResources:
    """Return what each worker gets: those that train together cannot share a GPU."""
    return resources if workers == 1 else replace(resources, gpus=math.ceil(resources.gpus))


def _ended(running: Mapping[ray.ObjectRef, EncoderRecipe]) -> list[ray.ObjectRef]:
    if not running:
        time.sleep(POLL_SECONDS)
        return []
    done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
    return list(done)
