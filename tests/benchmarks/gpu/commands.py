"""The product's own command: on shares of a card, on none of it, and where it is full."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablation.names import GPUS, KIND, KIND_TRIAL, OUT_OF_MEMORY, PRECISION
from tests.benchmarks.gpu.arms import GIB
from tests.benchmarks.gpu.bench import BAD, SKIPPED, Bench

ROOT = Path(__file__).parents[3]
SPACE = """
name: {name}
arms: [{arms}]
t2_train_size: [2]
learning_rate: [1.0e-2]
folds: [1]
cohort: {{phantom_subjects: 6, phantom_t2w: 4, phantom_voxel_mm: 4.0}}
evaluation: {{pictures: 0}}
recovery: {{checkpoint_seconds: 0}}
resources: {{gpus: {gpus}}}
"""
FULL = """
preparation: {grid: [32, 40, 24], voxel_mm: [5.5, 5.5, 6.0]}
network: {width: 8}
pretraining: {patch: [32, 40, 24], stride: [32, 40, 24], max_epochs: null, max_steps: 48}
training: {patch: [32, 40, 24], stride: [32, 40, 24], max_epochs: null, max_steps: 48, steps_per_epoch: 8}
"""
TINY = """
preparation: {grid: [16, 24, 16], voxel_mm: [11.0, 10.0, 11.0]}
network: {width: 2}
pretraining: {patch: [16, 24, 16], stride: [16, 24, 16], max_epochs: null, max_steps: 4}
training: {patch: [16, 24, 16], stride: [16, 24, 16], max_epochs: null, max_steps: 4}
"""
"""As `search_spaces/smoke.yaml` has them."""
ARMS = (
    "{strategy: no_fine_tuning}",
    "{strategy: conservative, tuned_layers: [fc, 9, 18]}",
    "{strategy: open}",
    "{strategy: hybrid, fusion: [concatenation, multiplication]}",
    "{strategy: norm_adaptation}",
)
FEW_ARMS = ("{strategy: conservative, tuned_layers: [fc]}",)
CROWDED_ARMS = ("{strategy: conservative, tuned_layers: [6, 9, 18]}", "{strategy: open}")
NO_RUNS = f"{SKIPPED}: --runs names no output folder with prepared volumes"
LIMIT_SECONDS = 300.0
UNTOUCHED = 200e6
"""Bytes: what a process takes that only opens the card is more."""
LEFT_FREE = 3 * GIB // 2
"""Of a crowded card: room for one process that opens it, and not for four."""
CROWDED_SECONDS = 45.0
"""After which a crowded card is emptied at the latest."""


def product(bench: Bench) -> dict[str, Any]:
    """A sweep on shares of the card; the same again, when nothing runs; and one that is to use no GPU."""
    if bench.runs is None:
        return {"all": NO_RUNS}
    with tempfile.TemporaryDirectory(prefix="gpu-") as temporary:
        shared, alone = Path(temporary, "shared"), Path(temporary, "alone")
        for folder in (shared, alone):
            shutil.copytree(bench.runs, folder)
        cases: dict[str, Callable[[], Any]] = {
            "on shares of the card": partial(_sweep, bench, shared, "auto"),
            "again": partial(_sweep, bench, shared, "auto", again=True),
            "without a GPU": partial(_sweep, bench, alone, "0"),
        }
        return bench.parts(cases, needs=40)


def prepare(output: Path) -> int:
    """Make volumes and the pretrained network of the stages product and crowded; gives the exit status."""
    output.mkdir(parents=True, exist_ok=True)
    file = output / "space.yaml"
    file.write_text(SPACE.format(name="gpu", arms=", ".join(ARMS), gpus="0") + FULL, encoding="utf-8")
    command = [sys.executable, "-m", "ablation.pretrain", "--space", str(file), "--output", str(output)]
    return subprocess.run(command, check=False).returncode


def _sweep(bench: Bench, output: Path, gpus: str, *, again: bool = False) -> dict[str, Any]:
    """What a sweep came to, and the card's memory that it took."""
    before = _used(bench.device)
    with _watched(bench.device) as most:
        found = _run(bench, output, _space(bench, "gpu", FEW_ARMS if bench.rehearsal else ARMS, gpus))
    found["card, MB"] = round((most() - before) / 1e6)
    trials = found["trials"]
    wrong = found["status"] != 0
    if again:
        wrong |= found["reused"] != len(trials)
    if bench.device == "cuda" and gpus == "auto":
        wrong |= not all(0 < float(trial.get(GPUS, 0)) <= 1 for trial in trials)
    if bench.device == "cuda" and gpus == "0":
        wrong |= most() - before > UNTOUCHED
    return {**found, BAD: wrong or not trials}


