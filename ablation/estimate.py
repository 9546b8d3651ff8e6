"""How long trials will take."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from statistics import median

import torch
from mlflow.entities import Run

from ablation.plan import Trial
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.patches import patch_starts
from t1t2core.settings import Precision, Settings
from t1t2core.training.compute import Compute
from t1t2core.transfer import TRAINS, build_network, training_of

MEASURED = 2
"""Steps of which the fastest counts, after one to warm up."""
LARGEST_SIDE = 32
"""Voxels of a patch's side that are measured; larger patches cost in proportion to their voxels."""
SCORED_PATIENTS = 6
"""Validation and test patients of the study's T2 split; the estimate need not know better."""
SAME_COST = ("strategy", "tuned_layers", "fusion", "t2_train_size")
GROUPS = ("preparation.", "network.", "training.", "evaluation.")


class Estimator:
    """Seconds a trial: from recorded trials of the same arm and settings, else from a measured step."""

    def __init__(self, settings: Settings, precision: Precision, recorded: Sequence[Run]) -> None:
        self._settings = settings
        self._precision = precision
        self._recorded: dict[tuple[str | None, ...], list[float]] = defaultdict(list)
        cost = _cost_settings(as_params(settings))
        for run in recorded:
            params = run.data.params
            if _cost_settings(params) == cost:
                arm = tuple(params.get(name) for name in SAME_COST)
                self._recorded[arm].append(run.data.metrics["time/total_seconds"])
        self._measured: dict[tuple[object, ...], tuple[float, float]] = {}

    def seconds(self, trial: Trial, patients: int) -> float:
        """Of one trial that trains on `patients` T2 scans."""
        factors = (trial.factors[name] for name in SAME_COST)
        alike = tuple(None if value is None else str(value) for value in factors)
        if alike in self._recorded:
            return median(self._recorded[alike])
        arm = (trial.point.strategy, trial.point.tuned_layers, trial.point.fusion)
        if arm not in self._measured:
            self._measured[arm] = self._measure(trial)
        return self._total(trial, patients, *self._measured[arm])

    def _total(self, trial: Trial, patients: int, label: float, train: float) -> float:
        """From the seconds that a patch takes to be labelled and to be trained on."""
        training = training_of(trial.point.strategy, trial.point.fusion, self._settings)
        grid = self._settings.preparation.grid
        per_volume = len(patch_starts(grid, training.patch, training.stride))
        rounds = 3  # validation now and then, and the scores of two sets of weights
        scoring = rounds * SCORED_PATIENTS * per_volume * label
        steps_per_epoch = training.steps_per_epoch or -(-patients * per_volume // training.batch_size)
        steps = training.max_steps or steps_per_epoch * (training.max_epochs or 1)
        return steps * training.batch_size * train + scoring

    def _measure(self, trial: Trial) -> tuple[float, float]:
        """Seconds that a patch takes to be labelled and to be trained on."""
        training = training_of(trial.point.strategy, trial.point.fusion, self._settings)
        network = build_network(
            trial.point.strategy,
            trial.point.tuned_layers,
            trial.point.fusion,
            self._settings.network,
            pretrained=Segmenter(self._settings.network, seed=0).state_dict(),
            seed=0,
        )
        torch.set_num_threads(1)  # as trials have on a CPU
        sides = [min(side, LARGEST_SIDE) for side in training.patch]
        scale = math.prod(training.patch) / math.prod(sides)
        image = torch.zeros((1, 1, *sides))

        def forward() -> torch.Tensor:
            with Compute(precision=self._precision).autocast():
                logits: torch.Tensor = network(image)
                return logits

        label = scale * _fastest(lambda: forward().detach())
        if trial.point.strategy not in TRAINS:
            return label, 0.0
        return label, scale * _fastest(lambda: forward().float().mean().backward())


def as_params(settings: Settings) -> dict[str, str]:
    """Settings as the record keeps them: dotted names and text."""
    return {f"{g}.{n}": str(v) for g, values in asdict(settings).items() for n, v in values.items()}


def _cost_settings(params: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name.startswith(GROUPS)}


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(MEASURED + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times[1:])
