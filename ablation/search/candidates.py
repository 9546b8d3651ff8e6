"""The candidates of a search: an arm with a value for each of its factors. Folds and seeds are its trials."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ablation.space.arm import Arm
from ablation.space.factors import SAMPLED, UNORDERED
from ablation.space.points import ARCHITECTURE, Point, pretraining_seed, setting_values
from ablation.space.ranges import Range
from ablation.space.search_settings import FOLDS_BEFORE_PRUNING, Search, Start
from ablation.space.space import Space
from ablation.space.variation import read_value
from t1t2core.errors import InputError
from t1t2core.network.architectures import STUDY
from t1t2core.settings import Settings
from t1t2core.strategies import STRATEGIES, StrategyName

ARM = "arm"
"""Parameter that chooses the arm; those of an arm's factors begin with its number."""
MOST_LISTED = 5000
"""Candidates of a space that are listed; of more it counts as endless, and listing them would take long."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A choice of arm, by its place in the space, and of its factors; None for those that it has not."""

    arm: int
    strategy: StrategyName
    tuned_layers: Any = None
    fusion: Any = None
    t2_train_size: int | None = None
    learning_rate: float | None = None
    settings: tuple[tuple[str, Any], ...] = ()

    def value(self, name: str) -> Any:
        """Return the value of a factor, or of a varied setting by its dotted name."""
        return dict(self.settings)[name] if "." in name else getattr(self, name)

    def to_json(self) -> str:
        """Return it as the record keeps it."""
        chosen = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        return json.dumps(chosen)

    @classmethod
    def from_json(cls, text: str) -> "Candidate":
        """Return the candidate that `to_json` wrote."""
        found = json.loads(text)
        settings = tuple((name, read_value(name, value)) for name, value in found.pop("settings", ()))
        return cls(**found, settings=settings)


class CandidateSpace:
    """All candidates of these arms.

    Lists of values that have an order are sampled by their rank, so that what is near a good value is
    thought good as well; a depth of `fc` comes before 3.

    Args:
        varied: dotted names of the settings that the space varies.
        settings: those of the run, for what arms do not name.
    """

    def __init__(self, arms: Sequence[Arm], varied: Sequence[str], settings: Settings) -> None:
        self.arms = tuple(arms)
        self._values = [_values(arm, varied, settings) for arm in self.arms]
        self._architecture = settings.network.architecture

    def points(self, candidate: Candidate) -> tuple[Point, ...]:
        """Return its points, fold by fold with all seeds. Candidates that compute the same have the same."""
        arm = self.arms[candidate.arm]
        factors = {name: getattr(candidate, name) for name in ("strategy", *SAMPLED)}
        points = (
            Point.canonical(
                **factors,
                settings=dict(candidate.settings),
                fold=fold,
                seed=seed,
                pretraining_seed=pretraining_seed(start, fold),
                architecture=self._architecture,
            )
            for fold, seed, start in product(arm.folds, arm.seeds, arm.pretraining_seeds)
        )
        return tuple(dict.fromkeys(points))

    @cached_property
    def everything(self) -> tuple[Candidate, ...] | None:
        """Every candidate once, or None where there are endlessly many."""
        sizes = [math.prod(map(_size, values.values())) for values in self._values]
        if sum(sizes) > MOST_LISTED:
            return None
        found: dict[tuple[Point, ...], Candidate] = {}
        for candidate in self._all():
            found.setdefault(self.points(candidate), candidate)
        return tuple(found.values())

    @property
    def most_trials(self) -> int:
        """Largest number of trials of a candidate."""
        return max(len(arm.folds) * len(arm.seeds) * len(arm.pretraining_seeds) for arm in self.arms)

    def suggest(self, ask: Callable[[str, BaseDistribution], Any]) -> Candidate:
        """Return the candidate whose parameters `ask` gives, as they are needed."""
        index = ask(ARM, _arm_distribution(self.arms)) if len(self.arms) > 1 else 0
        chosen = {}
        for name, values in self._values[index].items():
            distribution = _distribution(name, values)
            drawn = None if distribution is None else ask(f"{index}.{name}", distribution)
            chosen[name] = _value(name, values, drawn)
        return self._candidate(index, chosen)

    def params(self, candidate: Candidate) -> dict[str, tuple[Any, BaseDistribution]]:
        """Return the parameters that `suggest` would have asked for to give this candidate."""
        found: dict[str, tuple[Any, BaseDistribution]] = {}
        if len(self.arms) > 1:
            found[ARM] = candidate.arm, _arm_distribution(self.arms)
        for name, values in self._values[candidate.arm].items():
            if distribution := _distribution(name, values):
                value = candidate.value(name)
                parameter = value if isinstance(values, Range) or name in UNORDERED else values.index(value)
                found[f"{candidate.arm}.{name}"] = parameter, distribution
        return found

    def start(self, given: Start) -> Candidate:
        """Return the candidate that a starting point names: of the first arm that has it.

        Raises:
            InputError: no arm has it, or it leaves open what has several values.
        """
        named = {name: value for name in SAMPLED if (value := getattr(given, name)) is not None}
        named |= given.settings
        why = f"no arm of strategy {given.strategy}"
        for index, (arm, values) in enumerate(zip(self.arms, self._values, strict=True)):
            if arm.strategy != given.strategy:
                continue
            why = _why_not(named, values)
            if not why:
                chosen = {name: named[name] if name in named else values[name][0] for name in values}
                return self._candidate(index, chosen)
        raise InputError(why)

    def _all(self) -> Iterator[Candidate]:
        for index, values in enumerate(self._values):
            for combination in product(*map(_listed, values.values())):
                yield self._candidate(index, dict(zip(values, combination, strict=True)))

    def _candidate(self, index: int, chosen: Mapping[str, Any]) -> Candidate:
        factors = {name: value for name, value in chosen.items() if "." not in name}
        settings = tuple((name, value) for name, value in chosen.items() if "." in name)
        return Candidate(arm=index, strategy=self.arms[index].strategy, settings=settings, **factors)


