"""A tiny sweep, prepared once, that tests and the campaign disturb and compare with an undisturbed one."""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ablation.record.ledger import Ledger
from tests.faults.changes import make_obedient, set_ahead
from tests.faults.cluster import SharedCluster, obedient
from tests.faults.commands import Command, started, wait_until
from tests.faults.inject.sitecustomize import PATIENCE

EPOCHS = 4
TRIALS = ("no_fine_tuning", "conservative fc", "conservative 9", "conservative 15")
LEASE = 30
TIMES = ("time/", "memory/")
"""Metrics that differ from run to run."""
ALL = "tags.kind = 'trial'"
GRID = """
  - strategy: no_fine_tuning
  - strategy: conservative
    tuned_layers: [fc, 9, 15]
t2_train_size: [2]
learning_rate: [1.0e-3]
folds: [1]
seeds: [0]
"""
"""The part of the space that a test may put another in the place of."""
SPACE = f"""
name: faults
arms:{GRID}preparation: {{grid: [16, 24, 16], voxel_mm: [11.0, 10.0, 11.0]}}
network: {{width: 2}}
pretraining: {{patch: [16, 24, 16], stride: [16, 24, 16], max_epochs: 1}}
training: {{patch: [16, 24, 16], stride: [16, 24, 16], max_epochs: {EPOCHS}}}
evaluation: {{pictures: 0, surface_distances: false}}
resources: {{gpus: 0}}
recovery: {{checkpoint_seconds: 0, lease_seconds: {LEASE}}}
"""


@dataclass(frozen=True)
class Result:
    """A trial's record, without what differs from run to run."""

    params: dict[str, str]
    metrics: dict[str, float]
    histories: dict[str, tuple[tuple[int, float], ...]]
    scores: list[dict[str, Any]]


