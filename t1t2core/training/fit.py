"""Training one network, an epoch at a time, so that it can be watched, stopped and resumed."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from t1t2core.network.base import Network
from t1t2core.network.stage import Features
from t1t2core.seeds import generator
from t1t2core.settings import TrainingSettings
from t1t2core.training.compute import Compute
from t1t2core.training.frozen_cache import FrozenCache
from t1t2core.training.loss import ClassSums, class_shares, class_weights, segmentation_loss
from t1t2core.training.norms import PLAIN_BATCHES, warm_norms
from t1t2core.training.optimiser import make_optimiser, moments_of, parameters_of, restore_optimiser
from t1t2core.training.patch_set import PatchSet
from t1t2core.training.schedule import EarlyStop, advance_epoch, advance_step, make_schedule
from t1t2core.training.trained_part import trained_part

if TYPE_CHECKING:
    from t1t2core.training.augmentation import AugmentedPatches

StopReason = Literal["converged", "max_epochs", "max_steps", "pruned", "budget", "not_trained"]


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did.

    Args:
        epoch: 1 for the first.
        loss: mean over the epoch's steps.
        accuracy: share of the known voxels of the epoch's patches that were labelled rightly.
        learning_rate: of its last step.
        seconds: what its steps would take alone: what they took, and what other trials computed for them.
    """

    epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


