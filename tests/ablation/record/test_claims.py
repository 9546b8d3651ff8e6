"""Drivers that share a record: whatever each of them has seen of the other, one has the claim."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.entities import Run

from ablation.names import DRIVER, HEARTBEAT, TRIAL_KEY
from ablation.record import claims as claims_module
from ablation.record.claims import Claim, Claims, TrialClaims
from ablation.record.ledger import Ledger
from tests.conftest import Record

LEASE = 60.0
KEY = "a key"


@pytest.fixture
def record(tmp_path: Path, add_record: Callable[[Path], Record]) -> Record:
    return add_record(tmp_path)


class Driver:
    """Claims one thing, by runs that are its own."""

    def __init__(self, record: Record, name: str) -> None:
        self.ledger = Ledger(record.uri, record.artifacts, driver=name)
        self.claims = Claims(self.ledger, LEASE)

    def find(self) -> list[Run]:
        return list(self.ledger.search("attributes.status = 'RUNNING'"))

    def make(self) -> str:
        return self.ledger.start_run(self.ledger.experiment("claimed"), "a claim", {})


def test_what_another_driver_is_at_work_on_is_not_taken(record: Record) -> None:
    here, there = Driver(record, "here/1/1"), Driver(record, "there/1/1")
    theirs = there.claims.take(there.find, there.make)
    assert here.claims.take(here.find, here.make) is None
    assert [run.info.run_id for run in here.find()] == [theirs]


def test_a_driver_whose_clock_is_behind_by_leases_keeps_its_claim(record: Record) -> None:
    here, there = Driver(record, "here/1/1"), Driver(record, "there/1/1")
    theirs = there.make()
    there.ledger.tag(theirs, {HEARTBEAT: f"{time.time() - 2 * LEASE:.0f}"})
    assert here.claims.take(here.find, here.make) is None
    assert [run.info.run_id for run in here.find()] == [theirs]


def test_what_is_left_is_taken_over(record: Record) -> None:
    here, there = Driver(record, "here/1/1"), Driver(record, "there/1/1")
    theirs = there.make()
    there.ledger.tag(theirs, {HEARTBEAT: f"{time.time() - 20 * LEASE:.0f}"})
    ours = here.claims.take(here.find, here.make)
    assert [run.info.run_id for run in here.find()] == [ours]


@pytest.mark.parametrize("ours_is_lower", [True, False])
def test_of_two_claims_at_once_the_lower_run_stays(record: Record, ours_is_lower: bool) -> None:
    """Both find nobody at work; each then sees the other's run."""
    here, there = Driver(record, "here/1/1"), Driver(record, "there/1/1")
    claims: dict[str, str | None] = {}
    made = threading.Barrier(2)

    def make_here() -> str:
        ours = here.make()
        looks = [list[Run]()]

        def make_there() -> str:
            while ((theirs := there.make()) > ours) is not ours_is_lower:
                there.ledger.remove(theirs)
            made.wait()
            return theirs

        def find_after_a_first_look_before_ours_was_made() -> list[Run]:
            return looks.pop() if looks else there.find()

        def claim_there() -> None:
            claims["there"] = there.claims.take(find_after_a_first_look_before_ours_was_made, make_there)

        threads.append(threading.Thread(target=claim_there))
        threads[0].start()
        made.wait()
        return ours

    threads: list[threading.Thread] = []
    claims["here"] = here.claims.take(here.find, make_here)
    threads[0].join()
    winner, loser = ("here", "there") if ours_is_lower else ("there", "here")
    assert claims[loser] is None
    assert [run.info.run_id for run in here.find()] == [claims[winner]]


