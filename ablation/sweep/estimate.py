"""How long trials will take."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from statistics import median
from typing import Any, cast

import torch
from mlflow.entities import Run

from ablation.names import HARDWARE, TOTAL_SECONDS
from ablation.plan.plan import PlannedTrial
from ablation.record.settings import as_params
from ablation.space.points import Point
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.patches import patch_starts
from t1t2core.settings import Precision, Settings
from t1t2core.strategies import STRATEGIES, StrategyName
from t1t2core.training.compute import Compute

MEASURED = 2
"""Steps of which the fastest counts, after one to warm up."""
LARGEST_SIDE = 32
"""Voxels of a patch's side that are measured; larger patches cost in proportion to their voxels."""
SCORED_PATIENTS = 6
"""Validation and test patients of the study's T2 split; the estimate need not know better."""
SAME_COST = ("strategy", "tuned_layers", "fusion", "t2_train_size")
LIKENESS = ((*SAME_COST, "learning_rate"), SAME_COST, ("strategy", "tuned_layers", "t2_train_size"))
"""Factors in which a recorded trial must be the same to tell how long one takes, the closest first."""
SAME_COST_AT = LIKENESS.index(SAME_COST)
_Factors = tuple[str | None, ...]
GROUPS = ("preparation.", "network.", "training.", "evaluation.")


class Estimator:
    """Seconds a trial: from recorded trials alike, of these settings and this machine, else measured.

    What is measured is a step; how much longer whole trials take than their steps is told by recorded trials
    of other arms, where there are any. To each comes what passes between one trial and the next.

    Args:
        machine: what a trial runs on; what was recorded elsewhere tells nothing.
    """

    def __init__(
        self, settings: Settings, precision: Precision, recorded: Sequence[Run], machine: str = ""
    ) -> None:
        self._settings = settings
        self._precision = precision
        self._alike: list[dict[_Factors, list[float]]] = [defaultdict(list) for _ in LIKENESS]
        self._between: list[float] = []
        self._one_of: dict[_Factors, Point] = {}
        cost = _cost_settings(as_params(settings))
        for run in recorded:
            elsewhere = machine and run.data.tags.get(HARDWARE, machine) != machine
            if not elsewhere and _cost_settings(run.data.params) == cost:
                self._learn(run)
        self._measured: dict[tuple[object, ...], tuple[float, float]] = {}

    def all_seconds(self, trials: Sequence[PlannedTrial]) -> list[float]:
        """Return the seconds of each of these trials."""
        return [self.seconds(trial, trial.point.t2_train_size or 0) for trial in trials]

    def seconds(self, trial: PlannedTrial, patients: int) -> float:
        """Return the seconds of one trial that trains on `patients` T2 scans."""
        return self._between_trials + self._alone(trial.point, patients)

    def _learn(self, run: Run) -> None:
        params, seconds = run.data.params, run.data.metrics[TOTAL_SECONDS]
        for names, known in zip(LIKENESS, self._alike, strict=True):
            known[tuple(params.get(name) for name in names)].append(seconds)
        self._one_of.setdefault(tuple(params.get(name) for name in SAME_COST), _point(params))
        if run.info.end_time and run.info.start_time:
            lasted = (run.info.end_time - run.info.start_time) / 1000
            # Less where the trial went on from a checkpoint of an earlier run.
            self._between.append(max(0.0, lasted - seconds))

    def _alone(self, point: Point, patients: int) -> float:
        factors = {name: None if value is None else str(value) for name, value in asdict(point).items()}
        for names, known in zip(LIKENESS, self._alike, strict=True):
            if alike := known.get(tuple(factors[name] for name in names)):
                return median(alike)
        return self._scale * self._from_steps(point, patients)

    @cached_property
    def _between_trials(self) -> float:
        """Handing over, starting, recording: seconds that are in no trial's own time."""
        return median(self._between) if self._between else 0.0

    @cached_property
    def _scale(self) -> float:
        """How much longer recorded trials took than by their steps."""
        ratios = [
            median(self._alike[SAME_COST_AT][factors]) / steps
            for factors, point in self._one_of.items()
            if STRATEGIES[point.strategy].trains
            and (steps := self._from_steps(point, point.t2_train_size or 0)) > 0
        ]
        return median(ratios) if ratios else 1.0

    def _from_steps(self, point: Point, patients: int) -> float:
        arm = (point.strategy, point.tuned_layers, point.fusion)
        if arm not in self._measured:
            self._measured[arm] = self._measure(point)
        return self._total(point, patients, *self._measured[arm])

    def _total(self, point: Point, patients: int, label: float, train: float) -> float:
        """Return the seconds of a trial from those that a patch takes to be labelled and to be trained on."""
        training = STRATEGIES[point.strategy].training(point, self._settings)
        grid = self._settings.preparation.grid
        per_volume = len(patch_starts(grid, training.patch, training.stride))
        rounds = 3  # validation now and then, and the scores of two sets of weights
        scoring = rounds * SCORED_PATIENTS * per_volume * label
        steps_per_epoch = training.steps_per_epoch or -(-patients * per_volume // training.batch_size)
        steps = training.max_steps or steps_per_epoch * (training.max_epochs or 1)
        return steps * training.batch_size * train + scoring

    def _measure(self, point: Point) -> tuple[float, float]:
        """Measure the seconds that a patch takes to be labelled and to be trained on."""
        strategy, settings = STRATEGIES[point.strategy], self._settings.network
        training = strategy.training(point, self._settings)
        network = strategy.build(point, settings, pretrained=Segmenter(settings, seed=0).state_dict())
        torch.set_num_threads(1)  # as trials have on a CPU
        sides = [min(side, LARGEST_SIDE) for side in training.patch]
        scale = math.prod(training.patch) / math.prod(sides)
        # In float32 a single image that is trained on takes a slower way than a batch, or than one labelled.
        images = torch.zeros((training.batch_size, 1, *sides))
        with torch.no_grad(), Compute(precision=self._precision).autocast():
            if not strategy.trains:
                return scale * _fastest(lambda: network(images[:1])), 0.0
            features = network.run_frozen(images)  # once a patch for many trials
            one = features.first(1)
            label = _fastest(lambda: network.run_trained(one))

        def train() -> None:
            with Compute(precision=self._precision).autocast():
                logits = network.run_trained(features)
            logits.float().mean().backward()

        return scale * label, scale * _fastest(train) / training.batch_size


def _point(params: Mapping[str, str]) -> Point:
    """Return the factors of a recorded trial that its time depends on."""
    layers = params.get("tuned_layers")
    size = params.get("t2_train_size")
    return Point(
        strategy=cast(StrategyName, params["strategy"]),
        tuned_layers=cast(Any, layers if layers in (None, "fc") else int(layers)),
        fusion=cast(Any, params.get("fusion")),
        t2_train_size=None if size is None else int(size),
        learning_rate=None,
        fold=1,
        seed=None,
    )


def _cost_settings(params: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name.startswith(GROUPS)}


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(MEASURED + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times[1:])
