"""Trials are handed out in their order, each once it is claimed."""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher

from ablation.names import GPUS
from ablation.plan.plan import Trial
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.resources import Room, TrialResources
from ablation.plan.trial_result import TrialResult
from ablation.record.claims import Claim
from ablation.record.recorder import UnansweredError
from ablation.search.budget import Spending
from ablation.search.source import Listed
from ablation.space.search_settings import Budget
from ablation.store.storage import Storage
from ablation.sweep.feed import Feed
from tests.builders.trials import TRIAL, plan_on_networks

POINT = json.dumps(asdict(TRIAL.point))
CONFIG = {"key": "a", "point": POINT, "network": False, "encoder": "", "cpu": 1.0, "gpu": 0.5}
A, B, C = (replace(TRIAL, key=key) for key in "abc")


class Claims:
    """Stands for the record: says whose a trial is, and notes what is delivered."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.of: dict[str, Claim] = {}
        self.held: set[str] = set()
        self.delivered: list[str] = []
        self.results: dict[str, TrialResult] = {}

    def claim(self, trial: Trial) -> Claim:
        return self.of.get(trial.key, Claim.OURS)

    def holds(self, key: str) -> bool:
        return key in self.held

    def tag(self, key: str, name: str, value: str) -> None:
        assert (name, value) == (GPUS, "0.5") or (name, value) == (GPUS, "1")

    def result_of(self, trial: Trial) -> TrialResult:
        if trial.key not in self.results:
            raise UnansweredError
        return self.results[trial.key]

    def finish(self, trial: Trial) -> bool:
        self.delivered.append(trial.key)
        return True


class Trainings:
    """Stands for storage and the record of pretrained networks: says whose a network is, and its digest."""

    def __init__(self) -> None:
        self.claimed = Claim.OURS
        self.held = False

    def holds(self, recipe: EncoderRecipe) -> bool:
        return self.held

    def claim(self, recipe: EncoderRecipe) -> Claim:
        return self.claimed

    def published(self, recipe: EncoderRecipe) -> str:
        return "digest"


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(Storage(str(tmp_path)))


@pytest.fixture
def recorded() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def feed(claims: Any, recorded: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr("ablation.sweep.feed.POLL_SECONDS", 0.0)
    return make_feed(claims, recorded)


class Learning(Listed):
    """Notes what it is told, as a search does."""

    learns = True

    def __init__(self, trials: Iterable[Trial]) -> None:
        super().__init__(trials)
        self.told: dict[str, TrialResult] = {}

    def ended(self, trial: Trial, result: TrialResult) -> None:
        self.told[trial.key] = result


def make_feed(
    claims: Any,
    recorded: list[tuple[str, bool]],
    budget: Budget | None = None,
    source: Listed | None = None,
    trainings: Any = None,
) -> Feed:
    return Feed(
        source or Listed([A, B, C]),
        Spending(budget or Budget()),
        claims,
        trainings or Trainings(),
        Room(TrialResources(cpus=1.0, gpus=0.5), TrialResources(cpus=1.0, gpus=1.0), slots=2),
        lambda t, here: recorded.append((t.key, here)),
    )


def asked(feed: Feed, times: int = 1) -> list[Any]:
    given = [feed.suggest("any") for _ in range(times)]
    return [one["key"] if isinstance(one, dict) else one for one in given]


def test_all_are_handed_out_once_in_order_with_what_they_ask_for(feed: Feed) -> None:
    assert feed.suggest("any") == CONFIG
    assert feed.item("a") == A
    assert asked(feed, 3) == ["b", "c", None]
    for key in "abc":
        feed.ended(key)
    assert asked(feed) == [Searcher.FINISHED]
    assert feed.left() == []


def test_one_is_tried_again_after_the_others_with_more_of_a_gpu(feed: Feed, claims: Claims) -> None:
    assert asked(feed) == ["a"]
    claims.held.add("a")
    claims.of["a"] = Claim.THEIRS  # it is held: nobody is asked
    feed.again(A, 1.0)
    assert asked(feed, 2) == ["b", "c"]
    assert feed.suggest("any") == {**CONFIG, "gpu": 1.0}


def test_what_another_driver_is_at_work_on_is_waited_for(
    feed: Feed, claims: Claims, recorded: list[tuple[str, bool]]
) -> None:
    claims.of["a"] = Claim.THEIRS
    assert sorted(asked(feed, 2)) == ["b", "c"]
    for key in "bc":
        feed.ended(key)
    assert asked(feed, 2) == [None, None]
    claims.of["a"] = Claim.RECORDED
    assert asked(feed) == [Searcher.FINISHED]
    assert recorded == [("a", False)]


def test_a_search_is_told_what_a_recorded_trial_scored_once_the_record_answers(
    claims: Claims, recorded: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it does not answer just now is no failure of the trial."""
    monkeypatch.setattr("ablation.sweep.feed.POLL_SECONDS", 0.0)
    source = Learning([A])
    feed = make_feed(claims, recorded, source=source)
    claims.of["a"] = Claim.RECORDED
    assert asked(feed, 2) == [None, None]
    assert (source.told, recorded) == ({}, [])
    claims.results["a"] = TrialResult({}, ())
    assert asked(feed) == [Searcher.FINISHED]
    assert (source.told, recorded) == (claims.results, [("a", False)])


