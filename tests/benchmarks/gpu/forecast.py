"""Hours of the study's search space and trials an hour, from what was measured here."""

from pathlib import Path
from typing import Any

from ablation.space.points import Point, expand
from ablation.space.space import read_space
from t1t2core.preparation.patches import patch_starts
from t1t2core.presets import PRESETS
from t1t2core.strategies import STRATEGIES
from tests.benchmarks.gpu.arms import TRAINED
from tests.benchmarks.gpu.bench import SKIPPED, Bench
from tests.benchmarks.gpu.packing import PART, RATE
from tests.benchmarks.gpu.speed import SCORING, VALIDATION

SPACE = Path(__file__).parents[3] / "search_spaces" / "paper.yaml"
EPOCHS = (80, 200)
"""At which a trial may end: by its early stop, and at most (Sec. 3.5)."""
VALIDATED = 3
"""T2 patients that choose a trial's best epoch."""
T1_TRAINING, T1_VALIDATED = 30, 10
"""Of 50 T1w patients (Table 2)."""
HOUR = 3600.0


def forecast(bench: Bench) -> dict[str, Any]:
    """Hours of `paper.yaml`, one trial after another, and trials of `open` an hour, as many at once."""
    steps = bench.found.get("steps", {})
    if not isinstance(steps, dict) or not all(isinstance(steps.get(n), float) for n in _needed()):
        return {"hours": f"{SKIPPED}: the stage steps has not all of it"}
    points = expand(read_space(SPACE), PRESETS["paper"])
    hours: dict[str, Any] = {
        f"hours of {len(points)} trials of {epochs} epochs": round(
            sum(_trial_seconds(point, epochs, steps) for point in points) / HOUR, 2
        )
        for epochs in EPOCHS
    }
    folds = {point.fold for point in points}
    for epochs in EPOCHS:
        networks = len(folds) * epochs * _epoch(steps["open"], T1_TRAINING, 2, T1_VALIDATED, steps)
        hours[f"hours of {len(folds)} pretrained networks of {epochs} epochs"] = round(networks / HOUR, 2)
    return {**hours, **_trials_an_hour(bench)}


def _needed() -> list[str]:
    return [*TRAINED, VALIDATION, SCORING]


def _trial_seconds(point: Point, epochs: int, steps: dict[str, float]) -> float:
    strategy = STRATEGIES[point.strategy]
    if not strategy.trains:
        return steps[SCORING]
    words = (point.strategy, point.tuned_layers or point.fusion)
    arm = " ".join(str(word) for word in words if word is not None)
    patients = (point.t2_train_size or 0) + (T1_TRAINING if strategy.trains_on_t1 else 0)
    validated = VALIDATED + (T1_VALIDATED if strategy.trains_on_t1 else 0)
    batch = strategy.training(point, PRESETS["paper"]).batch_size
    return epochs * _epoch(steps[arm], patients, batch, validated, steps) + steps[SCORING]


def _epoch(step_ms: float, patients: int, batch: int, validated: int, steps: dict[str, float]) -> float:
    """Seconds of an epoch."""
    paper = PRESETS["paper"]
    patches = len(patch_starts(paper.preparation.grid, paper.training.patch, paper.training.stride))
    return -(-patients * patches // batch) * step_ms / 1000 + validated * steps[VALIDATION]


def _trials_an_hour(bench: Bench) -> dict[str, Any]:
    packed = bench.found.get("packing", {})
    rates = {n: row[RATE] for n, row in packed.items() if isinstance(row, dict) and RATE in row}
    return {
        f"trials of {epochs} epochs an hour, {name}": round(HOUR * rate / (PART * epochs), 1)
        for epochs in EPOCHS
        for name, rate in rates.items()
    }
