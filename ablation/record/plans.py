"""Plans in the record: the parent runs of trials."""

import random
import time
from collections.abc import Mapping

from mlflow.entities import Run

from ablation.names import KIND, KIND_PLAN, NOTE, OPENED, PLAN_KEY
from ablation.record.claims import Claims
from ablation.record.runs import Runs

OPENING_SECONDS = 60.0
"""A plan's run that has been made so long ago and not opened was left by a driver that died."""
PAUSE_SECONDS = 0.2
"""Longest pause before a plan's run is made again; drivers that have met differ in it."""
PLANS = f"tags.{KIND} = '{KIND_PLAN}'"


class PlanRuns(Runs):
    """Writes and reads the parent runs of plans."""

    def open_plan(self, experiment_id: str, plan_key: str, name: str, tags: Mapping[str, str]) -> str:
        """The parent run of a plan, running: the one it had, or a new one.

        Unlike a trial's run it is shared by all drivers that work on the plan. So where several make one at
        once, each that sees another's takes its own away and asks again. Of two the one that looks later sees
        both, so at most one stays; it becomes the plan's by its OPENED tag.
        """
        claims = Claims(self, OPENING_SECONDS)
        while (run_id := self._opened(experiment_id, plan_key)) is None:
            made = self.start_run(experiment_id, name, {KIND: KIND_PLAN, PLAN_KEY: plan_key, **tags})
            others = [run for run in self._parents(experiment_id, plan_key) if run.info.run_id != made]
            is_open = any(OPENED in run.data.tags for run in others)
            if not is_open and not claims.is_contested(others):
                run_id = made
                break
            self.remove(made)
            time.sleep(random.uniform(0, PAUSE_SECONDS))
        self.reopen(run_id)
        self.tag(run_id, {**tags, OPENED: f"{time.time():.0f}"})
        return run_id

    def plans(self, space: str) -> list[Run]:
        """Parent runs of a space's plans, the one that was worked on last first."""
        experiment = self.find_experiment(space)
        if experiment is None:
            return []
        runs = self.search(PLANS, [experiment])
        return sorted(runs, key=lambda run: -float(run.data.tags.get(OPENED, 0)))

    def plan_names(self) -> list[str]:
        """Names of the spaces that have a plan in the record."""
        return sorted({str(run.info.run_name) for run in self.search(PLANS)})

    def describe(self, run_id: str, note: str) -> None:
        """Set what MLflow shows as a run's description, in Markdown."""
        self.client.set_tag(run_id, NOTE, note)

    def close_plan(self, run_id: str, status: str, note: str) -> None:
        """End the parent run with this description."""
        self.describe(run_id, note)
        self.end(run_id, status)

    def _opened(self, experiment_id: str, plan_key: str) -> str | None:
        """The plan's parent run, if it has one; of several the first."""
        runs = self._parents(experiment_id, plan_key)
        return next((str(run.info.run_id) for run in reversed(runs) if OPENED in run.data.tags), None)

    def _parents(self, experiment_id: str, plan_key: str) -> list[Run]:
        """The plan's parent runs, the newest first."""
        return list(self.search(f"{PLANS} and tags.{PLAN_KEY} = '{plan_key}'", [experiment_id]))
