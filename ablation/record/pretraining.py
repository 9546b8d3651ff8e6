"""The record of T1 networks: an experiment of its own in MLflow, one run for each network."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlflow.entities import Param, Run, RunTag

from ablation.plan.recipe import EncoderRecipe
from ablation.record.driver import DRIVER, beat, is_live, this_driver
from ablation.record.ledger import KIND, PAGE, Ledger, Measured
from ablation.store.pretraining_journal import Journal

EXPERIMENT = "pretraining"
PRETRAINING = "pretraining"
"""Value of the tag that tells these runs from trials and plans."""
SHOWN = 12
"""Characters of a digest that names show."""
BEATS_A_LEASE = 4
"""Heartbeats within a lease: some may be late."""


class PretrainingRecord:
    """Writes runs of T1 networks; each method raises MlflowException where the record does not answer.

    Args:
        tags: that every run gets.
        lease_seconds: see `ablation.record.driver.is_live`.
    """

    def __init__(self, ledger: Ledger, tags: Mapping[str, str], lease_seconds: float) -> None:
        self._ledger, self._tags, self._lease_seconds = ledger, tags, lease_seconds
        self._open: dict[str, str] = {}
        self._epochs: dict[str, int] = {}
        self._beaten = time.monotonic()

    def claim(self, recipe: EncoderRecipe) -> bool:
        """Opens the network's run, unless another driver is at work on it; of two the lower run id wins."""
        unfinished = [run for run in self._runs(recipe) if run.info.status != "FINISHED"]
        if any(self._is_theirs(run) for run in unfinished):
            return False
        for run in unfinished:
            self._ledger.remove(run.info.run_id)
        self._open[recipe.digest] = ours = self._create(recipe)
        if any(run.info.run_id < ours for run in self._runs(recipe) if self._is_theirs(run)):
            self._ledger.remove(self._open.pop(recipe.digest))
            return False
        return True

    def follow(self, recipe: EncoderRecipe, journal: Journal) -> None:
        """Logs the epochs that are not logged yet, if the network's run is open."""
        if run_id := self._open.get(recipe.digest):
            self._log(run_id, recipe, journal)

    def beat(self) -> None:
        """Keeps the claims alive; to be called often, it writes when it is time."""
        if time.monotonic() - self._beaten >= self._lease_seconds / BEATS_A_LEASE:
            self._beaten = time.monotonic()
            for run_id in self._open.values():
                self._ledger.beat(run_id)

    def finish(self, recipe: EncoderRecipe, encoder: str, address: str, journal: Journal) -> bool:
        """Records a published network; False if another driver is at it.

        Args:
            encoder: the network's digest.
            address: where its weights lie.
        """
        if self._recorded(recipe, encoder):
            self._drop(recipe)
            return True
        if recipe.digest not in self._open and not self.claim(recipe):
            return False
        run_id = self._open[recipe.digest]
        self._log(run_id, recipe, journal)
        at = journal.history[-1]["at"] if journal.history else time.time()
        self._ledger.log(run_id, [Measured(journal.metrics, 0, at)])
        tags = {"encoder_digest": encoder, "encoder": address, "stop_reason": journal.stop_reason}
        tags["workers"] = str(journal.workers)
        self._ledger.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        self._ledger.client.set_terminated(run_id, "FINISHED")
        self._forget(recipe)
        for run in self._recorded(recipe, encoder)[1:]:
            self._ledger.remove(run.info.run_id)
        return True

    def fail(self, recipe: EncoderRecipe, cause: str, traceback: str) -> None:
        """Ends the network's run as FAILED."""
        if run_id := self._open.get(recipe.digest):
            self._ledger.fail_trial(run_id, cause, traceback)
            self._forget(recipe)

    def stop(self) -> None:
        """Ends the runs still open as KILLED; the same command replaces them."""
        for run_id in self._open.values():
            self._ledger.client.set_terminated(run_id, "KILLED")
        self._open.clear()

    def _drop(self, recipe: EncoderRecipe) -> None:
        if run_id := self._open.get(recipe.digest):
            self._ledger.remove(run_id)
            self._forget(recipe)

    def _forget(self, recipe: EncoderRecipe) -> None:
        del self._open[recipe.digest]
        self._epochs.pop(recipe.digest, None)

    def _create(self, recipe: EncoderRecipe) -> str:
        experiment = self._ledger.experiment(EXPERIMENT)
        tags = {KIND: PRETRAINING, "recipe_digest": recipe.digest, **beat(), **self._tags}
        name = f"T1 network {recipe.digest[:SHOWN]}"
        run_id = str(self._ledger.client.create_run(experiment, tags=tags, run_name=name).info.run_id)
        params = [Param(name, str(value)) for name, value in params_of(recipe).items()]
        self._ledger.client.log_batch(run_id, params=params)
        self._epochs.pop(recipe.digest, None)
        return run_id

    def _log(self, run_id: str, recipe: EncoderRecipe, journal: Journal) -> None:
        for metrics in journal.history:
            values = dict(metrics)
            epoch, at = int(values.pop("epoch")), values.pop("at")
            if epoch > self._epochs.get(recipe.digest, 0):
                self._ledger.log(run_id, [Measured(values, epoch, at)])
                self._epochs[recipe.digest] = epoch

    def _runs(self, recipe: EncoderRecipe) -> list[Run]:
        """All of this network, by run id."""
        found = self._ledger.client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            return []
        query = f"tags.{KIND} = '{PRETRAINING}' and tags.recipe_digest = '{recipe.digest}'"
        runs = self._ledger.client.search_runs([found.experiment_id], query, max_results=PAGE)
        return sorted(runs, key=lambda run: str(run.info.run_id))

    def _recorded(self, recipe: EncoderRecipe, encoder: str) -> list[Run]:
        """Finished runs of this published network."""
        return [
            run
            for run in self._runs(recipe)
            if run.info.status == "FINISHED" and run.data.tags.get("encoder_digest") == encoder
        ]

    def _is_theirs(self, run: Run) -> bool:
        """Whether another driver is at work on it."""
        elsewhere = run.info.status == "RUNNING" and run.data.tags.get(DRIVER) != this_driver()
        return elsewhere and is_live(run.data.tags, self._lease_seconds)


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
