"""The search: which candidate is tried next, which of its trials run, and which arms are given up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Protocol

from ablation.plan.plan import Trial
from ablation.plan.trial_result import TrialResult, mean_over_patients
from ablation.search.budget import Spending
from ablation.search.candidates import Candidate, CandidateSpace
from ablation.search.sampler import Known, Sampler
from ablation.space.points import Point
from ablation.space.search_settings import FOLDS_BEFORE_PRUNING, Search, goes_up


@dataclass(frozen=True)
class GivenUp:
    """Why a candidate got no further, and the values of the objectives that it had."""

    reason: str
    values: tuple[float, ...]


@dataclass
class Tried:
    """A candidate that was sampled, and what is known of it.

    Args:
        number: from 1, in the order of sampling.
        begun: keys of trials that were handed out.
    """

    number: int
    candidate: Candidate
    trials: tuple[Trial, ...]
    begun: set[str] = field(default_factory=set)
    results: dict[str, TrialResult] = field(default_factory=dict)
    failed: bool = False
    given_up: GivenUp | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of its trials are finished."""
        return len(self.results) == len(self.trials)

    @property
    def is_open(self) -> bool:
        """Whether something of it is still to be run."""
        return not (self.is_whole or self.failed or self.given_up)

    def of_folds(self, folds: Sequence[int]) -> list[TrialResult]:
        """Return the results of these folds."""
        return [self.results[t.key] for t in self.trials if t.point.fold in folds and t.key in self.results]

    def means(self, objectives: Sequence[str]) -> tuple[float, ...]:
        """Return the means of the objectives over the finished folds and seeds."""
        return tuple(fmean(result.value(one) for result in self.results.values()) for one in objectives)


class Journal(Protocol):
    """Where a search keeps what it must know when it is given again."""

    def candidates(self) -> Mapping[int, Candidate]:
        """Return all candidates that were announced, by number."""

    def given_up(self) -> Mapping[int, GivenUp]:
        """Return why candidates were given up, by number."""

    def introduce(self, tried: Tried) -> None:
        """Note that a candidate's trials may be run from now on."""

    def announce(self, tried: Tried) -> None:
        """Note a candidate that was sampled, before any of its trials is started."""

    def give_up(self, tried: Tried) -> None:
        """Note that a candidate is given up."""