def candidates_of(space: Space, settings: Settings) -> CandidateSpace:
    """Return all candidates of a space, at the settings of the run where an arm names none."""
    return CandidateSpace(space.arms, space.design.settings, settings)


def check_candidates(space: CandidateSpace, search: Search, most_trials: int | None) -> list[Candidate]:
    """Return the candidates to start from.

    Args:
        most_trials: of the search, if it is limited.

    Raises:
        InputError: the search settings do not fit the space; all findings are in one message.
    """
    findings, starts = [], []
    for number, given in enumerate(search.start):
        try:
            starts.append(space.start(given))
        except InputError as error:
            findings.append(f"search.start[{number}]: {error}")
    if most_trials is not None and most_trials < space.most_trials:
        findings.append(
            f"trials: found {most_trials}; a candidate takes up to {space.most_trials}, its folds times its "
            "seeds, so none could be finished"
        )
    folds = max(len(arm.folds) for arm in space.arms)
    if search.pruning.margin is not None and folds <= FOLDS_BEFORE_PRUNING:
        findings.append(
            f"search.pruning.margin: gives arms up after {FOLDS_BEFORE_PRUNING} folds, and no arm has more"
        )
    if findings:
        raise InputError.collect("invalid search settings:", findings)
    return starts


def _values(arm: Arm, varied: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Return a range, or the values in their order, of each factor and varied setting that the arm has."""
    strategy = STRATEGIES[arm.strategy]
    given: dict[str, Any] = {name: getattr(arm, name) for name in SAMPLED if strategy.counts(name)}
    if strategy.counts("learning_rate"):
        given["learning_rate"] = arm.learning_rate or (strategy.learning_rate(settings),)
    # Where the architecture varies, a candidate may have any of its settings.
    architecture = STUDY if ARCHITECTURE in varied else settings.network.architecture
    given |= {
        name: setting_values(arm, name, settings) for name in varied if strategy.counts(name, architecture)
    }
    return {
        name: values if isinstance(values, Range) else _ordered(name, values)
        for name, values in given.items()
        if values
    }


def _ordered(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    different = dict.fromkeys(values)
    if _is_unordered(name, values):
        return tuple(different)
    return tuple(sorted(different, key=lambda value: 0 if value == "fc" else value))


def _is_unordered(name: str, values: tuple[Any, ...]) -> bool:
    """Whether values that lie close together need not do alike."""
    if "." not in name:
        return name in UNORDERED
    return not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _size(values: Any) -> float:
    if not isinstance(values, Range):
        return len(values)
    return values.high - values.low + 1 if values.scale == "int_uniform" else math.inf


def _listed(values: Any) -> Sequence[Any]:
    return range(int(values.low), int(values.high) + 1) if isinstance(values, Range) else values


def _arm_distribution(arms: Sequence[Arm]) -> BaseDistribution:
    return CategoricalDistribution(range(len(arms)))


def _distribution(name: str, values: Any) -> BaseDistribution | None:
    """Return what a factor is sampled from; None where it has one value."""
    if isinstance(values, Range):
        if values.scale == "int_uniform":
            return IntDistribution(int(values.low), int(values.high))
        return FloatDistribution(values.low, values.high, log=values.scale == "log_uniform")
    if len(values) == 1:
        return None
    if name in UNORDERED:
        return CategoricalDistribution(values)
    numbers = range(len(values))
    return (
        CategoricalDistribution(numbers) if _is_unordered(name, values) else IntDistribution(0, numbers[-1])
    )


def _value(name: str, values: Any, drawn: Any) -> Any:
    """Return the factor's value for what was drawn from its distribution."""
    if isinstance(values, Range):
        return values.rounded(drawn)
    if len(values) == 1:
        return values[0]
    return drawn if name in UNORDERED else values[drawn]


def _why_not(named: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Return why these values are no candidate of an arm; '' if they are."""
    for name, value in named.items():
        if name not in values:
            return f"{name}: its strategy has no use for it"
        if not (values[name].holds(value) if isinstance(values[name], Range) else value in values[name]):
            return f"{name}: found {value!r}, which the arm does not have"
    open_ones = [name for name in values if name not in named and _size(values[name]) > 1]
    return f"{open_ones[0]}: missing, the arm has several values of it" if open_ones else ""
