"""Features of frozen stages, kept for all the trials that one process runs one after the other."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor

from t1t2core.network.stage import Features


@dataclass
class _Kept:
    """Features in the store.

    Args:
        features: what is kept.
        seconds: that computing them from the image took.
        trial: number of the last trial that used them.
    """

    features: Features
    seconds: float
    trial: int

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.features.values, *self.features.indices, *self.features.skips


class FeatureStore:
    """Keeps features up to a limit; the trial under way never loses what it has used.

    A trial that finds what an earlier one computed is faster than it would be alone. By how much is summed
    up, so that comparisons of compute time need not depend on the order of trials.

    Args:
        limit: bytes that may be kept; with 0 nothing is.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.borrowed_seconds = 0.0
        """What computing took that earlier trials did for this one."""
        self._kept: dict[Hashable, _Kept] = {}
        self._bytes = 0
        # How many entries have a tensor, by its id: what goes on from another has its indices and skips.
        self._holders: Counter[int] = Counter()
        self._trial = 0

    def begin_trial(self) -> None:
        """Begin another trial, which uses what the ones before left."""
        self._trial += 1
        self.borrowed_seconds = 0.0

    @property
    def foreign_bytes(self) -> int:
        """Bytes that are kept for others: that the trial under way has not used."""
        kept = self._kept.values()
        foreign = {id(t): t.nbytes for entry in kept if entry.trial != self._trial for t in entry.tensors}
        own = {id(t) for entry in kept if entry.trial == self._trial for t in entry.tensors}
        return sum(nbytes for tensor, nbytes in foreign.items() if tensor not in own)

    def get(self, key: Hashable) -> tuple[Features, float] | None:
        """Features and the seconds that computing them from the image took; None if they are not there."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.trial != self._trial:
            kept.trial = self._trial
            self.borrowed_seconds += kept.seconds
        return kept.features, kept.seconds

    def put(self, key: Hashable, features: Features, seconds: float) -> None:
        """Keeps features if there is room, or can be made at the cost of what only earlier trials used."""
        kept = _Kept(features, seconds, self._trial)
        if sum(tensor.nbytes for tensor in kept.tensors) > self.limit:
            return
        for other in [k for k, entry in self._kept.items() if entry.trial != self._trial]:
            if self._fits(kept):
                break
            self._drop(other)
        if self._fits(kept):
            self._kept[key] = kept
            self._bytes += self._new_bytes(kept)
            self._holders.update(map(id, kept.tensors))

    def _fits(self, kept: _Kept) -> bool:
        return self._bytes + self._new_bytes(kept) <= self.limit

    def _new_bytes(self, kept: _Kept) -> int:
        """Bytes of what no entry has yet."""
        return sum(tensor.nbytes for tensor in kept.tensors if not self._holders[id(tensor)])

    def _drop(self, key: Hashable) -> None:
        gone = self._kept.pop(key)
        self._holders.subtract(map(id, gone.tensors))
        self._bytes -= self._new_bytes(gone)
        for tensor in gone.tensors:
            if not self._holders[id(tensor)]:
                del self._holders[id(tensor)]
