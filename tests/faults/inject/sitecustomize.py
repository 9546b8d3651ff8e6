"""Goes into the worker processes of a sweep under test (by PYTHONPATH): there it does what a test orders.

The folder named by FAULTS has the orders, one JSON file each, and `steps`, a line for each step of a trial or
of a pretrained network: its name, the epoch and the process. An order names trial and epoch, and what to do
there:

- `hold`: wait until the order is taken away; a file `NAME.held` says that it waits.
- `raise`: raise an error with its `message`, as many `times` as it says.
- `no_memory`: raise the error of a GPU whose memory is full, as many `times` as it says.
- `no_space`: raise the error of a full disk.
"""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(os.environ.get("FAULTS", "/nowhere"))
PREFLIGHT = "preflight"
PATIENCE = "patience"
"""File in the folder: seconds that storage is waited for, in place of minutes."""
AT_THE_END = -1
"""As the epoch of an order: when the trial's files are in storage and the driver does not know it yet."""
POLL_SECONDS = 0.05


def watch_steps(module: ModuleType) -> None:
    """Obeys before each step of a trial."""
    real = module.TrialWork.step

    def step(self: Any) -> dict[str, Any]:
        factors = self._trial.factors
        name = " ".join(str(factors[f]) for f in ("strategy", "tuned_layers") if factors[f] is not None)
        epoch = len(self._history) + 1
        with (FOLDER / "steps").open("a", encoding="utf-8") as steps:
            steps.write(f"{name},{epoch},{os.getpid()}\n")
        obey(name, epoch)
        result: dict[str, Any] = real(self)
        if result["done"]:
            obey(name, AT_THE_END)
        return result

    module.TrialWork.step = step


def watch_trainings(module: ModuleType) -> None:
    """Obeys before each step of the training of a pretrained network."""
    real = module.Training.step

    def step(self: Any) -> dict[str, Any]:
        recipe = self._job.recipe
        name = f"pretrained network {recipe.network.normalisation} {recipe.seed}"
        epoch = len(self._history) + 1
        with (FOLDER / "steps").open("a", encoding="utf-8") as steps:
            steps.write(f"{name},{epoch},{os.getpid()}\n")
        obey(name, epoch)
        result: dict[str, Any] = real(self)
        return result

    module.Training.step = step


def watch_preflight(module: ModuleType) -> None:
    """Obeys before the step that is tried before the first trial."""
    real = module.take_first_step

    def take_first_step(*arguments: Any) -> Any:
        obey(PREFLIGHT, 1)
        return real(*arguments)

    take_first_step.__module__, take_first_step.__qualname__ = module.__name__, "take_first_step"
    module.take_first_step = take_first_step


def shorten_patience(module: ModuleType) -> None:
    """So that a test need not wait for minutes."""
    file = FOLDER / PATIENCE
    if file.exists():
        module.PATIENCE_SECONDS = float(file.read_text(encoding="utf-8"))


def obey(name: str, epoch: int) -> None:
    """Does what is ordered for this step."""
    for file in sorted(FOLDER.glob("*.json")):
        try:
            order = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue  # It was taken away just now.
        if (order["trial"], order["epoch"]) == (name, epoch):
            ACTIONS[order["do"]](file, order)


def hold(file: Path, order: dict[str, Any]) -> None:
    file.with_suffix(".held").write_text(str(os.getpid()), encoding="utf-8")
    while file.exists():
        time.sleep(POLL_SECONDS)


def raise_error(file: Path, order: dict[str, Any]) -> None:
    if _is_due(file, order):
        raise RuntimeError(order["message"])


def no_memory(file: Path, order: dict[str, Any]) -> None:
    import torch

    if _is_due(file, order):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def no_space(file: Path, order: dict[str, Any]) -> None:
    if _is_due(file, order):
        raise OSError(28, "No space left on device", "/full/disk")


ACTIONS: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "hold": hold,
    "raise": raise_error,
    "no_memory": no_memory,
    "no_space": no_space,
}


def _is_due(file: Path, order: dict[str, Any]) -> bool:
    done = file.with_suffix(".times")
    times = int(done.read_text(encoding="utf-8")) if done.exists() else 0
    done.write_text(str(times + 1), encoding="utf-8")
    return times < order["times"]


def pretend_gpus(module: ModuleType) -> None:
    """Computes on the processor what has asked for a GPU that Ray only counts."""
    module.device_for = lambda gpus: "cpu"


CHANGES: dict[str, Callable[[ModuleType], None]] = {
    "ablation.worker.trial": watch_steps,
    "ablation.worker.pretraining": watch_trainings,
    "ablation.worker.first_step": watch_preflight,
    "ablation.store.storage": shorten_patience,
    "ablation.plan.resources": pretend_gpus,
}


class _Changes(MetaPathFinder):
    """Changes modules when they are imported, not before: importing them here would take seconds."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        change = CHANGES.pop(name, None)
        spec = importlib.util.find_spec(name) if change else None
        if change is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Changes())
