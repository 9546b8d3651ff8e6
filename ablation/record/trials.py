"""Trials in the record: nested runs that are started, logged, ended, and read back."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.compat import database_of
from ablation.names import (
    DRIVER,
    ERROR,
    ERROR_FILE,
    KIND,
    KIND_TRIAL,
    PARENT_RUN,
    PRUNED,
    SCORES,
    STOP_REASON,
    TRIAL_KEY,
)
from ablation.record.database import ARTIFACTS
from ablation.record.driver import is_live
from ablation.record.run_table import read_runs
from ablation.record.runs import Measured, Runs
from t1t2core.errors import InputError

READERS = 8
"""Requests at once where much is read: a server far away answers each after a while."""
LONGEST_CAUSE = 500
"""Characters of an error that a tag keeps."""


@dataclass(frozen=True)
class Record:
    """A finished trial as the record has it; `scores` is the content of its `scores.json`."""

    run_id: str
    experiment_id: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    scores: list[dict[str, Any]]


class TrialRuns(Runs):
    """Writes and reads the runs of trials."""

    _finished_before: tuple[float, set[tuple[str, str]]] | None = None
    """When finished trials were read, and what was found."""

    # Read

    def trials(self, condition: str) -> Iterator[Run]:
        """The trials of all experiments that fit, newest first."""
        return self.search(f"tags.{KIND} = '{KIND_TRIAL}' and {condition}")

    def runs_of(self, key: str) -> list[Run]:
        """The trial's runs, by run id."""
        runs = self.trials(f"tags.{TRIAL_KEY} = '{key}'")
        return sorted(runs, key=lambda run: str(run.info.run_id))

    def finished(self) -> dict[str, Run]:
        """All trials recorded as finished, in any experiment, by key; of two runs the newer."""
        asked_at = time.time()
        database = database_of(self.client)
        if database is not None:
            everywhere = [*self.experiment_tags()]
            newest_first = read_runs(database, everywhere, status="FINISHED", tag=(KIND, KIND_TRIAL))
        else:
            newest_first = list(self.trials("attributes.status = 'FINISHED'"))
        self._finished_before = asked_at, _keys_and_ids(newest_first)
        return {run.data.tags[TRIAL_KEY]: run for run in reversed(newest_first)}

    def finished_runs(self, clocks_seconds: float) -> set[tuple[str, str]]:
        """Key and run id of all trials recorded as finished; once they are read, only what is new is.

        Args:
            clocks_seconds: by which the clocks of drivers may differ.
        """
        if self._finished_before is None:
            self.finished()
        assert self._finished_before is not None
        asked_at, before = self._finished_before
        since = int(1000 * (asked_at - clocks_seconds))
        asked_at = time.time()
        new = self.trials(f"attributes.status = 'FINISHED' and attributes.end_time >= {since}")
        self._finished_before = asked_at, before | _keys_and_ids(new)
        return self._finished_before[1]

    def under_way(self) -> Iterator[Run]:
        """The trials that drivers are at work on, or have left."""
        return self.trials("attributes.status = 'RUNNING'")

    def failed_under(self, parent: str) -> list[Run]:
        """The trials of a plan that failed and were not run again since."""
        return list(self.trials(f"attributes.status = 'FAILED' and tags.{PARENT_RUN} = '{parent}'"))

    def pruned_under(self, parent: str) -> list[Run]:
        """The trials of a plan that were stopped early by rule."""
        mine = f"tags.{PARENT_RUN} = '{parent}' and tags.{STOP_REASON} = '{PRUNED}'"
        return list(self.trials(f"attributes.status = 'KILLED' and {mine}"))

    def others_at_work(self, lease_seconds: float) -> bool:
        """Whether there are runs under way of other drivers."""
        others = (run.data.tags for run in self.under_way() if run.data.tags.get(DRIVER) != self.driver)
        return any(is_live(tags, lease_seconds) for tags in others)

    def histories(self, runs: Mapping[str, str], names: Sequence[str]) -> pd.DataFrame:
        """Values of these metrics an epoch, columns `trial_key`, `metric`, `step` and `value`.

        Args:
            runs: run ids by trial key.
        """
        wanted = [(key, run_id, name) for key, run_id in runs.items() for name in names]
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda one: self.client.get_metric_history(one[1], one[2]), wanted)
            rows = [
                (key, name, metric.step, metric.value)
                for (key, _, name), history in zip(wanted, found, strict=True)
                for metric in history
            ]
        return pd.DataFrame(rows, columns=[TRIAL_KEY, "metric", "step", "value"])

    def records(self, runs: Iterable[Run]) -> list[Record]:
        """The records of these finished runs."""
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(self._record, runs))

    def _record(self, run: Run) -> Record:
        try:
            scores = self.fetch_file(run, SCORES).read_text(encoding="utf-8")
        except (MlflowException, OSError) as error:
            raise InputError(
                f"the files of run {run.info.run_id} ({run.info.run_name}) are not at "
                f"{run.info.artifact_uri}; was the record moved without its folder {ARTIFACTS}?"
            ) from error
        return Record(
            run_id=run.info.run_id,
            experiment_id=run.info.experiment_id,
            name=run.info.run_name,
            tags=dict(run.data.tags),
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            scores=json.loads(scores),
        )

    # Write

    def start_trial(
        self,
        experiment_id: str,
        parent: str,
        name: str,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> str:
        """A nested run, RUNNING, with this driver's heartbeat."""
        return self.start_run(experiment_id, name, {KIND: KIND_TRIAL, PARENT_RUN: parent, **tags}, params)

    def finish_trial(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Path,
        *,
        at: float,
        history: Sequence[Measured] = (),
    ) -> None:
        """Write files first, then the numbers (see `log`), the status last: a FINISHED run is whole.

        Args:
            history: values of epochs that are not logged yet.
        """
        self.keep_folder(run_id, files)
        # Values without an epoch have step 0: MLflow draws them as bars, a run each, else as dots on a line.
        self.log(run_id, [*history, Measured(metrics, 0, at)], tags)
        self.end(run_id, "FINISHED")

    def fail_trial(self, run_id: str, cause: str, traceback: str) -> None:
        """End a run as FAILED with the last line of its error as a tag and all of it as an artifact."""
        self.keep_files(run_id, {ERROR_FILE: traceback.encode("utf-8")})
        self.tag(run_id, {ERROR: cause[:LONGEST_CAUSE]})
        self.end(run_id, "FAILED")

    def prune_trial(self, run_id: str, metrics: Mapping[str, float], *, step: int, at: float) -> None:
        """End a run that was stopped early by rule: it never counts as finished."""
        self.log(run_id, [Measured(metrics, step, at)], {STOP_REASON: PRUNED})
        self.end(run_id, "KILLED")

    def stop_trials(self) -> None:
        """End this driver's runs that are still under way; they are replaced when it is asked again."""
        for run in self.under_way():
            if run.data.tags.get(DRIVER) == self.driver:
                self.end(run.info.run_id, "KILLED")

    def clear_unfinished(self, keys: Iterable[str], lease_seconds: float) -> None:
        """Remove the runs of these trials that never finished and that no driver is at work on."""
        wanted = set(keys)
        for run in self.trials("attributes.status != 'FINISHED'"):
            running = run.info.status == "RUNNING" and is_live(run.data.tags, lease_seconds)
            if run.data.tags[TRIAL_KEY] in wanted and not running:
                self.remove(run.info.run_id)


def _keys_and_ids(runs: Iterable[Run]) -> set[tuple[str, str]]:
    return {(run.data.tags[TRIAL_KEY], run.info.run_id) for run in runs}
