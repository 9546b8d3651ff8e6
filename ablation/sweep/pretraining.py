"""The T1 networks that a run's trials start from: found in storage, or trained, published and recorded."""

import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace

import ray
from mlflow.exceptions import MlflowException
from ray.exceptions import RayError

from ablation.plan.recipe import EncoderRecipe, digest_of_preparation
from ablation.plan.resources import TrialResources
from ablation.record.pretraining import PretrainingRecord
from ablation.store.checkpoints import remove_checkpoint
from ablation.store.pretrained import EncoderStore
from ablation.store.pretraining_journal import read_journal, remove_journal
from ablation.store.storage import first_line
from ablation.sweep.cluster import slots_of
from ablation.sweep.failures import COLOURS
from ablation.worker.pretraining import Job, checkpoint_key, start
from ablation.worker.trial import References
from t1t2core.errors import InputError
from t1t2core.settings import TrainingSettings

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
LOOK_SECONDS = 10.0
"""Between two looks at journals in storage, and at what other drivers do."""
SHOWN = 12
"""Characters of a digest that messages show."""


class PretrainingFailedError(Exception):
    """T1 networks could not be trained; the message says which, and why."""


@dataclass(kw_only=True)
class Pretrainer:
    """Trainer of T1 networks, the same for all commands.

    Args:
        subjects: references to the volumes, by the digest of their preparation.
        resources: that each worker asks for.
        workers: that share out the patches of each step of a training.
        checkpoint_seconds: least time between two checkpoints of a training; None for none.
    """

    store: EncoderStore
    record: PretrainingRecord
    subjects: Mapping[str, References]
    resources: TrialResources
    workers: int = 1
    checkpoint_seconds: float | None
    unrecorded: list[str] = field(default_factory=list)
    """Digests of the networks that the record did not take; re-running the command records them."""

    def ensure(self, recipes: Sequence[EncoderRecipe]) -> dict[EncoderRecipe, str]:
        """Return the digests of these networks; those that storage lacks are trained and published.

        Raises:
            PretrainingFailedError: some could not be; all others are there.
        """
        digests = {recipe: digest for recipe in recipes if (digest := self.store.find(recipe))}
        for recipe, digest in digests.items():
            self._settle(recipe, digest)
        missing = [recipe for recipe in recipes if recipe not in digests]
        if missing:
            log.info(f"T1 networks to train: {len(missing)}; later runs reuse what is trained now")
            try:
                digests |= self._train(missing)
            finally:
                with _later():
                    self.record.stop()
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
            with _later():
                self.record.beat()
        if work.failures:
            raise PretrainingFailedError("; ".join(work.failures))
        return work.digests

    def _look(self, work: "_Work") -> None:
        """Follow what is trained, and start what nobody trains."""
        for recipe in work.running.values():
            if journal := read_journal(self.store.storage, recipe.digest):
                with _later():
                    self.record.follow(recipe, journal)
        for recipe in list(work.waiting):
            if digest := self.store.find(recipe):
                work.digests[recipe] = self._published(recipe, digest)
            elif self._claim(recipe):
                work.running[start(self._job(recipe))] = recipe
            else:
                if recipe not in work.theirs:
                    log.info(
                        f"the T1 network of recipe {recipe.digest[:SHOWN]} is trained by another command"
                    )
                work.theirs.add(recipe)
                continue
            work.waiting.remove(recipe)

    def _end(self, work: "_Work", reference: ray.ObjectRef) -> None:
        recipe = work.running.pop(reference)
        try:
            ray.get(reference)
        except RayError as error:
            text = re.sub(COLOURS, "", str(error)).strip()
            cause = text.splitlines()[-1].strip() if text else type(error).__name__
            work.failures.append(f"the T1 network of recipe {recipe.digest[:SHOWN]} failed: {cause}")
            with _later():
                self.record.fail(recipe, cause, text)
            return
        digest = self.store.find(recipe)
        assert digest is not None
        work.digests[recipe] = self._published(recipe, digest)

    def _claim(self, recipe: EncoderRecipe) -> bool:
        """Whether to train it here; a record that does not answer settles nothing."""
        ours = True
        with _later():
            ours = self.record.claim(recipe)
        return ours

    def _job(self, recipe: EncoderRecipe) -> Job:
        each = _of_each(self.workers, self.resources)
        return Job(
            recipe=recipe,
            subjects=self.subjects[digest_of_preparation(recipe.preparation)],
            storage=self.store.storage.address,
            workers=self.workers,
            cpus=each.cpus,
            gpus=each.gpus,
            checkpoint_seconds=self.checkpoint_seconds,
        )

    def _published(self, recipe: EncoderRecipe, digest: str) -> str:
        """Tell of a network and record it; return its digest."""
        journal = read_journal(self.store.storage, recipe.digest)
        scores = f": validation DSC on T1, {_dice(journal.metrics)}" if journal else ""
        log.info(f"T1 network {digest[:SHOWN]}{scores}")
        self._settle(recipe, digest)
        return digest

    def _settle(self, recipe: EncoderRecipe, digest: str) -> None:
        """Record a published network if its training has left something to record, then clear up."""
        storage = self.store.storage
        remove_checkpoint(storage, checkpoint_key(recipe))
        journal = read_journal(storage, recipe.digest)
        if journal is None:
            return
        if not journal.stop_reason:  # of a training that was broken off, while another one got to its end
            remove_journal(storage, recipe.digest)
            return
        try:
            if self.record.finish(recipe, digest, self.store.address(digest), journal):
                remove_journal(storage, recipe.digest)
        except (MlflowException, OSError) as error:
            self.unrecorded.append(digest)
            log.info(
                f"T1 network {digest[:SHOWN]} is not recorded yet: {first_line(error)}; re-run the "
                "same command to record it"
            )


@dataclass
class _Work:
    """Networks to be trained: those that wait, of them others', those under way, how the rest ended."""

    waiting: list[EncoderRecipe]
    theirs: set[EncoderRecipe] = field(default_factory=set)
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


def _later() -> suppress:
    """Pass over what the record does not take now: it gets it at the end."""
    return suppress(MlflowException, OSError)


def _ended(running: Mapping[ray.ObjectRef, EncoderRecipe]) -> list[ray.ObjectRef]:
    if not running:
        time.sleep(POLL_SECONDS)
        return []
    done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
    return list(done)


def _dice(metrics: Mapping[str, float]) -> str:
    names = {"bone": "bone", "soft_tissue": "soft tissue", "air": "air"}
    found = {label: metrics.get(f"best_validation_T1/{name}/dsc") for name, label in names.items()}
    return ", ".join(f"{label} {'undefined' if v is None else f'{v:.3f}'}" for label, v in found.items())
