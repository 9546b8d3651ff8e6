"""The record of pretrained networks: an experiment of its own in MLflow, one run for each network."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mlflow.entities import Run

from ablation.names import (
    ENCODER,
    ENCODER_DIGEST,
    KIND,
    KIND_PRETRAINING,
    RECIPE_DIGEST,
    STOP_REASON,
    WORKERS,
)
from ablation.plan.recipe import EncoderRecipe
from ablation.record.claims import BEATS_A_LEASE, Claims
from ablation.record.epochs import Epochs
from ablation.record.ledger import Ledger
from ablation.record.runs import Measured
from ablation.store.pretraining_journal import Journal

EXPERIMENT = "pretraining"
SHOWN = 12
"""Characters of a digest that names show."""


class PretrainingRecord:
    """Writes runs of pretrained networks; methods raise MlflowException where the record does not answer.

    Args:
        tags: that every run gets.
        lease_seconds: see `ablation.record.driver.is_live`.
    """

    def __init__(self, ledger: Ledger, tags: Mapping[str, str], lease_seconds: float) -> None:
        self._ledger, self._tags = ledger, tags
        self._claims, self._epochs = Claims(ledger, lease_seconds), Epochs(ledger)
        self._open: dict[str, str] = {}
        self._beaten = time.monotonic()

    def claim(self, recipe: EncoderRecipe) -> bool:
        """Open the network's run, unless another driver is at work on it."""
        run_id = self._claims.take(lambda: self._unfinished(recipe), lambda: self._start(recipe))
        if run_id is not None:
            self._open[recipe.digest] = run_id
        return run_id is not None

    def has_open(self, recipe: EncoderRecipe) -> bool:
        """Whether this driver has the network's run open."""
        return recipe.digest in self._open

    def follow(self, recipe: EncoderRecipe, history: Sequence[dict[str, float]]) -> None:
        """Log those of these epochs that are not logged yet, if the network's run is open."""
        if run_id := self._open.get(recipe.digest):
            self._epochs.log(run_id, recipe.digest, history)

    def beat(self) -> None:
        """Keep the claims alive; to be called often, it writes when it is time."""
        if time.monotonic() - self._beaten >= self._claims.lease_seconds / BEATS_A_LEASE:
            self._beaten = time.monotonic()
            self._claims.beat(self._open.values())

    def finish(self, recipe: EncoderRecipe, encoder: str, address: str, journal: Journal) -> bool:
        """Record a published network; False if another driver is at it.

        Args:
            encoder: the network's digest.
            address: where its weights lie.
        """
        if self._recorded(recipe, encoder):
            if run_id := self._open.pop(recipe.digest, None):
                self._ledger.remove(run_id)
            return True
        if not self._holds(recipe) and not self.claim(recipe):
            return False
        run_id = self._open[recipe.digest]
        self._epochs.log(run_id, recipe.digest, journal.history)
        at = journal.history[-1]["at"] if journal.history else time.time()
        tags = {ENCODER_DIGEST: encoder, ENCODER: address, STOP_REASON: journal.stop_reason}
        tags[WORKERS] = str(journal.workers)
        self._ledger.log(run_id, [Measured(journal.metrics, 0, at)], tags)
        self._ledger.end(run_id, "FINISHED")
        del self._open[recipe.digest]
        for run in self._recorded(recipe, encoder)[1:]:
            self._ledger.remove(run.info.run_id)
        return True

    def fail(self, recipe: EncoderRecipe, cause: str, traceback: str) -> None:
        """End the network's run as FAILED."""
        if self._holds(recipe):
            self._ledger.fail_trial(self._open.pop(recipe.digest), cause, traceback)

    def stop(self) -> None:
        """End the runs still open as KILLED; the same command replaces them."""
        for run_id in self._open.values():
            if self._ledger.has_run(run_id):
                self._ledger.end(run_id, "KILLED")
        self._open.clear()

    def _holds(self, recipe: EncoderRecipe) -> bool:
        """Whether the network's run is open, and not taken over by another driver."""
        return recipe.digest in self._open and self._ledger.has_run(self._open[recipe.digest])

    def _start(self, recipe: EncoderRecipe) -> str:
        tags = {KIND: KIND_PRETRAINING, RECIPE_DIGEST: recipe.digest, **self._tags}
        name = f"pretrained network {recipe.digest[:SHOWN]}"
        self._epochs.begin(recipe.digest)
        return self._ledger.start_run(self._ledger.experiment(EXPERIMENT), name, tags, params_of(recipe))

    def _runs(self, recipe: EncoderRecipe) -> list[Run]:
        """All of this network, by run id."""
        experiment = self._ledger.find_experiment(EXPERIMENT)
        if experiment is None:
            return []
        query = f"tags.{KIND} = '{KIND_PRETRAINING}' and tags.{RECIPE_DIGEST} = '{recipe.digest}'"
        runs = self._ledger.search(query, [experiment])
        return sorted(runs, key=lambda run: str(run.info.run_id))

    def _unfinished(self, recipe: EncoderRecipe) -> list[Run]:
        return [run for run in self._runs(recipe) if run.info.status != "FINISHED"]

    def _recorded(self, recipe: EncoderRecipe, encoder: str) -> list[Run]:
        """Finished runs of this published network."""
        return [
            run
            for run in self._runs(recipe)
            if run.info.status == "FINISHED" and run.data.tags.get(ENCODER_DIGEST) == encoder
        ]


def params_of(recipe: EncoderRecipe) -> dict[str, Any]:
    """What a network is trained with, by the names that trials' runs have; patients as numbers of them."""
    params: dict[str, Any] = {}
    for name, value in asdict(recipe).items():
        if isinstance(value, dict):
            params |= {f"{name}.{setting}": content for setting, content in value.items()}
        elif name in ("training", "validation"):
            params[f"{name}_patients"] = len(value)
        else:
            params[name] = value
    return params