class Fit:
    """A network in training (Sec. 3.5).

    In a team every process has one, with all the patches, and each step's are shared out among them: loss,
    gradients and so the weights are those of one process with all patches, but for rounding.

    Args:
        network: as its strategy starts it; must have something to train.
        patches: of the training patients, on the device; `batch_size` of them a step, in a team together.
        learning_rate: initial (plateau) or highest (one_cycle) rate.
        seed: of the order of the patches.
    """

    def __init__(
        self,
        network: Network,
        patches: PatchSet,
        settings: TrainingSettings,
        *,
        learning_rate: float,
        seed: int,
        compute: Compute,
    ) -> None:
        self.network = network
        self.patches = patches
        self.settings = settings
        self.compute = compute
        self.seed = seed
        self.epoch = 0
        self.steps = 0
        self.stop_reason: StopReason | None = None
        self.optimiser = make_optimiser(network, settings, learning_rate)
        self.schedule = make_schedule(self.optimiser, settings, steps=self._step_budget())
        self.early_stop = EarlyStop(patience=settings.stop_patience, min_delta=settings.min_delta)
        is_constant = not settings.augmentation and patches.slides is None
        self._frozen = FrozenCache(network, patches, compute) if is_constant else None
        self._trained = trained_part(network, compute)
        shares = class_shares(patches.labels)
        if network.fresh_classifier and settings.initial_bias == "class_shares":
            network.set_class_shares(shares)
        self._class_weights = class_weights(shares) if settings.loss == "weighted_cross_entropy" else None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch: as set, or one pass over the patches."""
        return self.settings.steps_per_epoch or -(-len(self.patches) // self.settings.batch_size)

    @property
    def progress(self) -> float:
        """Share of its longest training that is done, from 0 to 1."""
        return min(1.0, self.steps / self._step_budget())

    def run_epoch(self) -> EpochReport:
        """Trains one epoch."""
        started, features = time.perf_counter(), self.compute.features
        borrowed = features.borrowed_seconds
        self._begin_epoch(self.epoch)
        self.network.train()
        losses, right, known = [], torch.zeros(()), torch.zeros(())
        for numbers in itertools.islice(self._batches(), self._steps_left_in_epoch()):
            rate = float(self.optimiser.param_groups[0]["lr"])
            loss, some_right, some_known = self._step(numbers)
            losses.append(loss)
            right, known = right + some_right, known + some_known
        self.epoch += 1
        total = self.compute.team.total
        mean_loss = float(total(torch.stack(losses)).mean())
        accuracy = float(total(right) / total(known).clamp(min=1))
        seconds = time.perf_counter() - started + features.borrowed_seconds - borrowed
        return EpochReport(self.epoch, mean_loss, accuracy, rate, seconds)

    def judge(self, monitored: float) -> None:
        """Lowers the learning rate or ends the training, by the monitored value (higher is better)."""
        advance_epoch(self.schedule, monitored)
        if self.early_stop.observe(monitored):
            self.stop_reason = "converged"
        elif self.settings.max_steps is not None and self.steps >= self.settings.max_steps:
            self.stop_reason = "max_steps"
        elif self.settings.max_epochs is not None and self.epoch >= self.settings.max_epochs:
            self.stop_reason = "max_epochs"

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs; the order of the patches follows from the number of steps."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "stop_reason": self.stop_reason,
            "network": self.network.trained_state(),
            "moments": moments_of(self.optimiser),
            "groups": self.optimiser.state_dict()["param_groups"],
            "schedule": self.schedule.state_dict(),
            "early_stop": self.early_stop.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where another training of the same trial had got to."""
        self.epoch, self.steps, self.stop_reason = state["epoch"], state["steps"], state["stop_reason"]
        self.network.load_state_dict(state["network"], strict=False)
        self._begin_epoch(max(0, self.epoch - 1))
        restore_optimiser(self.optimiser, state["moments"], state["groups"])
        self.schedule.load_state_dict(state["schedule"])
        self.early_stop.restore(state["early_stop"])

    def _begin_epoch(self, epoch: int) -> None:
        """Let the network change what it freezes; a team shares the gradients of what is trained then."""
        if self.network.begin_epoch(epoch):
            self._trained = trained_part(self.network, self.compute)

    def _step(self, numbers: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Trains on these patches. Gives this process's part of the loss and of right and known voxels."""
        patches = self._patches_of_step()
        whole = torch.cat([patches.label(n) for n in numbers])
        if self.steps <= PLAIN_BATCHES:
            warm_norms(self.network)
        self.optimiser.zero_grad(set_to_none=True)
        told = [
            self._add_gradient(patches, numbers, places, whole)
            for places in self._micro_batches(len(numbers))
        ]
        if self.settings.gradient_clip is not None:
            clip_grad_norm_(parameters_of(self.optimiser), self.settings.gradient_clip)
        self.optimiser.step()
        advance_step(self.schedule)
        self.steps += 1
        loss, right, known = (torch.stack(parts).sum() for parts in zip(*told, strict=True))
        return loss, right, known

    def _micro_batches(self, patches: int) -> list[list[int]]:
        """Return places among a step's patches, those together that are computed at once."""
        team = self.compute.team
        share = team.share(range(patches))
        # A team has one pass a step: after each its processes add up their gradients.
        size = self.settings.micro_batch if team.size == 1 and self.settings.micro_batch else patches
        return [share[at : at + size] for at in range(0, len(share), size)] or [[]]

    def _add_gradient(
        self,
        patches: "PatchSet | AugmentedPatches",
        numbers: list[int],
        places: list[int],
        whole: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Add the gradient of some of a step's patches. Gives their part of the loss, right and known voxels.

        Args:
            numbers: of all the patches of the step.
            places: of these among them; none where there are too few patches for all of a team.
            whole: labels of all.
        """
        with self.compute.autocast():
            logits = self._trained(self._features(patches, numbers, places))
        is_all = len(places) == len(numbers)
        sums = ClassSums.of(logits, whole if is_all else whole[places])
        shared = None if is_all else whole
        loss = segmentation_loss(sums, self.settings.loss, self._class_weights, whole=shared)
        # The gradients' mean over the team is to be that of the whole loss.
        (loss * self.compute.team.size).backward()
        return loss.detach(), sums.right.sum(), sums.present.sum()

    def _patches_of_step(self) -> "PatchSet | AugmentedPatches":
        patches = self.patches.slid(generator(self.seed, "heights of patches", self.steps))
        if not self.settings.augmentation:
            return patches
        from t1t2core.training.augmentation import AugmentedPatches

        return AugmentedPatches(patches, self.settings.augmentation, self.seed, self.steps)

    def _features(
        self, patches: "PatchSet | AugmentedPatches", numbers: list[int], places: list[int]
    ) -> Features:
        """Return features of the patches at these places of a step, perhaps of none."""
        some = [numbers[place] for place in places] or numbers[:1]
        if self._frozen is None:
            features = self.network.run_frozen(torch.cat([patches.image(n) for n in some]))
        else:
            features = self._frozen.batch(some)
        return features if places else features.first(0)

    def _batches(self) -> Iterator[list[int]]:
        """Endless passes over the patches, each in an order that only the seed and its number decide.

        Nothing of the order is kept in the state: it is found again from the number of steps done.
        """
        per_pass = -(-len(self.patches) // self.settings.batch_size)
        for number in itertools.count(self.steps // per_pass):
            order = generator(self.seed, "order of patches", number).permutation(len(self.patches)).tolist()
            size = self.settings.batch_size
            done = self.steps - number * per_pass
            yield from (order[at : at + size] for at in range(done * size, len(order), size))

    def _steps_left_in_epoch(self) -> int:
        if self.settings.max_steps is None:
            return self.steps_per_epoch
        return min(self.steps_per_epoch, self.settings.max_steps - self.steps)

    def _step_budget(self) -> int:
        """The most steps that there can be: the learning rate of one_cycle is spread over them."""
        limits = [self.settings.max_steps] if self.settings.max_steps is not None else []
        if self.settings.max_epochs is not None:
            limits.append(self.steps_per_epoch * self.settings.max_epochs)
        return min(limits)
