"""The pretrained networks of a run: found in storage, claimed, followed, recorded."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from mlflow.exceptions import MlflowException

from ablation.plan.recipe import EncoderRecipe
from ablation.record.claims import Claim
from ablation.record.pretraining import PretrainingRecord
from ablation.store.checkpoints import remove_checkpoint
from ablation.store.pretrained import EncoderStore
from ablation.store.pretraining_journal import read_journal, remove_journal
from ablation.store.storage import first_line
from t1t2core.settings.classes import INTERNAL_AIR

log = logging.getLogger(__name__)

SHOWN = 12
"""Characters of a digest that messages show."""


class Networks:
    """Pretrained networks in storage and in the record, whoever trains them.

    A record that does not answer holds nothing up: it gets what it missed at the end, or the next time.
    """

    def __init__(self, store: EncoderStore, record: PretrainingRecord) -> None:
        self.store, self._record = store, record
        self.unrecorded: list[str] = []
        """Digests of the networks that the record did not take; re-running the command records them."""
        self._theirs: set[EncoderRecipe] = set()

    def find(self, recipes: Iterable[EncoderRecipe]) -> dict[EncoderRecipe, str]:
        """Return the digests of those of these networks that storage has; record what is not recorded yet."""
        found = {recipe: digest for recipe in recipes if (digest := self.store.find(recipe))}
        for recipe, digest in found.items():
            self._settle(recipe, digest)
        return found

    def claim(self, recipe: EncoderRecipe) -> Claim:
        """Return whose it is to train the network; with ours, its run is open in the record."""
        if self.store.find(recipe):
            return Claim.RECORDED
        ours = True
        with _later():
            ours = self._record.claim(recipe)
        if ours:
            return Claim.OURS
        if recipe not in self._theirs:
            log.info(f"pretrained network of recipe {recipe.digest[:SHOWN]} is trained by another command")
        self._theirs.add(recipe)
        return Claim.THEIRS

    def holds(self, recipe: EncoderRecipe) -> bool:
        """Whether the network's run is open."""
        return self._record.has_open(recipe)

    def follow(self, recipe: EncoderRecipe, history: Sequence[dict[str, float]]) -> None:
        """Log those of these epochs that are not logged yet."""
        with _later():
            self._record.follow(recipe, history)

    def published(self, recipe: EncoderRecipe) -> str:
        """Tell of a network that is published now, and record it; return its digest."""
        digest = self.store.find(recipe)
        assert digest is not None
        journal = read_journal(self.store.storage, recipe.digest)
        scores = f": validation DSC, {_dice(journal.metrics)}" if journal else ""
        log.info(f"pretrained network {digest[:SHOWN]}{scores}")
        self._settle(recipe, digest)
        return digest

    def fail(self, recipe: EncoderRecipe, cause: str, traceback: str) -> None:
        """End the network's run as FAILED."""
        with _later():
            self._record.fail(recipe, cause, traceback)

    def beat(self) -> None:
        """Keep the claims alive; to be called often."""
        with _later():
            self._record.beat()

    def stop(self) -> None:
        """End the runs that are still open; re-running the command goes on with these networks."""
        with _later():
            self._record.stop()

    def _settle(self, recipe: EncoderRecipe, digest: str) -> None:
        """Record a published network if its training has left something to record, then clear up."""
        storage = self.store.storage
        remove_checkpoint(storage, recipe.key)
        journal = read_journal(storage, recipe.digest)
        if journal is None:
            return
        if not journal.stop_reason:  # of a training that was broken off, while another one got to its end
            remove_journal(storage, recipe.digest)
            return
        try:
            if self._record.finish(recipe, digest, self.store.address(digest), journal):
                remove_journal(storage, recipe.digest)
        except (MlflowException, OSError) as error:
            self.unrecorded.append(digest)
            log.info(
                f"pretrained network {digest[:SHOWN]} is not recorded yet: {first_line(error)}; re-run the "
                "same command to record it"
            )


def failure_of(recipe: EncoderRecipe, cause: str) -> str:
    """Return the sentence that tells of a network that could not be trained."""
    return f"the pretrained network of recipe {recipe.digest[:SHOWN]} failed: {cause}"


def _later() -> suppress:
    """Pass over what the record does not take now: it gets it at the end."""
    return suppress(MlflowException, OSError)


def _dice(metrics: Mapping[str, float]) -> str:
    """Return names and scores of all but `internal_air`."""
    begin, end = "best_validation_T1/", "/dsc"
    named = {name: value for name, value in metrics.items() if name.startswith(begin) and name.endswith(end)}
    scores = {name.removeprefix(begin).removesuffix(end): value for name, value in named.items()}
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}" for name, value in scores.items() if name != INTERNAL_AIR
    )