def crowded(bench: Bench) -> dict[str, Any]:
    """Trials that find the card full get a larger share of it, and finish once there is room."""
    if bench.runs is None:
        return {"all": NO_RUNS}
    with tempfile.TemporaryDirectory(prefix="gpu-") as temporary:
        output = Path(temporary, "crowded")
        shutil.copytree(bench.runs, output)
        space = _space(bench, "crowded", FEW_ARMS if bench.rehearsal else CROWDED_ARMS, "0.25")
        if bench.rehearsal:
            space = space.replace("gpus: 0.25", "gpus: 0")
        with _filled(bench.device, output / "mlflow.db"):
            found = _run(bench, output, space)
    tried_again = sum(OUT_OF_MEMORY in trial for trial in found["trials"])
    return {**found, "tried again with more": tried_again, BAD: ["status"] if found["status"] else []}


def _space(bench: Bench, name: str, arms: tuple[str, ...], gpus: str) -> str:
    return SPACE.format(name=name, arms=", ".join(arms), gpus=gpus) + (TINY if bench.rehearsal else FULL)


def _run(bench: Bench, output: Path, space: str) -> dict[str, Any]:
    """Give the command; what it printed last, and what the record has of its trials."""
    file = output / "space.yaml"
    file.write_text(space, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = time.monotonic()
    limit = LIMIT_SECONDS if bench.rehearsal else max(20.0, min(LIMIT_SECONDS, bench.left))
    done = subprocess.run(
        [sys.executable, "-m", "ablation.run", "--space", str(file), "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
        timeout=limit,
        env={**os.environ, "PYTHONPATH": path},
    )
    last = (done.stdout.strip().splitlines() or [""])[-1]
    reused = re.search(r"\((\d+) reused\)", last)
    told = [line for line in done.stderr.splitlines() if re.search("GPU|fail|memory", line)]
    return {
        "status": done.returncode,
        "seconds": round(time.monotonic() - started, 1),
        "last": last,
        "reused": int(reused[1]) if reused else 0,
        "told": told[:5],
        "trace": done.stderr[-1500:] if done.returncode else "",
        "trials": _tags(output / "mlflow.db"),
    }


def _tags(database: Path) -> list[dict[str, str]]:
    """Of each trial in a record: its share of a GPU, its arithmetic, and whether its memory ran out."""
    trials: dict[str, dict[str, str]] = {}
    for run, name, value in _rows(database):
        trials.setdefault(run, {})[name] = value
    wanted = (GPUS, PRECISION, OUT_OF_MEMORY)
    return [
        {name: tags[name] for name in wanted if name in tags}
        for tags in trials.values()
        if tags.get(KIND) == KIND_TRIAL
    ]


def _rows(database: Path) -> list[tuple[str, str, str]]:
    """Run, name and value of each tag; none where there is no record yet, or it is being written."""
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as record:
            return record.execute("select run_uuid, key, value from tags").fetchall()
    except sqlite3.OperationalError:
        return []


def _used(device: str) -> int:
    """Bytes of the card that are in use, by whomever."""
    if device == "cpu":
        return 0
    free, there = torch.cuda.mem_get_info()
    return there - free


@contextmanager
def _watched(device: str) -> Iterator[Callable[[], int]]:
    """Look at the card again and again; gives a function that tells the most that was in use."""
    most, over = _used(device), threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.1):
            most = max(most, _used(device))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield lambda: most
    finally:
        over.set()
        watcher.join()


@contextmanager
def _filled(device: str, database: Path) -> Iterator[None]:
    """Fill the card until a trial has run out of memory, and for some time at most."""
    held: list[Tensor] = []
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        held.append(torch.empty(max(0, free - LEFT_FREE), dtype=torch.uint8, device=device))
    over = threading.Event()

    def give_back() -> None:
        end = time.monotonic() + CROWDED_SECONDS
        while time.monotonic() < end and not over.wait(0.5):
            if any(name == OUT_OF_MEMORY for _, name, _ in _rows(database)):
                break
        held.clear()
        if device == "cuda":
            torch.cuda.empty_cache()

    keeper = threading.Thread(target=give_back)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
