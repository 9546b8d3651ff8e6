"""One trial: a network is trained on some patients, chosen on others, scored on others again."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from t1t2core.cohort.roles import Roles
from t1t2core.evaluation.attenuation import Attenuation, attenuation_of
from t1t2core.evaluation.calibration import Calibration, calibrate
from t1t2core.evaluation.counting import TrueLabels, deep_part
from t1t2core.evaluation.inference import Predictor, cross_entropy, likeliest
from t1t2core.evaluation.scores import Counts
from t1t2core.evaluation.surface import surface_distances
from t1t2core.evaluation.whole import class_probabilities
from t1t2core.network.base import Network
from t1t2core.network.flops import forward_flops
from t1t2core.preparation.prepare import PreparedScan, PreparedSubject, WholeScan
from t1t2core.settings import EvaluationSettings, Sequence, TrainingSettings
from t1t2core.settings.classes import MEAN, STUDY_CLASSES, Classes
from t1t2core.training.compute import Compute
from t1t2core.training.fit import EpochReport, Fit, StopReason
from t1t2core.training.patch_set import PatchSet

Split = Literal["validation", "test"]
Weights = Literal["best", "last"]
Region = Literal["box", "whole"]
"""What of a scan is scored: the box that training takes, or all that was scanned."""
Scored = tuple[Sequence, str, PreparedScan]
"""A scan with its sequence and the name of its patient."""


@dataclass(frozen=True)
class Scans:
    """The scans of one sequence by the role and the name of their patient."""

    training: Mapping[str, PreparedScan] = field(default_factory=dict)
    validation: Mapping[str, PreparedScan] = field(default_factory=dict)
    test: Mapping[str, PreparedScan] = field(default_factory=dict)

    @classmethod
    def of(cls, sequence: Sequence, roles: Roles, subjects: Mapping[str, PreparedSubject]) -> "Scans":
        """Return the scans of the patients that have a role."""
        names = (roles.training, roles.validation, roles.test)
        return cls(*({name: subjects[name].scan(sequence) for name in role} for role in names))

    @property
    def classes(self) -> list[Classes]:
        """The classes of each scan."""
        return [
            scan.classes for role in (self.training, self.validation, self.test) for scan in role.values()
        ]


@dataclass(frozen=True)
class PatientScore:
    """How one patient's scan was labelled.

    Args:
        weights: `best` (highest validation Dice, by `evaluation.choose_by`) or `last`.
        counts: of each class.
        surface: distances of each class, mm; test patients with the best weights only.
        region: `whole` for test patients with the best weights only.
        calibration: of the probabilities of each class, in the box; likewise.
        attenuation: at 511 keV, in each region of the head, of the whole scan; likewise, where there is a CT.
    """

    weights: Weights
    split: Split
    sequence: Sequence
    patient: str
    counts: dict[str, Counts]
    surface: dict[str, dict[str, float]] | None = None
    region: Region = "box"
    calibration: dict[str, Calibration] | None = None
    attenuation: dict[str, Attenuation] | None = None


@dataclass(frozen=True)
class EpochResult:
    """An epoch and, where it was measured, how the validation patients scored after it, pooled."""

    report: EpochReport
    validation: dict[str, Counts] | None


@dataclass(frozen=True)
class Outcome:
    """All that a trial leaves.

    Args:
        scores: a patient, split, sequence and set of weights each.
        weights: the trained tensors that did best on validation, by name.
        predictions: labels (X, Y, Z) of the test scans by sequence and patient, best weights.
        parameters: of the whole network, trained or frozen.
        flops: floating point operations by which it labels a patch, of convolutions and matrix products.
        steps: of the optimiser.
    """

    scores: list[PatientScore]
    stop_reason: StopReason
    epochs: int
    epoch_seconds: list[float]
    weights: dict[str, Tensor]
    predictions: dict[tuple[Sequence, str], np.ndarray]
    parameters: int
    flops: int
    steps: int


class Experiment:
    """Trains a network as its strategy left it and scores it.

    In a team (see `Compute`) every process has one with the same scans; they share out the patches of each
    step and the scans to be scored, and all come to the same result.

    Args:
        network: as its strategy starts it; with nothing to train it is only scored.
        scans: by sequence; what has training scans is trained on, what has others is scored.
        learning_rate: None takes that of the settings.
        sliding: patches are trained on at random heights of the whole scan (`preparation.slices`).
    """

    def __init__(
        self,
        network: Network,
        scans: Mapping[Sequence, Scans],
        training: TrainingSettings,
        evaluation: EvaluationSettings,
        *,
        learning_rate: float | None,
        seed: int,
        compute: Compute,
        sliding: bool = False,
    ) -> None:
        compute.settle(deterministic=training.deterministic)
        self.network = network.to(compute.device)
        self.scans = scans
        self.training = training
        self.evaluation = evaluation
        self._sliding = sliding
        self.compute = compute
        self.fit = self._make_fit(learning_rate or training.learning_rate, seed)
        self.classes = next((one for roles in scans.values() for one in roles.classes), STUDY_CLASSES)
        self.validated = [(s, p, scan) for s in scans for p, scan in scans[s].validation.items()]
        self._validator = self._predictor(self.validated)
        self._best: dict[str, Tensor] = copy.deepcopy(network.trained_state())
        self._best_dice = float("-inf")
        # Of the validation patients, with the weights that the network had when they were last measured.
        self._counts: dict[Weights, list[dict[str, Counts]]] = {}
        self._truths: dict[int, TrueLabels] = {}
        self.epoch_seconds: list[float] = []

    @property
    def finished(self) -> bool:
        """Return whether nothing is left to train."""
        return self.fit is None or self.fit.stop_reason is not None

    @property
    def progress(self) -> float:
        """Share of the training that is done, from 0 to 1."""
        return 1.0 if self.fit is None else self.fit.progress

    @property
    def steps(self) -> int:
        """Return the steps of the optimiser so far."""
        return 0 if self.fit is None else self.fit.steps

    @property
    def best_weights(self) -> dict[str, Tensor]:
        """The trained tensors that did best on validation so far, by name."""
        return self._best

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs to go on bit for bit (on a GPU as far as it is deterministic)."""
        return {
            "fit": None if self.fit is None else self.fit.state(),
            "best": self._best,
            "best_dice": self._best_dice,
            "epoch_seconds": self.epoch_seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over what another experiment of the same trial had got to."""
        if self.fit is not None:
            self.fit.restore(state["fit"])
        self._best = {name: tensor.to(self.compute.device) for name, tensor in state["best"].items()}
        self._best_dice = state["best_dice"]
        self.epoch_seconds = list(state["epoch_seconds"])

    def run_epoch(self) -> EpochResult:
        """Trains one epoch and, every `validate_every` of them and after the last, measures validation."""
        assert self.fit is not None
        self._counts.pop("last", None)
        report = self.fit.run_epoch()
        self.epoch_seconds.append(report.seconds)
        due = report.epoch % self.training.validate_every == 0
        validation, loss = self._validate() if due else (None, float("nan"))
        self.fit.judge(report.accuracy if self.training.monitor == "training_accuracy" else -loss)
        if self.finished and validation is None:
            validation, _ = self._validate()
        return EpochResult(report, validation)

    def score(self) -> Outcome:
        """Scores the last and the best weights; the network keeps the best."""
        last_is_best = all(torch.equal(t, self._best[n]) for n, t in self.network.trained_state().items())
        last = None if last_is_best else self._score("last")[0]
        self.network.load_state_dict(self._best, strict=False)
        best, predictions = self._score("best")
        last = last or [
            PatientScore("last", s.split, s.sequence, s.patient, s.counts) for s in best if s.region == "box"
        ]
        return Outcome(
            scores=best + last,
            stop_reason="not_trained" if self.fit is None else self.fit.stop_reason or "pruned",
            epochs=0 if self.fit is None else self.fit.epoch,
            epoch_seconds=self.epoch_seconds,
            weights=self._best,
            predictions=predictions,
            parameters=sum(parameter.numel() for parameter in self.network.parameters()),
            flops=forward_flops(self.network, self.training.patch),
            steps=self.steps,
        )

    def _make_fit(self, learning_rate: float, seed: int) -> Fit | None:
        if not self.network.has_trained_part:
            return None
        scans = [scan for roles in self.scans.values() for scan in roles.training.values()]
        cut = PatchSet.cut_sliding if self._sliding else PatchSet.cut
        patches = cut(scans, self.training, self.compute.device)
        return Fit(
            self.network,
            patches,
            self.training,
            learning_rate=learning_rate,
            seed=seed,
            compute=self.compute,
        )

    def _predictor(self, whose: list[Scored]) -> Predictor:
        """Make the predictor of this process's share of the scans."""
        scans = [scan for _, _, scan in self.compute.team.share(whose)]
        patches = PatchSet.cut(scans, self.training, self.compute.device)
        return Predictor(self.network, patches, self.compute)

    def _validate(self) -> tuple[dict[str, Counts], float]:
        """Scores the validation patients as the network is. Gives the pooled counts and the loss."""
        measured = self._measure_validation()
        counts = [one for one, _ in measured]
        self._counts["last"] = counts
        pooled = pool(counts)
        dice = choice_dice(pooled, self.evaluation.choose_by, self.classes)
        if dice > self._best_dice:
            self._best_dice = dice
            self._best = copy.deepcopy(self.network.trained_state())
            self._counts["best"] = counts
        return pooled, float(np.mean([loss for _, loss in measured]))

    def _measure_validation(self) -> list[tuple[dict[str, Counts], float]]:
        """Counts of each validation patient, and its loss where training goes by that, else NaN."""
        team, wanted = self.compute.team, self.training.monitor == "validation_loss"
        probabilities = self._validator.probabilities()
        shown = self._validator.patches.labels
        losses = [cross_entropy(*both) for both in zip(probabilities, shown, strict=True)] if wanted else []
        counts = [
            self._count(likeliest(p), scan)
            for p, (_, _, scan) in zip(probabilities, team.share(self.validated), strict=True)
        ]
        return team.gather(list(zip(counts, losses or [math.nan] * len(counts), strict=True)))

    def _count(self, labels: Tensor, scan: PreparedScan | WholeScan) -> dict[str, Counts]:
        """Counts of a scan's labels; what does not depend on them is found once a scan."""
        if id(scan) not in self._truths:
            deep = deep_part(scan.hull, scan.voxel_mm, self.evaluation.internal_air_rim_mm)
            self._truths[id(scan)] = TrueLabels(
                scan.labels, scan.hull, deep, self.compute.device, self.classes
            )
        return self._truths[id(scan)].count(labels)

    def _score(self, weights: Weights) -> tuple[list[PatientScore], dict[tuple[Sequence, str], np.ndarray]]:
        """Scores the network, which has these weights; gives the labels of the test scans with the best."""
        counts = self._counts.get(weights) or [one for one, _ in self._measure_validation()]
        scores = [
            PatientScore(weights, "validation", sequence, patient, one)
            for (sequence, patient, _), one in zip(self.validated, counts, strict=True)
        ]
        predictions = {}
        tested = [(s, p, scan) for s in self.scans for p, scan in self.scans[s].test.items()]
        probabilities = self._predictor(tested).probabilities()
        team = self.compute.team
        mine = [
            self._score_test(weights, scored, p)
            for scored, p in zip(team.share(tested), probabilities, strict=True)
        ]
        for (sequence, patient, _), (some, labels) in zip(tested, team.gather(mine), strict=True):
            scores += some
            if weights == "best":
                predictions[sequence, patient] = labels
        return scores, predictions

    def _score_test(
        self, weights: Weights, scored: Scored, probabilities: Tensor
    ) -> tuple[list[PatientScore], np.ndarray]:
        """The scores of a test scan, in its box and with the best weights as a whole; labels of the box."""
        sequence, patient, scan = scored
        found = likeliest(probabilities)
        labels = found.cpu().numpy()
        in_box = PatientScore(weights, "test", sequence, patient, self._count(found, scan))
        if weights == "last":
            return [in_box], labels
        scores = [
            replace(
                in_box,
                surface=self._surface(labels, scan),
                calibration=calibrate(probabilities.cpu().numpy(), scan.labels, self.classes),
            )
        ]
        if self.evaluation.whole_scan:
            scores.append(replace(in_box, region="whole", **self._score_whole(scan, probabilities)))
        return scores, labels

    def _score_whole(self, scan: PreparedScan, probabilities: Tensor) -> dict[str, Any]:
        """Score the whole scan, given the class probabilities of its box."""
        found = self._label_whole(scan, probabilities)
        labels = found.cpu().numpy()
        return {
            "counts": self._count(found, scan.whole),
            "surface": self._surface(labels, scan.whole),
            "attenuation": attenuation_of(labels, scan.whole),
        }

    def _surface(
        self, labels: np.ndarray, scan: PreparedScan | WholeScan
    ) -> dict[str, dict[str, float]] | None:
        if not self.evaluation.surface_distances:
            return None
        return surface_distances(labels, scan.labels, scan.voxel_mm, self.classes)

    def _label_whole(self, scan: PreparedScan, probabilities: Tensor) -> Tensor:
        """Labels (X, Y, Z) of the whole scan, on the device, given the class probabilities of its box."""
        x, y, z = scan.image.shape
        found = class_probabilities(
            scan.whole, (x, y, z), [self.network], self.training, self.compute, probabilities, self.classes
        )
        return likeliest(torch.from_numpy(found)).to(self.compute.device)


def pool(counts: list[dict[str, Counts]]) -> dict[str, Counts]:
    """Sums the counts of several patients class by class, as the study scores (checked on its Tables 3-5)."""
    return {name: sum((c[name] for c in counts), Counts(0, 0, 0)) for name in counts[0]}


def mean_dice(counts: dict[str, Counts], classes: Classes = STUDY_CLASSES) -> float:
    """Mean Dice of the classes but the background; an absent class counts as 0, so it never wins."""
    return float(np.mean(np.nan_to_num([counts[name].dsc for name in classes.foreground])))


def choice_dice(counts: dict[str, Counts], choose_by: str, classes: Classes = STUDY_CLASSES) -> float:
    """Dice that chooses: that of `mean_dice` or that of one class; an absent class counts as 0."""
    return mean_dice(counts, classes) if choose_by == MEAN else float(np.nan_to_num(counts[choose_by].dsc))
