"""One trial on one worker: Ray Tune calls `step` once an epoch."""

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray import tune

from ablation.memory import peak_mb, reset_peak
from ablation.outcome import Cost, write_outcome
from ablation.plan import Trial
from ablation.storage import Storage
from t1t2core.evaluation.scores import METRICS
from t1t2core.experiment import EpochResult
from t1t2core.settings import Precision, Settings
from t1t2core.training.compute import Compute
from t1t2core.trial import Factors, make_experiment

CACHE_BYTES = 1 << 30
"""Memory that a trial may fill with features of its frozen part."""


@dataclass(frozen=True)
class Shared:
    """What all trials of a run read, put once into Ray's object store.

    Args:
        trials: by key.
        subjects: a reference to each `PreparedSubject`, by name.
        encoders: a reference to the weights of each T1 network (name to array), by digest.
        storage: address where finished trials leave their files.
        threads: of torch, in each trial.
    """

    trials: dict[str, Trial]
    subjects: dict[str, ray.ObjectRef]
    encoders: dict[str, ray.ObjectRef]
    settings: Settings
    precision: Precision
    storage: str
    threads: int


class Fetched(Mapping[str, Any]):
    """Objects of the object store by name, each fetched when it is asked for, without a copy."""

    def __init__(self, refs: Mapping[str, ray.ObjectRef]) -> None:
        self._refs = refs

    def __getitem__(self, name: str) -> Any:
        return ray.get(self._refs[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)


class TrialRunner(tune.Trainable):
    """Trains and scores the trial whose key its configuration names, then the next one, in one process."""

    def setup(self, config: dict[str, Any], shared: Shared) -> None:  # type: ignore[override]
        """Once a process."""
        self._shared = shared
        torch.set_num_threads(shared.threads)
        quiet_read_only_volumes()
        self._start(config["key"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Once a further trial."""
        self._start(new_config["key"])
        return True

    def step(self) -> dict[str, Any]:
        """Trains an epoch; after the last one scores the trial and leaves its files in storage."""
        metrics = {} if self._experiment.finished else epoch_metrics(self._experiment.run_epoch())
        if self._experiment.finished:
            self._finish()
        return {"metrics": metrics, "done": self._experiment.finished}

    def _start(self, key: str) -> None:
        trial = self._shared.trials[key]
        self._started = time.perf_counter()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        reset_peak(device)
        shared = self._shared
        subjects = Fetched(shared.subjects)
        weights = None if trial.encoder is None else ray.get(shared.encoders[trial.encoder])
        pretrained = None if weights is None else {n: torch.from_numpy(w) for n, w in weights.items()}
        self._trial, self._device = trial, device
        factors = Factors(**{name: value for name, value in trial.factors.items() if name != "fold"})
        self._experiment = make_experiment(
            factors,
            trial.split,
            subjects,
            shared.settings,
            pretrained=pretrained,
            compute=Compute(precision=shared.precision, device=device, cache_bytes=CACHE_BYTES),
        )

    def _finish(self) -> None:
        outcome = self._experiment.score()
        seconds = time.perf_counter() - self._started
        # Nothing is shared between trials, so a trial alone would have taken the same.
        cost = Cost(total_seconds=seconds, standalone_seconds=seconds, peak_memory_mb=peak_mb(self._device))
        write_outcome(Storage(self._shared.storage), self._trial, self._experiment, outcome, cost)


def quiet_read_only_volumes() -> None:
    """Volumes from the object store are read-only, which torch warns of; nothing here writes to them."""
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


def epoch_metrics(result: EpochResult) -> dict[str, float]:
    """An epoch's values by the names that the record has for them."""
    metrics = {
        "epoch": result.report.epoch,
        "train/loss": result.report.loss,
        "train/accuracy": result.report.accuracy,
        "learning_rate": result.report.learning_rate,
    }
    for name, counts in (result.validation or {}).items():
        metrics |= {f"validation/{name}/{metric}": getattr(counts, metric) for metric in METRICS}
    return metrics
