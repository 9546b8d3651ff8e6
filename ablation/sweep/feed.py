"""Which trial runs next: Ray Tune asks whenever there is room."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from ablation.names import GPUS
from ablation.plan.plan import Trial
from ablation.plan.resources import TrialResources
from ablation.record.claims import Claim
from ablation.record.recorder import Recorder, UnansweredError
from ablation.search.budget import Spending
from ablation.search.source import Source
from ablation.store.outcome import has_outcome, read_result

POLL_SECONDS = 2.0
"""Between two looks at trials that another driver is at work on."""


class Feed(Searcher):
    """A searcher that hands out the trials of a source, each once it is claimed.

    It takes back those to be tried again.

    What another driver is at work on is looked at again until it is recorded or its lease has run out.

    Args:
        spending: once all is spent nothing new is handed out, but what failed is tried again.
        resources: that each trial asks for.
        recorded: told of each trial that turns out to be recorded: by another driver, or here, from files
            that a driver left which was killed before it could record them.
    """

    def __init__(
        self,
        source: Source,
        spending: Spending,
        recorder: Recorder,
        resources: TrialResources,
        recorded: Callable[[Trial, bool], None],
    ) -> None:
        super().__init__()
        self.source, self.spending = source, spending
        self._given: dict[str, Trial] = {}
        self._waiting: deque[Trial] = deque()
        self._theirs: list[Trial] = []
        self._under_way: set[str] = set()
        self._gpus: dict[str, float] = {}
        self._recorder, self._resources, self._recorded = recorder, resources, recorded
        self._stopped = False
        self._looked_at = time.monotonic()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return a configuration, None while there is nothing to run just now, or that all is done."""
        self._look_again()
        while not self._stopped and (trial := self._next()):
            if self._is_ours(trial):
                return self._hand_out(trial)
        if self._under_way or (self._theirs and not self._stopped):
            return None
        return Searcher.FINISHED

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: what becomes of a trial is decided where it is recorded."""

    def deliver(self, trial: Trial) -> bool:
        """Record what a worker left of a trial, and tell the source; False if another driver records it."""
        key = trial.key
        result = read_result(self._recorder.storage, key) if self.source.learns else None
        if not self._recorder.finish(trial):
            return False
        if result is not None:
            self.source.ended(trial, result)
        return True

    def trial(self, key: str) -> Trial:
        """Return a trial that was handed out."""
        return self._given[key]

    def ended(self, key: str) -> None:
        """Note that a trial has run, or is given up."""
        self._under_way.discard(key)
        self.spending.end(key)

    def again(self, trial: Trial, gpus: float | None = None) -> None:
        """Try a trial again, after the others, with this share of a GPU if one is named."""
        self._under_way.discard(trial.key)
        if gpus is not None:
            self._gpus[trial.key] = gpus
        self._waiting.append(trial)

    def stop(self) -> None:
        """Start nothing more."""
        self._stopped = True

    def left(self) -> list[Trial]:
        """Return the trials that were never run to an end."""
        return [*self._waiting, *self._theirs, *self.source.left()]

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: what is done is in the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default", **_: Any) -> None:
        """Do nothing."""

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it to restore an experiment; this one is never restored.
        return {}

    def _next(self) -> Trial | None:
        """Return the next trial. What is tried again comes last of a list; a search waits for it."""
        if self._waiting and self.source.learns:
            return self._waiting.popleft()
        trial = None if self.spending.is_spent else self.source.next()
        return self._waiting.popleft() if trial is None and self._waiting else trial

    def _hand_out(self, trial: Trial) -> dict[str, Any]:
        """Return a trial as a configuration of texts and numbers only: Tune makes more of anything else."""
        self._given[trial.key] = trial
        self._under_way.add(trial.key)
        gpus = self._gpus.get(trial.key, self._resources.gpus)
        self.spending.begin(trial.key, gpus)
        if gpus:
            self._recorder.tag(trial.key, GPUS, f"{gpus:g}")
        return {"key": trial.key, "point": trial.point.to_json(), "cpu": self._resources.cpus, "gpu": gpus}

    def _is_ours(self, trial: Trial) -> bool:
        if self._recorder.holds(trial.key):
            return True
        claim = self._recorder.claim(trial)
        if claim is Claim.RECORDED:
            self._take_result(trial)
        elif claim is Claim.THEIRS:
            self._theirs.append(trial)
        elif has_outcome(self._recorder.storage, trial.key):
            self.deliver(trial)
            self._recorded(trial, True)
        else:
            return True
        return False

    def _take_result(self, trial: Trial) -> None:
        """Tell the source of a recorded trial; where the record cannot say what it scored, look again."""
        if self.source.learns:
            try:
                result = self._recorder.result_of(trial)
            except UnansweredError:
                self._theirs.append(trial)
                return
            self.source.ended(trial, result)
        self._recorded(trial, False)

    def _look_again(self) -> None:
        now = time.monotonic()
        if self._theirs and not self._waiting and now - self._looked_at >= POLL_SECONDS:
            self._waiting.extend(self._theirs)
            self._theirs.clear()
            self._looked_at = now
