"""A search hands out trials, learns from them, gives arms up, and goes on where it was broken off."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ablation.plan.plan import Network, PlannedTrial, Trial
from ablation.plan.trial_result import TrialResult
from ablation.search.budget import Spending
from ablation.search.candidates import Candidate, CandidateSpace
from ablation.search.search import GivenUp, OptunaSearch, Tried
from ablation.space.search_settings import Budget, Pruning, Search
from t1t2core.settings.classes import STUDY_CLASSES
from tests.builders.candidates import LISTS, RANGES
from tests.builders.trials import plan, plan_on_networks

SEARCH = Search(method="optuna")


class Notes:
    """A journal in memory; what is in it outlives a search."""

    def __init__(self) -> None:
        self.announced: dict[int, Candidate] = {}
        self.stopped: dict[int, GivenUp] = {}
        self.introduced: list[str] = []

    def candidates(self) -> Mapping[int, Candidate]:
        return dict(self.announced)

    def given_up(self) -> Mapping[int, GivenUp]:
        return dict(self.stopped)

    def introduce(self, tried: Tried) -> None:
        self.introduced += [trial.key for trial in tried.keyed]

    def changed(self) -> None:
        """Nothing is kept of it."""

    def announce(self, tried: Tried) -> None:
        self.announced[tried.number] = tried.candidate

    def give_up(self, tried: Tried) -> None:
        assert tried.given_up is not None
        self.stopped[tried.number] = tried.given_up


def scored(value: float) -> TrialResult:
    """Of a trial whose two validation patients score the same, in every class."""
    hits = round(1000 * value)
    counts = {name: {"tp": hits, "fp": 1000 - hits, "fn": 1000 - hits} for name in STUDY_CLASSES.order}
    common = {"split": "validation", "weights": "best", "sequence": "T2", "counts": counts}
    metrics = {f"best_validation/{name}/dsc": value for name in STUDY_CLASSES.order}
    return TrialResult(metrics, [{**common, "patient": name} for name in "ab"])


def worth(trial: Trial) -> TrialResult:
    """Deeper is better, and so is the third fold."""
    layers: Any = trial.point.tuned_layers
    depth = {None: 21, "fc": 0}.get(layers, layers)
    return scored(round(0.3 + depth / 100 + 0.01 * trial.point.fold, 3))


def searching(
    search: Search = SEARCH,
    *,
    among: CandidateSpace = LISTS,
    notes: Notes | None = None,
    recorded: Mapping[str, TrialResult] | None = None,
    spending: Spending | None = None,
    starts: Sequence[Candidate] = (),
    plan_of: Callable[..., Sequence[PlannedTrial]] = lambda points, _: plan(points),
) -> OptunaSearch:
    return OptunaSearch(
        among,
        search,
        plan=lambda points, encoders: list(plan_of(points, encoders)),
        encoders={},
        recall=(recorded or {}).get,
        spending=spending or Spending(Budget()),
        journal=notes or Notes(),
        starts=starts,
    )


def run(search: OptunaSearch, spending: Spending | None = None, most: int = 999) -> dict[str, TrialResult]:
    """Runs it, one trial after the other. Gives what was run."""
    results: dict[str, TrialResult] = {}
    while len(results) < most and (trial := search.next()):
        assert isinstance(trial, Trial)
        if spending:
            spending.begin(trial.key, 0)
        results[trial.key] = worth(trial)
        search.ended(trial, results[trial.key])
    return results


def test_of_lists_it_tries_every_candidate_and_ends() -> None:
    search = searching()
    assert len(run(search)) == 21
    assert [one.is_whole for one in search.tried] == [True] * 7
    assert (search.untried, search.left(), search.pruned_trials) == (0, [], [])
    assert search.next() is None


def test_it_begins_where_it_is_told_to() -> None:
    starts = [(LISTS.everything or ())[4], (LISTS.everything or ())[0]]
    search = searching(starts=starts)
    run(search, most=6)
    assert [one.candidate for one in search.tried] == starts


def test_a_candidate_is_written_down_before_any_of_its_trials_is_given() -> None:
    notes = Notes()
    trial = searching(notes=notes).next()
    assert trial is not None
    assert len(notes.announced) == 1
    assert trial.key in notes.introduced


def test_a_candidate_that_is_begun_is_finished_before_another_is() -> None:
    search = searching()
    given = [search.next() for _ in range(4)]
    arms = [
        (t.point.strategy, t.point.tuned_layers, t.point.fusion, t.point.learning_rate) for t in given if t
    ]
    assert arms[0] == arms[1] == arms[2] != arms[3]


def test_a_budget_is_not_begun_on_what_it_cannot_finish() -> None:
    spending = Spending(Budget(trials=8))
    search = searching(spending=spending)
    assert len(run(search, spending)) == 6
    assert all(one.is_whole for one in search.tried)
    assert search.untried == 5
    assert search.with_more() == "up to 5 of its candidates tried that were not"


def test_what_is_recorded_is_answered_from_there_and_costs_nothing() -> None:
    recorded = {t.key: worth(t) for c in LISTS.everything or () for t in plan(LISTS.points(c))}
    missing = next(key for key in recorded if "scratch" not in key and "fold=2" in key)
    del recorded[missing]
    spending = Spending(Budget(trials=4))
    search = searching(recorded=recorded, spending=spending)
    assert list(run(search, spending)) == [missing]
    assert len(search.tried) == 7


def test_broken_off_anywhere_it_goes_on_to_the_same_candidates() -> None:
    limit = 24
    whole = searching(among=RANGES, spending=(spending := Spending(Budget(trials=limit))))
    run(whole, spending)
    expected = [one.candidate for one in whole.tried]
    for stop in random.Random(0).sample(range(1, limit), 5):
        notes, spending = Notes(), Spending(Budget(trials=limit))
        recorded = run(searching(among=RANGES, notes=notes, spending=spending), spending, most=stop)
        again = searching(among=RANGES, notes=notes, recorded=recorded, spending=spending)
        more = run(again, spending)
        assert not recorded.keys() & more.keys(), "nothing is run twice"
        assert [one.candidate for one in again.tried] == expected


def test_two_drivers_share_one_search() -> None:
    notes = Notes()
    first, second = searching(notes=notes), searching(notes=notes)
    one, other = first.next(), second.next()
    assert len(notes.announced) == 1, "the second takes over what the first has sampled"
    assert one == other, "and whose trial it is, the record decides"


PRUNING = Search(method="optuna", pruning=Pruning(margin=0.02))
LAYERS = {
    one.tuned_layers: one for one in LISTS.everything or () if one.learning_rate == 1e-3 and one.tuned_layers
}


def test_an_arm_that_is_worse_after_two_folds_is_not_run_on_the_third() -> None:
    notes = Notes()
    search = searching(PRUNING, notes=notes, starts=[LAYERS[9], LAYERS["fc"]])
    ran = run(search, most=5)
    assert len(ran) == 5
    search.next()
    best, worse = search.tried[:2]
    assert best.is_whole
    assert worse.given_up == notes.stopped[2]
    assert worse.given_up.reason == (
        "mean over the patients of folds 1, 2: 0.315, against 0.405 of candidate 1, margin 0.02"
    )
    assert worse.given_up.values == (0.315,)
    assert [trial.point.fold for trial in search.pruned_trials] == [3]


def test_one_within_the_margin_is() -> None:
    search = searching(Search(method="optuna", pruning=Pruning(margin=0.2)), starts=[LAYERS[9], LAYERS["fc"]])
    run(search, most=6)
    assert [one.is_whole for one in search.tried] == [True, True]


def test_the_third_fold_waits_for_the_first_two() -> None:
    search = searching(PRUNING, starts=[LAYERS[9]])
    first, second, other = search.next(), search.next(), search.next()
    assert first
    assert second
    assert other
    assert (first.point.fold, second.point.fold) == (1, 2)
    assert other not in search.tried[0].trials
    for trial in (first, second):
        search.ended(trial, worth(trial))
    third = search.next()
    assert third is not None
    assert third.point.fold == 3
    assert third in search.tried[0].trials


def test_what_was_given_up_stays_so_when_it_is_given_again() -> None:
    notes = Notes()
    first = searching(PRUNING, notes=notes, starts=[LAYERS[9], LAYERS["fc"]])
    recorded = run(first, most=5)
    first.next()
    again = searching(PRUNING, notes=notes, recorded=recorded)
    assert again.tried[1].given_up == first.tried[1].given_up
    assert all(trial.key not in run(again) for trial in first.pruned_trials)


def test_a_trial_that_was_stopped_early_ends_its_candidate() -> None:
    search = searching(starts=[LAYERS[9]])
    first, second = search.next(), search.next()
    assert first
    assert second
    search.ended(first, scored(0.6))
    search.pruned(second, 0.2)
    assert search.tried[0].given_up == GivenUp("fold 2 was stopped early", (0.4,))
    assert [trial.point.fold for trial in search.pruned_trials] == [2, 3]


def test_a_failure_ends_its_candidate_and_nothing_else() -> None:
    search = searching(starts=[LAYERS[9]])
    failed = search.next()
    assert failed is not None
    search.failed(failed)
    run(search)
    assert [one.is_whole for one in search.tried] == [False] + [True] * 6


def test_a_trial_is_given_once_its_t1_network_is_there_and_others_are_trained_meanwhile() -> None:
    notes = Notes()
    search = searching(plan_of=plan_on_networks, notes=notes)
    first, second, third = (search.next() for _ in range(3))
    assert isinstance(first, Network)
    assert isinstance(second, Network)
    assert isinstance(third, Network)
    assert [one.recipe.seed for one in (first, second, third)] == [1, 2, 3], "a network a fold"
    assert notes.introduced == []
    search.trained(second, "digest")
    trial = search.next()
    assert isinstance(trial, Trial)
    assert (trial.point.fold, trial.encoder) == (2, "digest")
    assert trial.key in notes.introduced
    search.trained(first, "another")
    search.trained(third, "a third")
    assert len(run(search)) == 20, "all others, and no network twice"
    assert search.left() == [trial]


def test_without_its_t1_network_a_candidate_has_failed() -> None:
    search = searching(plan_of=plan_on_networks)
    network = search.next()
    assert isinstance(network, Network)
    lost = search.lost(network)
    assert [trial.point.fold for trial in lost] == [1]
    assert search.tried[0].failed
    assert search.next() is None, "all others need it too"
    assert [one.failed for one in search.tried] == [True] * 7
