"""How long trials will take."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import median
from typing import Any, cast

from mlflow.entities import Run

from ablation.names import HARDWARE, TOTAL_SECONDS
from ablation.plan.plan import PlannedTrial, Trial
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.resources import DeviceKind
from ablation.plan.study import Study
from ablation.record.settings import as_params
from ablation.space.points import Point
from t1t2core.preparation.patches import patch_starts
from t1t2core.settings import Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES, StrategyName
from t1t2core.strategies.step_time import PatchSeconds, time_patch

SCORED_PATIENTS = 6
"""Validation and test patients of the study's split; the estimate need not know better."""
SAME_COST = ("strategy", "tuned_layers", "fusion", "t2_train_size")
LIKENESS = ((*SAME_COST, "learning_rate"), SAME_COST, ("strategy", "tuned_layers", "t2_train_size"))
"""Factors in which a recorded trial must be the same to tell how long one takes, the closest first."""
SAME_COST_AT = LIKENESS.index(SAME_COST)
_Factors = tuple[str | None, ...]
GROUPS = ("preparation.", "network.", "training.", "evaluation.")


@dataclass
class _Recorded:
    """Recorded trials of the same settings.

    Args:
        alike: seconds by factors, for each of `LIKENESS`.
        one_of: a point for each of `SAME_COST`.
    """

    alike: list[dict[_Factors, list[float]]] = field(
        default_factory=lambda: [defaultdict(list) for _ in LIKENESS]
    )
    one_of: dict[_Factors, Point] = field(default_factory=dict)


