"""Where the trials of a sweep come from: a list, or a search that decides as it goes."""

from bisect import insort
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from random import SystemRandom
from typing import Protocol

from ablation.plan.plan import Network, PlannedTrial, Trial
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.trial_result import TrialResult

WithKeys = Callable[[Sequence[PlannedTrial], str], list[Trial]]
"""Gives trials their keys, once the pretrained network of this digest is there."""


class Source(Protocol):
    """A source of trials, and of pretrained networks to train for them, that is told what becomes of them.

    Args:
        learns: whether what comes next depends on what trials scored.
    """

    learns: bool

    def next(self) -> Trial | Network | None:
        """Return what to do now; None while there is nothing, which is for good once nothing is under way."""

    def trained(self, network: Network, digest: str) -> None:
        """Note that a pretrained network is there."""

    def lost(self, network: Network) -> list[PlannedTrial]:
        """Give up the trials of a pretrained network that cannot be trained, and return them."""

    def ended(self, trial: Trial, result: TrialResult) -> None:
        """Note what a finished trial scored."""

    def failed(self, trial: Trial) -> None:
        """Note that a trial failed for good."""

    def pruned(self, trial: Trial, score: float) -> None:
        """Note that a trial was stopped early with this score."""

    def taken(self) -> None:
        """Note that another driver is at work on what was given last."""

    def left(self) -> list[PlannedTrial]:
        """Return the trials that it would still give, as far as they are known."""


class Listed:
    """Trials in their order, each once the pretrained network that it starts from is there.

    Of several slots one trains networks as long as any are left, so that no slot is idle when the trials of
    the first networks are done; the others run trials that are ready. So no trial waits for the network of
    others.

    Args:
        with_keys: for trials that have none yet.
        slots: how much runs at once.
    """

    learns = False

    def __init__(
        self, trials: Iterable[PlannedTrial], with_keys: WithKeys | None = None, slots: int = 1
    ) -> None:
        self._with_keys, self._slots = with_keys, slots
        self._under_way: set[EncoderRecipe] = set()
        self._ready: list[tuple[int, Trial]] = []
        self._at = 0
        self._waiting: dict[EncoderRecipe, list[tuple[int, PlannedTrial]]] = defaultdict(list)
        for rank, trial in enumerate(trials):
            if isinstance(trial, Trial):
                self._ready.append((rank, trial))
            elif trial.recipe is not None:
                self._waiting[trial.recipe].append((rank, trial))
        self._networks = deque(Network(recipe, first[0][1].point) for recipe, first in self._waiting.items())

    def next(self) -> Trial | Network | None:
        """Return the first of the list that is ready, or a network to train."""
        one_trains = self._under_way or self._slots == 1
        if self._ready and (one_trains or not self._networks):
            return self._ready.pop(self._at % len(self._ready))[1]
        if not self._networks:
            return None
        network = self._networks.popleft()
        self._under_way.add(network.recipe)
        return network

    def trained(self, network: Network, digest: str) -> None:
        """Have the network's trials ready."""
        assert self._with_keys is not None
        self._under_way.discard(network.recipe)
        ranks, trials = zip(*self._waiting.pop(network.recipe), strict=True)
        for rank, trial in zip(ranks, self._with_keys(trials, digest), strict=True):
            insort(self._ready, (rank, trial), key=lambda one: one[0])

    def lost(self, network: Network) -> list[PlannedTrial]:
        """Drop the trials of this network, and return them."""
        self._under_way.discard(network.recipe)
        return [trial for _, trial in self._waiting.pop(network.recipe)]

    def ended(self, trial: Trial, result: TrialResult) -> None:
        """Do nothing: what comes next does not depend on it."""

    def failed(self, trial: Trial) -> None:
        """Do nothing."""

    def pruned(self, trial: Trial, score: float) -> None:
        """Do nothing."""

    def taken(self) -> None:
        """Go on at any of those that are ready: drivers that go one way would meet at each trial."""
        self._at = SystemRandom().randrange(len(self._ready) or 1)

    def left(self) -> list[PlannedTrial]:
        """Return those that were not given."""
        waiting = [one for trials in self._waiting.values() for one in trials]
        return [trial for _, trial in sorted([*self._ready, *waiting], key=lambda one: one[0])]