def test_whoever_was_alone_when_it_looked_keeps_its_claim(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another found nobody at work before, and made a run with a lower id after: it may not take it away."""
    monkeypatch.setattr(claims_module, "PAUSES", (0.0, 0.0))
    here, there = Driver(record, "here/1/1"), Driver(record, "there/1/1")
    theirs, looks = there.claims.take(there.find, there.make), [list[Run]()]
    assert theirs is not None

    def make_lower() -> str:
        while (ours := here.make()) > theirs:
            here.ledger.remove(ours)
        return ours

    assert here.claims.take(lambda: looks.pop() if looks else here.find(), make_lower) is None
    assert [run.info.run_id for run in here.find()] == [theirs]


class Turns:
    """Two drivers ask the record in an order that a test decides."""

    def __init__(self, order: list[str]) -> None:
        self._order, self._over = order, set[str]()
        self._changed = threading.Condition()

    def take(self, who: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._next() in (who, ""))
            del self._order[:1]
            self._changed.notify_all()

    def end(self, who: str) -> None:
        with self._changed:
            self._over.add(who)
            self._changed.notify_all()

    def _next(self) -> str:
        while self._order and self._order[0] in self._over:
            del self._order[0]
        return self._order[0] if self._order else ""


@dataclass
class Kept:
    """What is in a record that knows only what claims are about."""

    turns: Turns = field(default_factory=lambda: Turns([]))
    tags: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    made: int = 1000


class Memory:
    """Such a record as a driver sees it."""

    def __init__(self, kept: Kept, who: str) -> None:
        self._kept, self._who = kept, who
        self.driver = f"{who}/1/1"

    def __getattribute__(self, name: str) -> Any:
        """Each request takes its turn."""
        found = object.__getattribute__(self, name)
        if callable(found) and not name.startswith("_"):
            self._kept.turns.take(self._who)
        return found

    def experiment_tags(self) -> dict[str, dict[str, str]]:
        return {"1": dict(self._kept.tags)}

    def tag_experiment(self, _: str, name: str, value: str) -> None:
        self._kept.tags[name] = value

    def untag_experiment(self, _: str, name: str) -> None:
        del self._kept.tags[name]

    def clear_unfinished(self, *_: Any) -> None:
        pass

    def others_at_work(self, _: float) -> bool:
        return any(run.data.tags[DRIVER] != self.driver for run in self._kept.runs.values())

    def finished_runs(self, _: float) -> set[tuple[str, str]]:
        return set()

    def under_way(self) -> list[Any]:
        return list(self._kept.runs.values())

    def make(self) -> str:
        self._kept.made += 1
        run_id = f"{self._kept.made * 7919 % 10_007:05}"  # in no order
        tags = {DRIVER: self.driver, HEARTBEAT: f"{time.time():.3f}", TRIAL_KEY: KEY}
        info = SimpleNamespace(run_id=run_id, status="RUNNING")
        self._kept.runs[run_id] = SimpleNamespace(info=info, data=SimpleNamespace(tags=tags))
        return run_id

    def runs_of(self, _: str) -> list[Any]:
        return list(self._kept.runs.values())

    def remove(self, run_id: str) -> None:
        self._kept.runs.pop(run_id, None)


@pytest.mark.parametrize("asleep", [False, True], ids=["both new", "one back from a long sleep"])
def test_however_two_drivers_interleave_one_has_the_trial(
    asleep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims_module, "PAUSES", (0.0,) * 9)
    draw = random.Random(0)
    for _ in range(400):
        kept = Kept()
        views: dict[str, Any] = {name: Memory(kept, name) for name in "AB"}
        drivers = {name: TrialClaims(views[name], "1", [KEY], {}, LEASE) for name in "AB"}
        claims: dict[str, Claim] = {}
        if asleep:
            assert drivers["B"].claim("another key", lambda: "no run") is Claim.OURS
            kept.tags.update(dict.fromkeys(kept.tags, "B/1/1 0"))

        def work(name: str) -> None:
            claims[name] = drivers[name].claim(KEY, views[name].make)  # noqa: B023
            kept.turns.end(name)  # noqa: B023

        kept.turns = Turns([draw.choice("AB") for _ in range(30)])
        threads = [threading.Thread(target=work, args=(name,)) for name in "AB"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        owners = [name for name, claim in claims.items() if claim is Claim.OURS]
        if not owners:  # each has taken its own away, which another look mends
            assert drivers["A"].claim(KEY, views["A"].make) is Claim.OURS
            owners = ["A"]
        (run,) = kept.runs.values()
        (owner,) = owners
        assert run.data.tags[DRIVER][0] == owner
        assert drivers[owner].run_of(KEY) == run.info.run_id