def test_what_another_driver_has_left_is_taken_over(feed: Feed, claims: Claims) -> None:
    claims.of["a"] = Claim.THEIRS
    assert sorted(asked(feed, 2)) == ["b", "c"]
    claims.of["a"] = Claim.OURS
    assert asked(feed) == ["a"]


def test_what_a_worker_left_is_delivered_and_not_run(
    feed: Feed, claims: Claims, recorded: list[tuple[str, bool]]
) -> None:
    claims.storage.write("outcomes/a/scores.json", b"[]")
    assert asked(feed) == ["b"]
    assert claims.delivered == ["a"]
    assert recorded == [("a", True)]


def test_nothing_is_started_once_it_is_stopped(feed: Feed, claims: Claims) -> None:
    assert asked(feed) == ["a"]
    claims.of["b"] = Claim.THEIRS
    feed.stop()
    assert asked(feed) == [None], "one is under way"
    feed.ended("a")
    assert asked(feed) == [Searcher.FINISHED]
    assert [trial.key for trial in feed.left()] == ["b", "c"]


def test_once_the_budget_is_spent_nothing_new_is_started_but_what_failed_is_tried_again(
    claims: Claims, recorded: list[tuple[str, bool]]
) -> None:
    feed = make_feed(claims, recorded, Budget(trials=1))
    assert asked(feed, 2) == ["a", None]
    feed.again(A)
    assert asked(feed) == ["a"]
    feed.ended("a")
    assert asked(feed) == [Searcher.FINISHED]
    assert [trial.key for trial in feed.left()] == ["b", "c"]


def test_what_is_recorded_costs_no_budget(claims: Claims, recorded: list[tuple[str, bool]]) -> None:
    claims.of["a"] = Claim.RECORDED
    assert asked(make_feed(claims, recorded, Budget(trials=1)), 2) == ["b", None]


def on_a_network() -> Listed:
    """A trial whose pretrained network is not there yet."""
    return Listed(plan_on_networks([TRIAL.point], {}), lambda trials, e: [t.keyed(e, "a") for t in trials])


def test_a_t1_network_is_trained_on_a_whole_gpu_then_its_trial_is_handed_out(claims: Claims) -> None:
    recorded: list[tuple[str, bool]] = []
    feed = make_feed(claims, recorded, Budget(trials=1), source=on_a_network())
    given = feed.suggest("any")
    assert isinstance(given, dict)
    assert {**given, "key": ""} == {**CONFIG, "key": "", "network": True, "gpu": 1.0}
    assert given["key"].startswith("pretraining/")
    assert asked(feed) == [None], "it is under way"
    network = feed.item(given["key"])
    feed.deliver_network(network)  # type: ignore[arg-type]
    feed.ended(given["key"])
    assert feed.suggest("any") == {**CONFIG, "encoder": "digest"}, "a network is no trial of the budget"
    feed.ended("a")
    assert (asked(feed), recorded) == ([Searcher.FINISHED], [])


def test_a_t1_network_that_another_driver_trains_is_waited_for(
    claims: Claims, recorded: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation.sweep.feed.POLL_SECONDS", 0.0)
    trainings = Trainings()
    trainings.claimed = Claim.THEIRS
    feed = make_feed(claims, recorded, source=on_a_network(), trainings=trainings)
    assert asked(feed, 2) == [None, None]
    trainings.claimed = Claim.RECORDED
    assert asked(feed) == ["a"]
    assert [here for _, here in recorded] == [False]


def test_a_training_that_is_tried_again_is_not_claimed_anew(claims: Claims) -> None:
    trainings = Trainings()
    feed = make_feed(claims, [], source=on_a_network(), trainings=trainings)
    (key,) = asked(feed)
    trainings.held, trainings.claimed = True, Claim.THEIRS
    feed.again(feed.item(key))
    assert asked(feed) == [key]
