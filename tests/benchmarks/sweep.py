"""`python -m tests.benchmarks.sweep`: the product's sweep against `tests.benchmarks.baseline`, in turns.

Both are timed as whole commands, imports and start of Ray included, with the volumes prepared and the
pretrained network trained beforehand: 28 trials (7 depths, 2 and 8 patients, 2 learning rates, one fold),
demo preset.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow import MlflowClient

from ablation.plan.plan import make_plan, recipes_of
from ablation.store.volumes import prepare_cohort
from ablation.sweep.workspace import Request, Workspace, open_workspace
from t1t2core.network.architectures import stages_before
from t1t2core.preparation.prepare import PreparedScan

DEPTHS = ("fc", 3, 6, 9, 12, 15, 18)
SIZES = (2, 8)
RATES = (1e-2, 1e-3)
SPACE = f"""
name: speed
arms: [{{strategy: conservative, tuned_layers: [{", ".join(map(str, DEPTHS))}]}}]
t2_train_size: {list(SIZES)}
learning_rate: {list(RATES)}
folds: [1]
resources: {{cpus: 1}}
"""


def product(workspace: Workspace) -> float:
    """Seconds of the product's command."""
    request = workspace.request
    options = ["--space", str(request.space), "--cohort", request.cohort, "--preset", "demo"]
    return _timed("ablation.run", *options, "--output", str(request.output), "--rerun")


def baseline(workspace: Workspace, folder: Path, *, channels_last: bool) -> float:
    """Seconds of the baseline's command."""
    config = folder / "config.json"
    config.write_text(
        json.dumps({**_config(workspace, folder), "channels_last": channels_last}), encoding="utf-8"
    )
    return _timed("tests.benchmarks.baseline", str(config))


def product_dice(workspace: Workspace) -> float:
    """Mean bone Dice over the trials, test patients, best weights."""
    table = pd.read_csv(workspace.folder / "results.csv")
    chosen = (table["split"] == "test") & (table["weights"] == "best") & (table["class"] == "bone")
    return float(table[chosen]["dsc"].mean())


def baseline_dice(folder: Path) -> float:
    """The same; of its patients' Dice the mean."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=1000)
    return float(
        np.mean([run.data.metrics["test/dsc/2"] for run in runs if "test/dsc/2" in run.data.metrics])
    )


def _config(workspace: Workspace, folder: Path) -> dict[str, Any]:
    training = workspace.settings.training
    trial = make_plan(
        workspace.points,
        workspace.study,
        workspace.known_encoders(recipes_of(workspace.points, workspace.study)),
    )[0]
    assert trial.encoder is not None
    assert training.max_steps
    assert training.steps_per_epoch
    encoder = folder / "encoder.safetensors"
    encoder.write_bytes(workspace.storage.read(f"encoders/{trial.encoder}.safetensors"))
    subjects = prepare_cohort(
        workspace.cohort, workspace.settings.preparation, workspace.storage, lambda *_: None
    )
    roles = {
        "training": trial.split.t2_training(max(SIZES)),
        "validation": trial.split.t2.validation,
        "test": trial.split.t2.test,
    }
    heads = {role: [_head(subjects[name].scan("T2")) for name in names] for role, names in roles.items()}
    torch.save(heads, folder / "heads.pt")
    return {
        "frozen_stages": [stages_before(0 if depth == "fc" else int(depth)) for depth in DEPTHS],
        "t2_train_size": list(SIZES),
        "learning_rate": list(RATES),
        "seed": 0,
        "data": str(folder / "heads.pt"),
        "encoder": str(encoder),
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
        "width": workspace.settings.network.width,
        "patch": training.patch,
        "batch_size": training.batch_size,
        "gradient_clip": training.gradient_clip,
        "steps_per_epoch": training.steps_per_epoch,
        "epochs": training.max_steps // training.steps_per_epoch,
        "validate_every": training.validate_every,
    }


def _head(scan: PreparedScan) -> dict[str, np.ndarray]:
    """A volume and its labels, (1, X, Y, Z); what the CT never saw is air: the loss cannot ignore it."""
    labels = np.where(scan.labels == 255, 0, scan.labels)
    return {"image": scan.image[None], "label": labels[None].astype(np.int64)}


def _timed(module: str, *arguments: str) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if done.returncode:
        raise SystemExit(
            f"{module} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return time.perf_counter() - started


def say(turn: int, who: str, seconds: dict[str, list[float]], dice: float) -> None:
    """Prints a run's line."""
    print(f"{turn + 1}: {who} {seconds[who][-1]:.1f} s, mean bone Dice {dice:.3f}", flush=True)


def main() -> None:
    """Prints a line a run, then medians and their ratio; with --json writes them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sweep", description=__doc__)
    parser.add_argument("--cohort", default="phantom")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=Path, help="kept and used again; else a temporary folder")
    parser.add_argument("--channels-last", action="store_true", help="of the baseline's network and images")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="speed-") as temporary:
        folder = (given.output or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        space = folder / "speed.yaml"
        space.write_text(SPACE, encoding="utf-8")
        request = Request(space=space, cohort=given.cohort, preset="demo", output=folder / "runs")
        options = ["--space", str(space), "--cohort", given.cohort, "--preset", "demo"]
        _timed("ablation.pretrain", *options, "--output", str(request.output))
        workspace = open_workspace(request)
        seconds: dict[str, list[float]] = {"product": [], "baseline": []}
        for turn in range(given.repeats):
            with tempfile.TemporaryDirectory(prefix="baseline-") as own:
                seconds["product"].append(product(workspace))
                say(turn, "product", seconds, product_dice(workspace))
                seconds["baseline"].append(baseline(workspace, Path(own), channels_last=given.channels_last))
                say(turn, "baseline", seconds, baseline_dice(Path(own)))
        medians = {who: median(taken) for who, taken in seconds.items()}
        ratio = medians["baseline"] / medians["product"]
        print(f"baseline {medians['baseline']:.1f} s, product {medians['product']:.1f} s: {ratio:.2f} times")
        if given.json:
            found = {"seconds": seconds, "ratio": ratio, "processors": os.cpu_count()}
            given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
