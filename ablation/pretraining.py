"""The T1 networks that a run's trials start from: found in storage, or trained and published."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch

from ablation.encoder_store import EncoderRecipe, EncoderStore
from ablation.memory import peak_mb, reset_peak
from ablation.outcome import score_metrics
from ablation.trial import Fetched, quiet_read_only_volumes
from t1t2core.settings import Settings
from t1t2core.training.compute import Compute
from t1t2core.trial import pretraining_experiment

SEED = 0
"""Of the T1 network's start and the order of its patches; the study reports one T1 network."""
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Pretrained:
    """A trained T1 network, on its way to storage."""

    recipe: EncoderRecipe
    weights: dict[str, np.ndarray]
    results: dict[str, Any]


def ensure_encoders(
    recipes: Sequence[EncoderRecipe],
    store: EncoderStore,
    subjects: Mapping[str, ray.ObjectRef],
    request: Mapping[str, float],
    say: Callable[[str], None],
) -> dict[EncoderRecipe, str]:
    """Digests of these T1 networks; those that storage lacks are trained, side by side, and published."""
    digests = {recipe: digest for recipe in recipes if (digest := store.find(recipe))}
    missing = [recipe for recipe in recipes if recipe not in digests]
    if missing:
        say(f"T1 networks to train: {len(missing)}; later runs reuse what is trained now")
    remote = ray.remote(num_cpus=request["cpu"], num_gpus=request["gpu"], max_retries=2)(pretrain)
    pending = [remote.remote(recipe, dict(subjects), int(request["cpu"])) for recipe in missing]
    while pending:
        done, pending = ray.wait(pending, timeout=POLL_SECONDS)
        for trained in ray.get(done):
            weights = {name: torch.from_numpy(array.copy()) for name, array in trained.weights.items()}
            # Another driver may have published one meanwhile; all trials are to start from the same.
            digest = store.find(trained.recipe) or store.publish(weights, trained.recipe, trained.results)
            digests[trained.recipe] = digest
            dice = trained.results["scores"]
            say(f"T1 network {digest[:12]}: validation DSC on T1, " + _dice(dice))
    return digests


def pretrain(recipe: EncoderRecipe, subjects: Mapping[str, ray.ObjectRef], threads: int) -> Pretrained:
    """Trains a T1 network from scratch (Sec. 3.5), by the same path as every trial."""
    started = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(max(1, threads))
    quiet_read_only_volumes()
    reset_peak(device)
    settings = Settings(
        preparation=recipe.preparation, network=recipe.network, pretraining=recipe.pretraining
    )
    experiment = pretraining_experiment(
        recipe.training,
        recipe.validation,
        Fetched(subjects),
        settings,
        seed=SEED,
        compute=Compute(precision=recipe.precision, device=device),
    )
    while not experiment.finished:
        experiment.run_epoch()
    outcome = experiment.score()
    results = {
        "scores": score_metrics(outcome.scores),
        "stop_reason": outcome.stop_reason,
        "epochs": outcome.epochs,
        "total_seconds": time.perf_counter() - started,
        "peak_memory_mb": peak_mb(device),
    }
    weights = {name: tensor.cpu().numpy() for name, tensor in outcome.weights.items()}
    return Pretrained(recipe, weights, results)


def _dice(scores: Mapping[str, float]) -> str:
    names = {"bone": "bone", "soft_tissue": "soft tissue", "air": "air"}
    found = {label: scores.get(f"best_validation_T1/{name}/dsc") for name, label in names.items()}
    return ", ".join(f"{label} {'undefined' if v is None else f'{v:.3f}'}" for label, v in found.items())
