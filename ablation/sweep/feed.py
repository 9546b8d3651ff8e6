"""What runs next, a trial or the training of a pretrained network: Ray Tune asks whenever there is room."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from ablation.names import GPUS
from ablation.plan.plan import Network, PlannedTrial, Trial
from ablation.plan.resources import Room
from ablation.record.claims import Claim
from ablation.record.recorder import Recorder, UnansweredError
from ablation.search.budget import Spending
from ablation.search.source import Source
from ablation.store.outcome import has_outcome, read_result
from ablation.sweep.networks import Networks

POLL_SECONDS = 2.0
"""Between two looks at trials that another driver is at work on."""


Item = Trial | Network


class Feed(Searcher):
    """A searcher that hands out trials, and networks to pretrain, as a source gives them: each once claimed.

    It takes back what is to be tried again.

    What another driver is at work on is looked at again until it is recorded or its lease has run out.

    Args:
        spending: once all is spent nothing new is handed out, but what failed is tried again.
        recorded: told of what turns out to be recorded: by another driver, or here, from files that a
            driver left which was killed before it could record them.
    """

    def __init__(
        self,
        source: Source,
        spending: Spending,
        recorder: Recorder,
        networks: Networks,
        room: Room,
        recorded: Callable[[Item, bool], None],
    ) -> None:
        super().__init__()
        self.source, self.spending = source, spending
        self._given: dict[str, Item] = {}
        self._waiting: deque[Item] = deque()
        self._theirs: list[Item] = []
        self._under_way: set[str] = set()
        self._gpus: dict[str, float] = {}
        self._recorder, self._networks, self._recorded = recorder, networks, recorded
        self._room = room
        self._stopped = False
        self._looked_at = time.monotonic()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return a configuration, None while there is nothing to run just now, or that all is done."""
        self._look_again()
        while not self._stopped and (item := self._next()):
            if self._is_ours(item):
                return self._hand_out(item)
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

    def deliver_network(self, network: Network) -> None:
        """Record a pretrained network that is published, and tell the source."""
        self.source.trained(network, self._networks.published(network.recipe))

    def item(self, key: str) -> Item:
        """Return what was handed out."""
        return self._given[key]

    def ended(self, key: str) -> None:
        """Note that a trial has run, or is given up."""
        self._under_way.discard(key)
        self.spending.end(key)

    def again(self, item: Item, gpus: float | None = None) -> None:
        """Try a trial or a training again, after the others, with this share of a GPU if one is named."""
        self._under_way.discard(item.key)
        if gpus is not None:
            self._gpus[item.key] = gpus
        self._waiting.append(item)

    def stop(self) -> None:
        """Start nothing more."""
        self._stopped = True

    def left(self) -> list[PlannedTrial]:
        """Return the trials that were never run to an end."""
        begun = [item for item in (*self._waiting, *self._theirs) if not isinstance(item, Network)]
        return [*begun, *self.source.left()]

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: what is done is in the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default", **_: Any) -> None:
        """Do nothing."""

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it to restore an experiment; this one is never restored.
        return {}

    def _next(self) -> Item | None:
        """Return what is next. What is tried again comes last of a list; a search waits for it."""
        if self._waiting and self.source.learns:
            return self._waiting.popleft()
        item = None if self.spending.is_spent else self.source.next()
        return self._waiting.popleft() if item is None and self._waiting else item

    def _hand_out(self, item: Item) -> dict[str, Any]:
        """Return a configuration of texts and numbers only: Tune makes more of anything else."""
        key, is_network = item.key, isinstance(item, Network)
        self._given[key] = item
        self._under_way.add(key)
        resources = self._room.network if is_network else self._room.trial
        gpus = self._gpus.get(key, resources.gpus)
        if not is_network:
            self.spending.begin(key, gpus)
            if gpus:
                self._recorder.tag(key, GPUS, f"{gpus:g}")
        return {
            "key": key,
            "point": item.point.to_json(),
            "network": is_network,
            "encoder": "" if isinstance(item, Network) else item.encoder or "",
            "cpu": resources.cpus,
            "gpu": gpus,
        }

    def _is_ours(self, item: Item) -> bool:
        if isinstance(item, Network):
            return self._is_ours_to_train(item)
        if self._recorder.holds(item.key):
            return True
        claim = self._recorder.claim(item)
        if claim is Claim.RECORDED:
            self._take_result(item)
        elif claim is Claim.THEIRS:
            self._theirs.append(item)
            self.source.taken()
        elif has_outcome(self._recorder.storage, item.key):
            self.deliver(item)
            self._recorded(item, True)
        else:
            return True
        return False

    def _is_ours_to_train(self, network: Network) -> bool:
        if self._networks.holds(network.recipe):
            return True
        claim = self._networks.claim(network.recipe)
        if claim is Claim.RECORDED:
            self.deliver_network(network)
            self._recorded(network, False)
        elif claim is Claim.THEIRS:
            self._theirs.append(network)
        return claim is Claim.OURS

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
