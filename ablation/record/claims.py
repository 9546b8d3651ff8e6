"""Who may work on what: drivers of one record claim plans, trials and pretrained networks by their runs.

A claim is a run under way with its driver's name and heartbeat. It holds for a lease after each beat; what a
driver left that is gone is taken over.
"""

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum, auto

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.names import DRIVER, TRIAL_KEY
from ablation.record.driver import is_live
from ablation.record.other_drivers import OtherDrivers
from ablation.record.runs import Runs
from ablation.record.trials import TrialRuns

BEATS_A_LEASE = 4
"""Heartbeats within a lease: some may be late."""
PAUSES = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds before each look at a claim that another driver has made at the same time: it may be taken away."""
NEWS_SECONDS = 1.0
"""For so long a driver goes by what it has read of all trials of others."""
LATE_SECONDS = 2.0
"""That a trial may be recorded after the time of its end, where clocks agree."""


class Claim(Enum):
    """Whose trial it is."""

    OURS = auto()
    THEIRS = auto()
    RECORDED = auto()


class Claims:
    """Claims to anything that is worked on by one driver at a time.

    A driver looks for runs of others, makes its own, and looks again: it has the claim if no other is there.
    Of two that were made at once the later one is seen by its driver, so that both never have it. Where each
    has seen the other's, the one with the lower id waits until the other is taken away. The run of a driver
    at work is removed by nobody else: it may have been alone when its driver looked.

    Args:
        lease_seconds: see `ablation.record.driver.is_live`.
    """

    def __init__(self, runs: Runs, lease_seconds: float) -> None:
        self._runs, self.lease_seconds = runs, lease_seconds

    def take(self, find: Callable[[], Iterable[Run]], make: Callable[[], str]) -> str | None:
        """The run that claims something for this driver; None if it is another's.

        Args:
            find: runs that may be claims to the same.
            make: makes ours.
        """
        if self.is_contested(find()):
            return None
        ours = make()
        if self.stays(ours, find):
            return ours
        self._runs.remove(ours)
        return None

    def is_contested(self, runs: Iterable[Run]) -> bool:
        """Whether another driver is at work on one of these unfinished runs; those left are removed."""
        return bool(self._held_elsewhere(runs))

    def stays(self, ours: str, find: Callable[[], Iterable[Run]]) -> bool:
        """Whether our run, which has been made, is the only claim; else it is to be removed."""
        for pause in PAUSES:
            time.sleep(pause)
            others = self._held_elsewhere(run for run in find() if run.info.run_id != ours)
            if not others:
                return True
            if min(others) < ours:
                return False
        return False

    def beat(self, run_ids: Iterable[str]) -> None:
        """Keep claims alive for another lease."""
        for run_id in list(run_ids):
            # The next beat may get through; a run that was taken away is met at its end.
            with suppress(MlflowException, OSError):
                self._runs.beat(run_id)

    def _held_elsewhere(self, runs: Iterable[Run]) -> list[str]:
        """Ids of those that other drivers are at work on; the others are removed."""
        held = []
        for run in runs:
            if self._is_held_elsewhere(run):
                held.append(str(run.info.run_id))
            else:
                self._runs.remove(str(run.info.run_id))
        return held

    def _is_held_elsewhere(self, run: Run) -> bool:
        """Whether another driver is at work on it."""
        others = run.info.status == "RUNNING" and run.data.tags.get(DRIVER) != self._runs.driver
        return others and is_live(run.data.tags, self.lease_seconds)


class TrialClaims(Claims):
    """Claims to the trials of a sweep, which cost no look at the record while this driver is alone.

    Args:
        keys: of the trials; may grow.
        replaced: ids of the runs that recorded the same keys before, where they are run again.
    """

    def __init__(
        self,
        ledger: TrialRuns,
        experiment_id: str,
        keys: Collection[str],
        replaced: Mapping[str, str],
        lease_seconds: float,
    ) -> None:
        super().__init__(ledger, lease_seconds)
        self._ledger, self._experiment, self._keys = ledger, experiment_id, keys
        self._replaced = replaced
        self._others: OtherDrivers | None = None
        self._recorded: set[str] = set()
        self._finished: set[tuple[str, str]] = set()
        self._open: dict[str, str] = {}
        self._unsettled: set[str] = set()
        self._lost: set[str] = set()
        self._theirs: set[str] = set()
        self._read_at = -math.inf

    def claim(self, key: str, make: Callable[[], str]) -> Claim:
        """See to it that the trial's run is open and nobody else's; what cannot be asked stays unsettled."""
        others = self._enter()
        careful = key in self._unsettled or key in self._lost or not others.absent
        self._unsettled.add(key)
        if key not in self._open:
            claim = self._first_look(key) if careful else self._known(key)
            if claim is not Claim.OURS:
                self._unsettled.discard(key)
                return claim
            self.open(key, make())
        claim = Claim.OURS
        if not others.look() or careful:
            claim = self._standing(key, self._open[key])
        if claim is not Claim.OURS:
            self._ledger.remove(self._open.pop(key))
        self._unsettled.discard(key)
        return claim

    def open(self, key: str, run_id: str) -> None:
        """Note the run that is ours."""
        self._open[key] = run_id
        self._lost.discard(key)

    def run_of(self, key: str) -> str | None:
        """The trial's run, if it is open."""
        return self._open.get(key)

    def is_settled(self, key: str) -> bool:
        """Whether the trial's run is open and nobody else's."""
        return key in self._open and key not in self._unsettled

    def drop(self, key: str) -> None:
        """Forget the trial's run, to claim it anew."""
        self._open.pop(key, None)

    def end(self, key: str, *, recorded: bool = False) -> None:
        """Note that the trial's run has ended."""
        del self._open[key]
        if recorded:
            self._recorded.add(key)

    def lose(self, key: str) -> None:
        """Note that another driver records the trial."""
        self._open.pop(key, None)
        self._lost.add(key)

    def has_lost(self, key: str) -> bool:
        """Whether another driver records the trial."""
        return key in self._lost

    def unrecord(self, key: str) -> None:
        """Note that the run that had recorded the trial is gone."""
        self._recorded.discard(key)

    def leave(self) -> None:
        """Tell other drivers that this one has ended."""
        if self._others:
            self._others.leave()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Keep the claims to open runs alive, by a thread of its own."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat_until(self, over: threading.Event) -> None:
        while not over.wait(self.lease_seconds / BEATS_A_LEASE):
            if self._others:
                with suppress(MlflowException, OSError):
                    self._others.announce()
            self.beat(self._open.values())

    def _enter(self) -> OtherDrivers:
        """Make this driver known, once, before it claims anything, and learn what is done."""
        if self._others is None:
            others = OtherDrivers(self._ledger, self._experiment, self.lease_seconds)
            self._ledger.clear_unfinished(self._keys, self.lease_seconds)
            self._read_all(self.lease_seconds)
            self._others = others
        return self._others

    def _known(self, key: str) -> Claim:
        """Whose the trial is by what was read of all trials."""
        if key in self._recorded:
            return Claim.RECORDED
        return Claim.THEIRS if key in self._theirs else Claim.OURS

    def _first_look(self, key: str) -> Claim:
        """Whose the trial is before ours is made.

        Trials that others are at work on, or have done, stand beside each other in the list: what is read of
        all of them serves for the next ones too, where asking for each would take longer the more drivers
        there are.
        """
        if key not in self._recorded and time.monotonic() - self._read_at >= NEWS_SECONDS:
            self._read_all(LATE_SECONDS)
            running = filter(self._is_held_elsewhere, self._ledger.under_way())
            self._theirs = {run.data.tags[TRIAL_KEY] for run in running}
            self._read_at = time.monotonic()
        return self._known(key)

    def _read_all(self, clocks_seconds: float) -> None:
        """Learn what is recorded; what a slower clock has dated too early is seen when it is asked for."""
        finished = self._ledger.finished_runs(clocks_seconds)
        new = finished - self._finished
        self._recorded |= {key for key, run_id in new if run_id != self._replaced.get(key)}
        self._finished = finished

    def _standing(self, key: str, ours: str | None = None) -> Claim:
        """Whose the trial is by what the record says; runs that failed or were left are removed."""
        self._enter().announce()
        is_recorded = False

        def unfinished() -> list[Run]:
            nonlocal is_recorded
            runs = [run for run in self._ledger.runs_of(key) if run.info.run_id != self._replaced.get(key)]
            is_recorded = any(run.info.status == "FINISHED" for run in runs if run.info.run_id != ours)
            return [] if is_recorded else runs

        is_theirs = self.is_contested(unfinished()) if ours is None else not self.stays(ours, unfinished)
        if is_recorded:
            return Claim.RECORDED
        return Claim.THEIRS if is_theirs else Claim.OURS
