"""Optuna says which candidate comes next, from what is known of the others."""

import hashlib
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from ablation.search.candidates import Candidate, CandidateSpace
from ablation.space.objectives import goes_up
from ablation.space.points import Point
from ablation.space.search_settings import Search

ATTEMPTS = 10
"""Times that Optuna is asked for a candidate that was not tried yet."""
STARTUP = 5
"""Candidates that are spread over the space before TPE draws conclusions."""
DRAWN = 20
"""Candidates of which the one least like those tried is taken, while they are spread."""


@dataclass(frozen=True)
class Known:
    """A candidate that was sampled before.

    Args:
        values: of the objectives; None while it is under way, or where it failed.
        failed: Optuna is told nothing of it.
    """

    candidate: Candidate
    values: tuple[float, ...] | None
    failed: bool = False


class Sampler:
    """Sampler of candidates.

    Each is drawn from what is known when it is drawn and from a seed of its own: so what comes next depends
    on what was told, and not on whether the search was broken off in between.
    """

    def __init__(self, space: CandidateSpace, search: Search) -> None:
        self._space, self._search = space, search

    def sample(self, known: Sequence[Known], number: int) -> Candidate | None:
        """Return the candidate of this number, or None when all have been tried."""
        tried = {self._space.points(one.candidate) for one in known}
        everything = self._space.everything
        untried = None
        if everything is not None:
            untried = [one for one in everything if self._space.points(one) not in tried]
            if not untried:
                return None
        with _quiet():
            if self._search.sampler == "tpe" and sum(one.values is not None for one in known) < STARTUP:
                spread = self._far_from(tried, known, number)
                if spread is not None:
                    return spread
            for attempt in range(ATTEMPTS):
                drawn = self._draw(known, _seed(self._search.seed, number, attempt))
                if self._space.points(drawn) not in tried:
                    return drawn
        return drawn if untried is None else self._nearest(drawn, untried)

    def _draw(self, known: Sequence[Known], seed: int) -> Candidate:
        ways = (StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE)
        directions = [ways[goes_up(one)] for one in self._search.objective]
        study = optuna.create_study(directions=directions, sampler=self._optuna(seed))
        for one in known:
            if one.failed:
                continue
            params = self._space.params(one.candidate)
            study.add_trial(
                create_trial(
                    state=TrialState.RUNNING if one.values is None else TrialState.COMPLETE,
                    params={name: value for name, (value, _) in params.items()},
                    distributions={name: distribution for name, (_, distribution) in params.items()},
                    values=None if one.values is None else list(one.values),
                )
            )
        return self._space.suggest(partial(_ask, study.ask()))

    def _optuna(self, seed: int) -> BaseSampler:
        if self._search.sampler == "random":
            return RandomSampler(seed=seed)
        return TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=STARTUP
        )

    def _far_from(
        self, tried: Collection[tuple[Point, ...]], known: Sequence[Known], number: int
    ) -> Candidate | None:
        """Return, of some drawn at random, the one least like those tried: chance alone leaves gaps."""
        study = optuna.create_study(sampler=RandomSampler(seed=_seed(self._search.seed, number)))
        drawn = [self._space.suggest(partial(_ask, study.ask())) for _ in range(DRAWN)]
        new = [one for one in drawn if self._space.points(one) not in tried]
        return max(
            new,
            key=lambda one: min((self._distance(one, k.candidate) for k in known), default=0.0),
            default=None,
        )

    def _nearest(self, drawn: Candidate, untried: Collection[Candidate]) -> Candidate:
        """Return the candidate most like one that was tried already."""
        return min(untried, key=lambda other: self._distance(drawn, other))

    def _distance(self, one: Candidate, other: Candidate) -> float:
        """Return how unlike two candidates are: by arm first, then by each factor's place in its range."""
        a, b = self._space.params(one), self._space.params(other)
        return len(a) * (one.arm != other.arm) + sum(_distance(a[name], b[name]) for name in a if name in b)


def _ask(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(name, distribution.choices)


def _distance(one: tuple[Any, BaseDistribution], other: tuple[Any, BaseDistribution]) -> float:
    (a, distribution), (b, _) = one, other
    if isinstance(distribution, CategoricalDistribution):
        return float(a != b)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    scale = math.log if distribution.log else float
    return abs(scale(a) - scale(b)) / (scale(distribution.high) - scale(distribution.low))


def _seed(*numbers: int) -> int:
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:4], "big")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's notices; its level is put back."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