class Bench:
    """A folder with its own record and storage, in which commands run the sweep.

    Args:
        record: an empty MLflow database, to be copied.
        store: storage with the volumes and the pretrained network, to be copied.
        cluster: that the commands join; without one, each starts a Ray of its own.
    """

    def __init__(
        self,
        folder: Path,
        heads: Path,
        record: Path,
        store: Path | None = None,
        cluster: SharedCluster | None = None,
    ) -> None:
        self.folder, self.heads = folder, heads
        self.faults = folder / "faults"
        self.faults.mkdir(parents=True)
        self.output = folder / "runs"
        self.output.mkdir()
        shutil.copy(record, self.output / "mlflow.db")
        if store:
            shutil.copytree(store, self.output / "store")
        self.space = folder / "faults.yaml"
        self.write_space()
        self.options = ["--max-concurrent", "1"]
        if cluster:
            self.join(cluster)
        self.tracking_uri = f"sqlite:///{self.output / 'mlflow.db'}"
        self.environment: dict[str, str] = {}
        self._commands: list[Command] = []

    def join(self, cluster: SharedCluster) -> None:
        """Has commands from now on join a cluster."""
        self.options += ["--address", cluster.address]
        cluster.follow(self.faults)

    def write_space(self, old: str = "", new: str = "") -> None:
        """Writes the space, a part of it replaced."""
        assert old in SPACE
        self.space.write_text(SPACE.replace(old, new, 1), encoding="utf-8")

    def arguments(self, *more: str) -> list[str]:
        """Of the command."""
        given = ["--space", self.space, "--cohort", self.heads, "--output", self.output]
        given += ["--preset", "demo", "--tracking-uri", self.tracking_uri]
        return [*map(str, given), *self.options, *more]

    @property
    def worker_environment(self) -> dict[str, str]:
        """Variables by which workers follow orders."""
        return {**obedient(self.faults), **self.environment}

    def start(self, *more: str) -> Command:
        """Gives the command."""
        return self._start(self.arguments(*more), make_obedient)

    def start_ahead(self, seconds: float) -> Command:
        """Gives the command on a machine whose clock is ahead."""
        return self._start(self.arguments(), partial(set_ahead, seconds))

    def start_unchanged(self) -> Command:
        """Gives the command, of which nothing is changed or left out."""
        return self._start(self.arguments(), None)

    def _start(self, arguments: list[str], change: Callable[[], None] | None) -> Command:
        command = Command(arguments, self.faults, self.worker_environment, change=change)
        self._commands.append(command)
        return command

    def close(self) -> None:
        """Ends what a test that failed has left at work."""
        for command in self._commands:
            if not command.over:
                command.kill()
                command.wait()

    def run(self, *more: str, status: int = 0) -> Command:
        """Gives the command and waits for its end, which is to be this status."""
        command = self.start(*more)
        ended = command.wait()
        assert ended == status, f"status {ended}\n{command.said}\n{command.last_line}"
        assert "Traceback" not in command.said, command.said
        return command

    def lose_patience_after(self, seconds: float) -> None:
        """Shortens how long commands and workers wait for storage that does not answer."""
        (self.faults / PATIENCE).write_text(str(seconds), encoding="utf-8")

    # Orders to the workers (see inject/sitecustomize.py)

    def order(self, do: str, trial: str, epoch: int = 1, **more: Any) -> Path:
        """Gives an order and the file that it stands in."""
        file = self.faults / f"{do} {trial} {epoch}.json"
        file.write_text(json.dumps({"do": do, "trial": trial, "epoch": epoch, **more}), encoding="utf-8")
        return file

    def wait_for_hold(self, order: Path, command: Command) -> int:
        """Waits until a worker has come to this order, which is to hold it. Gives the worker's process."""
        held = order.with_suffix(".held")
        wait_until(lambda: (held.exists() and held.read_text(encoding="utf-8")) or command.over, order.stem)
        assert held.exists(), f"ended with {command.wait()}\n{command.said}"
        return int(held.read_text(encoding="utf-8"))

    def kill_at(self, order: Path) -> None:
        """Gives the command and kills it once a worker has come to this order, which is to hold it."""
        command = self.start()
        worker = self.wait_for_hold(order, command)
        command.kill(signal.SIGKILL)
        assert command.wait() == -signal.SIGKILL
        wait_until(lambda: not started(worker), "the worker ends with its driver")
        self.release(order)

    def release(self, order: Path) -> None:
        """Takes an order away: whoever it holds goes on."""
        order.with_suffix(".held").unlink(missing_ok=True)
        order.unlink()

    def steps(self, trial: str) -> list[int]:
        """The epochs of this trial that workers began, in order; one more where it was only scored."""
        return [epoch for name, epoch, _ in self.all_steps() if name == trial]

    def all_steps(self) -> list[tuple[str, int, int]]:
        """Trial, epoch and worker's process of each step, in order."""
        file = self.faults / "steps"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        rows = [line.rsplit(",", 2) for line in lines]
        return [(name, int(epoch), int(process)) for name, epoch, process in rows]

    # The record

    @cached_property
    def ledger(self) -> Ledger:
        """The record."""
        return Ledger(self.tracking_uri, self.output / "artifacts")

    def runs(self, status: str = "") -> list[Any]:
        """Trials' runs of this status, or all, newest first."""
        return list(self.ledger.trials(f"attributes.status = '{status}'" if status else ALL))

    def running(self) -> int:
        """Runs, of plans too, that are RUNNING."""
        everywhere = [e.experiment_id for e in self.ledger.client.search_experiments()]
        return len(self.ledger.client.search_runs(everywhere, "attributes.status = 'RUNNING'"))

    def results(self) -> dict[str, list[Result]]:
        """What is recorded as finished, by key: more than one only if something is doubled."""
        return results_in(self.ledger)

    def left_behind(self) -> list[str]:
        """Files of trials under way that are still in storage."""
        store = self.output / "store"
        files = [*store.glob("checkpoints/**/*"), *store.glob("outcomes/*/*")]
        return [str(file.relative_to(store)) for file in files if file.is_file()]


def results_in(ledger: Ledger) -> dict[str, list[Result]]:
    """What a record has as finished, by key."""
    found: dict[str, list[Result]] = {}
    for record in ledger.records(list(ledger.trials("attributes.status = 'FINISHED'"))):
        metrics = {name: value for name, value in record.metrics.items() if not name.startswith(TIMES)}
        histories = {name: _history(ledger, record.run_id, name) for name in metrics}
        result = Result(record.params, metrics, histories, record.scores)
        found.setdefault(record.tags["trial_key"], []).append(result)
    return found


def _history(ledger: Ledger, run_id: str, name: str) -> tuple[tuple[int, float], ...]:
    metrics = ledger.client.get_metric_history(run_id, name)
    return tuple(sorted((metric.step, metric.value) for metric in metrics))


@dataclass(frozen=True)
class Comparison:
    """A record beside that of an undisturbed run."""

    trials: int
    lost: int
    doubled: int
    running: int
    differing: int

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.doubled or self.running or self.differing)


def compare(bench: Bench, undisturbed: dict[str, list[Result]]) -> Comparison:
    """Counts what went wrong."""
    found = bench.results()
    return Comparison(
        trials=len(undisturbed),
        lost=len(undisturbed.keys() - found.keys()),
        doubled=sum(len(results) > 1 for results in found.values()),
        running=bench.running(),
        differing=sum(results[0] != undisturbed.get(key, [None])[0] for key, results in found.items()),
    )
