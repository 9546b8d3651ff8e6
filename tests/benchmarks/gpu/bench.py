"""A run of the benchmark: its sizes, the time that is left, and the file that it fills."""

import gc
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from t1t2core.presets import PRESETS
from t1t2core.settings import NetworkSettings, Precision, Settings, Shape, TrainingSettings
from tests.builders.heads import make_training

FILE = "gpu.json"
REHEARSAL = "on a CPU, with tiny volumes: it shows that the program runs, and nothing else"
SKIPPED = "skipped"
"""How what was not done begins, in place of figures."""
BAD = "bad"
"""In a stage's figures: names of what is not as it has to be."""
ERROR = "error"
SHOWN = 1500
"""Characters of a stage's figures that are printed."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is computed.

    Args:
        paper: settings at which speed and memory are measured.
        precision: in which speed is measured.
        small: settings at which whole trainings are run.
        grid: voxels of a volume of `paper`.
        side: of the volumes that single operations are tried on.
        warm: steps before a time is taken: batch norm is only settled after eleven.
        steps: that are timed together.
        rounds: of them.
        agreement_steps: of a training that is compared between devices.
        matrix: rows of the matrices whose product is timed.
    """

    paper: Settings
    precision: Precision
    small: Settings
    grid: Shape
    side: Shape
    warm: int
    steps: int
    rounds: int
    agreement_steps: int
    matrix: int


def full_sizes() -> Sizes:
    """Those of the paper preset."""
    paper = PRESETS["paper"]
    return Sizes(
        paper=paper,
        precision="bfloat16",
        small=_small((64, 64, 32), width=16, steps=8),
        grid=paper.preparation.grid,
        side=(48, 32, 32),
        warm=12,
        steps=6,
        rounds=5,
        agreement_steps=48,
        matrix=8192,
    )


def rehearsal_sizes() -> Sizes:
    """As small as they can be; in bfloat16 a CPU needs patches of 24 voxels."""
    small = _small((24, 8, 8), width=4, steps=2)
    paper = PRESETS["paper"]
    training = replace(paper.training, patch=(24, 8, 8), stride=(24, 8, 8))
    tiny = replace(paper, network=small.network, training=training, pretraining=training)
    return Sizes(
        paper=tiny,
        precision="float32",
        small=small,
        grid=(24, 16, 8),
        side=(16, 8, 8),
        warm=1,
        steps=1,
        rounds=1,
        agreement_steps=2,
        matrix=64,
    )


def _small(patch: Shape, *, width: int, steps: int) -> Settings:
    training = make_training(
        patch=patch,
        stride=patch,
        max_epochs=None,
        max_steps=steps,
        steps_per_epoch=steps // 2,
        gradient_clip=1.0,
    )
    return Settings(network=NetworkSettings(width=width), training=training, pretraining=training)


@dataclass
class Bench:
    """What was found so far, and what may still be done.

    Args:
        out: folder of `gpu.json`.
        end: moment at which the time is over, by `time.monotonic`.
        rehearsal: all on a CPU, with tiny volumes.
        runs: an output folder with prepared volumes, which the product's commands start from.
    """

    out: Path
    end: float
    rehearsal: bool
    runs: Path | None = None
    found: dict[str, Any] = field(default_factory=dict)
    _stage: str = ""

    def __post_init__(self) -> None:
        self.device = "cpu" if self.rehearsal else "cuda"
        self.sizes = rehearsal_sizes() if self.rehearsal else full_sizes()
        self.found = {"rehearsal": REHEARSAL if self.rehearsal else False, "seconds": {}}

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.end - time.monotonic()

    def stage(self, name: str, needs: float, work: Callable[[], dict[str, Any]]) -> None:
        """Do a stage if there is time for it, and write down what it finds."""
        self._stage, started = name, time.monotonic()
        found = self._guarded(work, needs)
        # What a stage had when it failed stays.
        self.found[name] = {**self.found.get(name, {}), **found} if isinstance(found, dict) else found
        self.found["seconds"][name] = round(time.monotonic() - started, 1)
        self.write()
        print(f"{name}: {json.dumps(self.found[name], default=str)[:SHOWN]}", flush=True)

    def parts(self, cases: Mapping[str, Callable[[], Any]], *, needs: float = 1.0) -> dict[str, Any]:
        """Do the parts of a stage, each if there is time for it, and write down each as it is found.

        A part that is not as it has to be says so under `BAD`; the stage then names it.

        Args:
            needs: seconds of one of them.
        """
        found: dict[str, Any] = {}
        for name, work in cases.items():
            found[name] = self._guarded(work, needs)
            self.found[self._stage] = found
            self.write()
        bad = [name for name, part in found.items() if isinstance(part, dict) and part.get(BAD)]
        return {**found, BAD: bad} if bad else found

    def conclude(self) -> bool:
        """Write down what failed, what is wrong and what was skipped; give whether all is well."""
        stages = {name: value for name, value in self.found.items() if name not in ("rehearsal", "seconds")}
        verdict = {
            "errors": sorted(_paths(stages, lambda name, _: name == ERROR)),
            BAD: {n: v[BAD] for n, v in stages.items() if isinstance(v, dict) and v.get(BAD)},
            SKIPPED: sorted(_paths(stages, lambda _, value: str(value).startswith(SKIPPED))),
        }
        self.found["verdict"] = verdict
        self.write()
        print(f"verdict: {json.dumps(verdict)}", flush=True)
        return not verdict["errors"] and not verdict[BAD]

    def write(self) -> None:
        """Write the file anew, so that a run which is cut off leaves what it had."""
        text = json.dumps(self.found, indent=1, default=str)
        (self.out / FILE).write_text(text, encoding="utf-8")

    def _guarded(self, work: Callable[[], Any], needs: float) -> Any:
        """What the work gives, or why there is nothing of it."""
        if not self.rehearsal and self.left < needs:
            return f"{SKIPPED}: {self.left:.0f} s left, needs {needs:.0f}"
        try:
            return work()
        except Exception as error:
            return {ERROR: repr(error)[:SHOWN], "traceback": traceback.format_exc()[-SHOWN:]}
        finally:
            free(self.device)


def free(device: str) -> None:
    """Give back the memory of what is not used any more."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def with_steps(settings: TrainingSettings, steps: int) -> TrainingSettings:
    """The training with so many steps an epoch."""
    return replace(settings, steps_per_epoch=steps)


def _paths(tree: Mapping[str, Any], chosen: Callable[[str, Any], bool], above: str = "") -> list[str]:
    """Names of what is chosen, with the names above it; of an error those of what has it."""
    found = []
    for name, value in tree.items():
        if chosen(name, value):
            found.append(above if name == ERROR else f"{above}/{name}".lstrip("/"))
        elif isinstance(value, Mapping):
            found += _paths(value, chosen, f"{above}/{name}".lstrip("/"))
    return found