class Estimator:
    """Seconds a trial: from recorded trials alike, of its settings and this machine, else measured.

    What is measured is a step; how much longer whole trials take than their steps is told by recorded trials
    of other arms, where there are any. To each comes what passes between one trial and the next.

    Args:
        study: of which the trials are.
        recorded: finished trials.
        machine: what a trial runs on; what was recorded elsewhere tells nothing.
        device: of this machine, on which steps are measured.
    """

    def __init__(
        self, study: Study, recorded: Sequence[Run], machine: str = "", device: DeviceKind = "cpu"
    ) -> None:
        self._study, self._device = study, device
        self._between: list[float] = []
        self._recorded: dict[str, _Recorded] = defaultdict(_Recorded)
        self._costs: dict[int, str] = {}
        self._scales: dict[str, float] = {}
        for run in recorded:
            if not machine or run.data.tags.get(HARDWARE, machine) == machine:
                self._learn(run)
        self._measured: dict[tuple[object, ...], PatchSeconds] = {}
        self._faster = PatchSeconds(1.0, 1.0)
        self._estimated: dict[tuple[object, ...], float] = {}

    def all_seconds(self, trials: Sequence[PlannedTrial]) -> list[float]:
        """Return the seconds of each of these trials."""
        return [self.seconds(trial, trial.point.t2_train_size or 0) for trial in trials]

    def seconds(self, trial: PlannedTrial, patients: int) -> float:
        """Return the seconds of one trial that trains on `patients` scans."""
        return self._between_trials + self._alone(trial.point, trial.settings, patients)

    def learn_speed(self, trial: PlannedTrial, there: PatchSeconds) -> None:
        """Go by what trials run on: the seconds of one trial's patch tell how much faster that is than here.

        The proportions between trials stay as they are here.
        """
        here = time_patch(trial.point, trial.settings, trial.precision)
        self._faster = PatchSeconds(here.label / there.label, here.train / there.train)
        self._estimated.clear()
        self._scales.clear()

    def networks_seconds(self, trials: Sequence[PlannedTrial]) -> list[float]:
        """Return the seconds of each pretrained network that these trials need and that is not there yet."""
        missing = dict.fromkeys(t.recipe for t in trials if t.recipe and not isinstance(t, Trial))
        return [self.network_seconds(recipe) for recipe in missing]

    def network_seconds(self, recipe: EncoderRecipe) -> float:
        """Return the seconds that training a pretrained network takes one worker, from a measured step."""
        own = self._study.settings
        settings = replace(
            own,
            preparation=recipe.preparation,
            network=recipe.network,
            pretraining=recipe.pretraining,
            # A budget that all arms have is none of pretraining's.
            training=replace(own.training, match="none"),
        )
        alike = next(name for name, one in STRATEGIES.items() if one.training_group == "pretraining")
        from_scratch = Point.canonical(strategy=alike, fold=1, t2_train_size=1, seed=0)
        return self._from_steps(from_scratch, settings, len(recipe.training))

    def _learn(self, run: Run) -> None:
        params, seconds = run.data.params, run.data.metrics[TOTAL_SECONDS]
        recorded = self._recorded[_cost_of({**_DEFAULTS, **params})]
        for names, known in zip(LIKENESS, recorded.alike, strict=True):
            known[tuple(params.get(name) for name in names)].append(seconds)
        recorded.one_of.setdefault(tuple(params.get(name) for name in SAME_COST), _point(params))
        if run.info.end_time and run.info.start_time:
            lasted = (run.info.end_time - run.info.start_time) / 1000
            # Less where the trial went on from a checkpoint of an earlier run.
            self._between.append(max(0.0, lasted - seconds))

    def _alone(self, point: Point, settings: Settings, patients: int) -> float:
        cost = self._cost(settings)
        if cost in self._recorded:
            factors = {name: None if value is None else str(value) for name, value in point.factors.items()}
            for names, known in zip(LIKENESS, self._recorded[cost].alike, strict=True):
                if alike := known.get(tuple(factors[name] for name in names)):
                    return median(alike)
        # Groups of settings are few and kept by the study, points many.
        groups = settings.preparation, settings.network, settings.training, settings.pretraining
        alike_here = point.strategy, point.tuned_layers, point.fusion, patients, *map(id, groups)
        if alike_here not in self._estimated:
            steps = self._from_steps(point, settings, patients)
            self._estimated[alike_here] = self._scale(cost, settings) * steps
        return self._estimated[alike_here]

    def _cost(self, settings: Settings) -> str:
        """Return what the settings are called among those of recorded trials."""
        if id(settings) not in self._costs:
            self._costs[id(settings)] = _cost_of(as_params(settings)) if self._recorded else ""
        return self._costs[id(settings)]

    @cached_property
    def _between_trials(self) -> float:
        """Handing over, starting, recording: seconds that are in no trial's own time."""
        return median(self._between) if self._between else 0.0

    def _scale(self, cost: str, settings: Settings) -> float:
        """Return how much longer recorded trials of these settings took than by their steps."""
        if cost not in self._recorded:
            return 1.0
        if cost not in self._scales:
            recorded = self._recorded[cost]
            ratios = [
                median(recorded.alike[SAME_COST_AT][factors]) / steps
                for factors, point in recorded.one_of.items()
                if STRATEGIES[point.strategy].trains
                and (steps := self._from_steps(point, settings, point.t2_train_size or 0)) > 0
            ]
            self._scales[cost] = median(ratios) if ratios else 1.0
        return self._scales[cost]

    def _from_steps(self, point: Point, settings: Settings, patients: int) -> float:
        training = STRATEGIES[point.strategy].training(point, settings)
        kind = (
            point.strategy,
            point.tuned_layers,
            point.fusion,
            settings.network,
            training.patch,
            training.batch_size,
            self._study.precision_of(settings),
        )
        if kind not in self._measured:
            precision = self._study.precision_of(settings)
            self._measured[kind] = time_patch(point, settings, precision, self._device)
        here, faster = self._measured[kind], self._faster
        there = PatchSeconds(here.label / faster.label, here.train / faster.train)
        return _total(training, settings.preparation.grid, patients, there)


def _total(
    training: TrainingSettings, grid: tuple[int, int, int], patients: int, patch: PatchSeconds
) -> float:
    """Return the seconds of a trial from those that a patch takes."""
    per_volume = len(patch_starts(grid, training.patch, training.stride))
    rounds = 3  # validation now and then, and the scores of two sets of weights
    scoring = rounds * SCORED_PATIENTS * per_volume * patch.label
    steps_per_epoch = training.steps_per_epoch or -(-patients * per_volume // training.batch_size)
    steps = training.max_steps or steps_per_epoch * (training.max_epochs or 1)
    return steps * training.batch_size * patch.train + scoring


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


def _cost_of(params: Mapping[str, str]) -> str:
    """Return the settings that trials of the same cost have in common."""
    return repr(sorted((name, value) for name, value in params.items() if name.startswith(GROUPS)))


_DEFAULTS = as_params(Settings())
"""Of settings that a trial was recorded without, since they are newer."""
