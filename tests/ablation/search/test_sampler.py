"""Optuna chooses the next candidate from what is known."""

import optuna
import pytest

from ablation.search.candidates import Candidate, CandidateSpace
from ablation.search.sampler import Known, Sampler
from ablation.space.search_settings import Search
from tests.builders.candidates import LISTS, RANGES

TPE, RANDOM = (Search(method="optuna", sampler=name) for name in ("tpe", "random"))


def score(candidate: Candidate) -> float:
    """Best: nine layers."""
    layers = {None: 21, "fc": 0}.get(candidate.tuned_layers, candidate.tuned_layers)
    return 1 - abs(layers - 9) / 21


def sampled(among: CandidateSpace, search: Search, number: int) -> list[Candidate]:
    known: list[Known] = []
    while len(known) < number and (candidate := Sampler(among, search).sample(known, len(known) + 1)):
        known.append(Known(candidate, (score(candidate),)))
    return [one.candidate for one in known]


@pytest.mark.parametrize("search", [TPE, RANDOM], ids=["tpe", "random"])
def test_of_lists_each_candidate_comes_once_and_then_none(search: Search) -> None:
    found = sampled(LISTS, search, 99)
    assert len(found) == 7
    assert set(found) == set(LISTS.everything or ())


def test_it_goes_where_the_scores_are_better_than_chance_would() -> None:
    def late_mean(search: Search) -> float:
        runs = [sampled(RANGES, search.model_copy(update={"seed": seed}), 24)[12:] for seed in range(4)]
        return sum(score(candidate) for run in runs for candidate in run) / sum(map(len, runs))

    assert late_mean(TPE) > late_mean(RANDOM)


def test_tpe_begins_spread_over_the_arms_and_their_factors() -> None:
    for seed in range(10):
        first = sampled(LISTS, TPE.model_copy(update={"seed": seed}), 5)
        assert {candidate.strategy for candidate in first} == {"no_fine_tuning", "conservative", "hybrid"}


def test_the_same_is_sampled_from_the_same_knowledge_whatever_was_sampled_before() -> None:
    whole = sampled(RANGES, TPE, 10)
    known = [Known(candidate, (score(candidate),)) for candidate in whole[:7]]
    assert Sampler(RANGES, TPE).sample(known, 8) == whole[7]


def test_what_is_under_way_and_what_failed_is_not_sampled_again() -> None:
    everything = LISTS.everything or ()
    known = [Known(everything[0], None), Known(everything[1], None, failed=True)]
    known += [Known(candidate, (0.5,)) for candidate in everything[2:-1]]
    assert Sampler(LISTS, TPE).sample(known, 7) == everything[-1]


def test_of_several_objectives_each_has_its_direction() -> None:
    both = Search(method="optuna", objective=("validation/bone/dsc", "time/total_seconds"))
    known: list[Known] = []
    for number in range(1, 15):
        candidate = Sampler(RANGES, both).sample(known, number)
        assert candidate is not None
        known.append(Known(candidate, (score(candidate), 10.0 * number)))
    assert len({one.candidate for one in known}) == 14


def test_optuna_is_left_as_it_was() -> None:
    before = optuna.logging.get_verbosity()
    sampled(LISTS, TPE, 3)
    assert optuna.logging.get_verbosity() == before