class OptunaSearch:
    """A search that hands out the trials of candidates, those of one that is begun first.

    Several drivers may work on one search: each takes over what the others have sampled.

    Args:
        plan: makes the trials of points.
        recall: what a trial of this key scored, if it is recorded anywhere.
        starts: candidates that come first.
        journal: has what an earlier command sampled.
    """

    learns = True

    def __init__(
        self,
        space: CandidateSpace,
        search: Search,
        *,
        plan: Callable[[Sequence[Point]], list[Trial]],
        recall: Callable[[str], TrialResult | None],
        spending: Spending,
        journal: Journal,
        starts: Sequence[Candidate] = (),
    ) -> None:
        self._space, self._search = space, search
        self._plan, self._recall = plan, recall
        self._spending, self._journal = spending, journal
        self._starts = list(starts)
        self._sampler = Sampler(space, search)
        self._exhausted = False
        self.tried: list[Tried] = []
        self._take_over()

    def next(self) -> Trial | None:
        """Return a trial to run now, or None while there is none."""
        while True:
            for tried in self.tried:
                if trial := self._due(tried):
                    tried.begun.add(trial.key)
                    return trial
            if not self._may_sample() or not self._begin():
                return None

    def ended(self, trial: Trial, result: TrialResult) -> None:
        """Note what a finished trial scored."""
        for tried in self._having(trial):
            tried.results[trial.key] = result

    def failed(self, trial: Trial) -> None:
        """Give up the candidate of a trial that failed for good."""
        for tried in self._having(trial):
            tried.failed = True

    def pruned(self, trial: Trial, score: float) -> None:
        """Give up the candidate of a trial that was stopped early with this score."""
        for tried in self._having(trial):
            values = [result.value(self._objective) for result in tried.results.values()]
            reason = f"fold {trial.point.fold} was stopped early"
            self._give_up(tried, GivenUp(reason, (fmean([*values, score]),)))

    def left(self) -> list[Trial]:
        """Return the trials of candidates that could still be run."""
        return [t for one in self.tried if not one.given_up for t in one.trials if t.key not in one.results]

    @property
    def trials(self) -> list[Trial]:
        """Trials of all candidates, each once, in the order of sampling."""
        return list({trial.key: trial for one in self.tried for trial in one.trials}.values())

    @property
    def finished(self) -> set[str]:
        """Keys of trials that are finished."""
        return {key for one in self.tried for key in one.results}

    @property
    def pruned_trials(self) -> list[Trial]:
        """Trials that never ran to an end because their candidate was given up."""
        return [t for one in self.tried if one.given_up for t in one.trials if t.key not in one.results]

    @property
    def untried(self) -> int | None:
        """Candidates of the space that were not sampled; None where there are endlessly many."""
        everything = self._space.everything
        if everything is None:
            return None
        tried = {self._space.points(one.candidate) for one in self.tried}
        return sum(self._space.points(candidate) not in tried for candidate in everything)

    @property
    def trials_left(self) -> int | None:
        """Most trials that would be run without a limit; None where there is no end."""
        untried = self.untried
        if untried is None:
            return None
        return len(self.left()) + untried * self._space.most_trials

    def with_more(self) -> str:
        """Return what a larger budget would be spent on."""
        open_ones = sum(one.is_open for one in self.tried)
        unfinished = f"{open_ones} candidates would be finished and " if open_ones else ""
        untried = self.untried
        if untried is None:
            return f"{unfinished}others sampled: the space has ranges, and so no end"
        return f"{unfinished}up to {untried} of its candidates tried that were not"

    @property
    def _objective(self) -> str:
        return self._search.objective[0]

    def _having(self, trial: Trial) -> list[Tried]:
        return [one for one in self.tried if trial.key in {t.key for t in one.trials}]

    def _take(self, number: int, candidate: Candidate, given_up: GivenUp | None = None) -> Tried:
        """Add a candidate, with what is recorded of it."""
        trials = tuple(self._plan(self._space.points(candidate)))
        tried = Tried(number, candidate, trials, given_up=given_up)
        found = {trial.key: self._recall(trial.key) for trial in tried.trials}
        tried.results = {key: result for key, result in found.items() if result is not None}
        self.tried.append(tried)
        if tried.is_open:
            self._journal.introduce(tried)
        return tried

    def _begin(self) -> bool:
        """Sample a candidate; False when all have been tried."""
        if self._take_over():
            return True
        number = max((one.number for one in self.tried), default=0) + 1
        candidate = self._starting() or self._sampler.sample([self._known(one) for one in self.tried], number)
        if candidate is None:
            self._exhausted = True
            return False
        self._journal.announce(self._take(number, candidate))
        return True

    def _take_over(self) -> bool:
        """Add candidates that others have announced; whether there were any."""
        there = {one.number for one in self.tried}
        new = {n: one for n, one in sorted(self._journal.candidates().items()) if n not in there}
        given_up = self._journal.given_up() if new else {}
        for number, candidate in new.items():
            self._take(number, candidate, given_up.get(number))
        return bool(new)

    def _starting(self) -> Candidate | None:
        tried = {self._space.points(one.candidate) for one in self.tried}
        while self._starts:
            candidate = self._starts.pop(0)
            if self._space.points(candidate) not in tried:
                return candidate
        return None

    def _known(self, tried: Tried) -> Known:
        if tried.given_up:
            return Known(tried.candidate, tried.given_up.values)
        values = tried.means(self._search.objective) if tried.is_whole else None
        return Known(tried.candidate, values, tried.failed)

    def _may_sample(self) -> bool:
        """Whether the budget has room for another candidate beside those that are begun."""
        if self._exhausted or self._spending.is_spent:
            return False
        left = self._spending.trials_left
        waiting = [t for one in self.tried if one.is_open for t in one.trials if not _is_known(one, t)]
        return left is None or left - len(waiting) >= self._space.most_trials

    def _due(self, tried: Tried) -> Trial | None:
        """Return the candidate's next trial, once it has earned it."""
        if not tried.is_open or self._spending.is_spent:
            return None
        waiting = [trial for trial in tried.trials if not _is_known(tried, trial)]
        if not waiting:
            return None
        folds = list(dict.fromkeys(trial.point.fold for trial in tried.trials))
        if folds.index(waiting[0].point.fold) < FOLDS_BEFORE_PRUNING or self._search.pruning.margin is None:
            return waiting[0]
        first = folds[:FOLDS_BEFORE_PRUNING]
        if any(t.point.fold in first and t.key not in tried.results for t in tried.trials):
            return None
        if why := self._too_bad(tried, first):
            self._give_up(tried, GivenUp(why, tried.means(self._search.objective)))
            return None
        return waiting[0]

    def _too_bad(self, tried: Tried, folds: Sequence[int]) -> str:
        """Return why a candidate is not worth further folds; '' if it is."""
        best = self._best_whole()
        margin = self._search.pruning.margin
        if best is None or margin is None or not (others := best.of_folds(folds)):
            return ""
        own, best_own = (mean_over_patients(rs, self._objective) for rs in (tried.of_folds(folds), others))
        if own >= best_own - margin:
            return ""
        return (
            f"mean over the patients of folds {', '.join(map(str, folds))}: {own:.3f}, against "
            f"{best_own:.3f} of candidate {best.number}, margin {margin:g}"
        )

    def _best_whole(self) -> Tried | None:
        whole = [one for one in self.tried if one.is_whole]
        sign = 1 if goes_up(self._objective) else -1
        return max(whole, key=lambda one: sign * one.means([self._objective])[0], default=None)

    def _give_up(self, tried: Tried, why: GivenUp) -> None:
        tried.given_up = why
        self._journal.give_up(tried)


def _is_known(tried: Tried, trial: Trial) -> bool:
    """Whether a trial was handed out or is finished."""
    return trial.key in tried.begun or trial.key in tried.results
