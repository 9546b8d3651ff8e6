"""The search: which candidate is tried next, which of its trials run, and which arms are given up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Protocol

from ablation.plan.plan import Network, PlannedTrial, Trial
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.trial_result import TrialResult, mean_over_patients
from ablation.search.budget import Spending
from ablation.search.candidates import Candidate, CandidateSpace
from ablation.search.sampler import Known, Sampler
from ablation.space.objectives import goes_up
from ablation.space.points import Point
from ablation.space.search_settings import FOLDS_BEFORE_PRUNING, Search


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
        trials: those whose pretrained network is not there yet have no key.
        begun: keys of trials that were handed out.
    """

    number: int
    candidate: Candidate
    trials: tuple[PlannedTrial, ...]
    begun: set[str] = field(default_factory=set)
    results: dict[str, TrialResult] = field(default_factory=dict)
    failed: bool = False
    given_up: GivenUp | None = None

    @property
    def keyed(self) -> list[Trial]:
        """Its trials whose pretrained network is there."""
        return [trial for trial in self.trials if isinstance(trial, Trial)]

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
        return [self.results[t.key] for t in self.keyed if t.point.fold in folds and t.key in self.results]

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
        """Note that a candidate's trials may be run from now on, those that have keys."""

    def changed(self) -> None:
        """Note that trials have keys now that had none."""

    def announce(self, tried: Tried) -> None:
        """Note a candidate that was sampled, before any of its trials is started."""

    def give_up(self, tried: Tried) -> None:
        """Note that a candidate is given up."""


class OptunaSearch:
    """A search that hands out the trials of candidates, those of one that is begun first.

    Several drivers may work on one search: each takes over what the others have sampled.

    Args:
        plan: makes the trials of points; adds to the pretrained networks that are known those that are there.
        encoders: digests of the pretrained networks that are there at the start.
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
        plan: Callable[[Sequence[Point], dict[EncoderRecipe, str]], list[PlannedTrial]],
        encoders: Mapping[EncoderRecipe, str],
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
        self._encoders = dict(encoders)
        self._begun_networks: set[EncoderRecipe] = set()
        self._lost_networks: set[EncoderRecipe] = set()
        self.tried: list[Tried] = []
        self._take_over()

    def next(self) -> Trial | Network | None:
        """Return a trial to run now or a network to pretrain for one, or None while there is nothing."""
        while True:
            due = [(tried, trial) for tried in self.tried for trial in self._due(tried)]
            for tried, trial in due:
                if isinstance(trial, Trial):
                    tried.begun.add(trial.key)
                    return trial
            for _, trial in due:
                if trial.recipe is not None and trial.recipe not in self._begun_networks:
                    self._begun_networks.add(trial.recipe)
                    return Network(trial.recipe, trial.point)
            if not self._may_sample() or not self._begin():
                return None

    def trained(self, network: Network, digest: str) -> None:
        """Give keys to the trials that start from a network, now that it is there."""
        self._encoders[network.recipe] = digest
        for tried in self._waiting_for(network):
            tried.trials = self._plan_trials(tried.candidate)
            self._take_results(tried)
            if tried.is_open:
                self._journal.introduce(tried)
        self._journal.changed()

    def lost(self, network: Network) -> list[PlannedTrial]:
        """Give up the candidates that need a network which cannot be trained; return their trials on it."""
        self._lost_networks.add(network.recipe)
        given_up = self._waiting_for(network)
        for tried in given_up:
            tried.failed = True
        trials = [trial for tried in given_up for trial in tried.trials if trial.recipe == network.recipe]
        return list({trial.point: trial for trial in trials}.values())

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

    def taken(self) -> None:
        """Do nothing: candidates that others are at work on are known from the record."""

    def left(self) -> list[PlannedTrial]:
        """Return the trials of candidates that could still be run."""
        return [t for one in self.tried if not one.given_up for t in one.trials if not _is_finished(one, t)]

    @property
    def trials(self) -> list[PlannedTrial]:
        """Trials of all candidates, each once, in the order of sampling."""
        return list({trial.point: trial for one in self.tried for trial in one.trials}.values())

    @property
    def finished(self) -> set[str]:
        """Keys of trials that are finished."""
        return {key for one in self.tried for key in one.results}

    @property
    def pruned_trials(self) -> list[PlannedTrial]:
        """Trials that never ran to an end because their candidate was given up."""
        return [t for one in self.tried if one.given_up for t in one.trials if not _is_finished(one, t)]

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
        return [one for one in self.tried if trial.key in {t.key for t in one.keyed}]

    def _waiting_for(self, network: Network) -> list[Tried]:
        """Return the candidates of which trials wait for a pretrained network."""

        def waits(trial: PlannedTrial) -> bool:
            return not isinstance(trial, Trial) and trial.recipe == network.recipe

        return [one for one in self.tried if any(map(waits, one.trials))]

    def _plan_trials(self, candidate: Candidate) -> tuple[PlannedTrial, ...]:
        return tuple(self._plan(self._space.points(candidate), self._encoders))

    def _take_results(self, tried: Tried) -> None:
        """Add what is recorded of a candidate's trials."""
        found = {t.key: self._recall(t.key) for t in tried.keyed if t.key not in tried.results}
        tried.results |= {key: result for key, result in found.items() if result is not None}

    def _take(self, number: int, candidate: Candidate, given_up: GivenUp | None = None) -> Tried:
        """Add a candidate, with what is recorded of it."""
        trials = self._plan_trials(candidate)
        tried = Tried(number, candidate, trials, given_up=given_up)
        tried.failed = any(trial.recipe in self._lost_networks for trial in trials)
        self._take_results(tried)
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

    def _due(self, tried: Tried) -> list[PlannedTrial]:
        """Return the candidate's trials that it has earned and that are not begun."""
        if not tried.is_open or self._spending.is_spent:
            return []
        waiting = [trial for trial in tried.trials if not _is_known(tried, trial)]
        if not waiting or self._search.pruning.margin is None:
            return waiting
        folds = list(dict.fromkeys(trial.point.fold for trial in tried.trials))
        first = folds[:FOLDS_BEFORE_PRUNING]
        if early := [trial for trial in waiting if trial.point.fold in first]:
            return early
        if any(t.point.fold in first and not _is_finished(tried, t) for t in tried.trials):
            return []
        if why := self._too_bad(tried, first):
            self._give_up(tried, GivenUp(why, tried.means(self._search.objective)))
            return []
        return waiting

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


def _is_finished(tried: Tried, trial: PlannedTrial) -> bool:
    return isinstance(trial, Trial) and trial.key in tried.results


def _is_known(tried: Tried, trial: PlannedTrial) -> bool:
    """Whether a trial was handed out or is finished."""
    return isinstance(trial, Trial) and (trial.key in tried.begun or trial.key in tried.results)
