"""Trials in a real record, finished without having been run: tests choose their networks and scores."""

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from torch import Tensor

from ablation.models.registry import Card
from ablation.names import PLAN_FILE
from ablation.plan.recipe import EncoderRecipe, t1_network
from ablation.record.ledger import Ledger
from ablation.record.settings import SETTINGS_FILE, pack_settings, shortened_params
from ablation.store.pretrained import EncoderStore
from t1t2core.network.base import Network
from t1t2core.network.weights import pack_weights
from t1t2core.preparation.prepare import PREPARATION_VERSION
from t1t2core.settings import Fusion, NetworkSettings, PreparationSettings, Settings
from t1t2core.settings.classes import STUDY_CLASSES
from t1t2core.strategies import STRATEGIES, Factors, StrategyName, TunedLayers
from t1t2core.version import SCIENCE_VERSION
from tests.builders.heads import make_training, pretrained_state

SMALL = Settings(
    preparation=PreparationSettings(grid=(32, 40, 24), voxel_mm=(6.0, 6.0, 6.0)),
    network=NetworkSettings(width=4),
    training=make_training(patch=(16, 24, 16), stride=(16, 16, 8)),
    pretraining=make_training(patch=(16, 24, 16), stride=(16, 16, 8)),
)
"""Some hundred milliseconds a head."""
CARD = Card(
    classes=STUDY_CLASSES,
    space="conservative",
    sequence="T2w",
    arm="conservative 9",
    chosen_for="bone",
    cohort="20 digital heads",
    simulated=True,
    scores={"validation": {"bone": 0.61, "air": 0.97}, "test": {"bone": 0.583}},
    data={"cohort_fingerprint": "heads"},
)
"""Of a trial as `record_trial` records it."""


def publish_encoder(encoders: EncoderStore, *, seed: int = 5, settings: Settings = SMALL) -> str:
    """Digest of a pretrained network that learnt a little."""
    recipe = EncoderRecipe(
        cohort_fingerprint="heads",
        training=(f"P{seed}",),
        validation=(),
        preparation=settings.preparation,
        network=t1_network(settings.network),
        pretraining=settings.pretraining,
        precision="float32",
        preparation_version=PREPARATION_VERSION,
        science=SCIENCE_VERSION,
    )
    return encoders.publish(_trained_on_t1(settings.network.width, seed), recipe, {})


@cache
def _trained_on_t1(width: int, seed: int) -> dict[str, Tensor]:
    """Once for all tests of a file."""
    return pretrained_state(NetworkSettings(width=width), seed=seed)


def tuned_network(
    encoders: EncoderStore,
    digest: str,
    strategy: StrategyName,
    tuned_layers: TunedLayers | None = None,
    *,
    settings: Settings = SMALL,
    seed: int = 1,
) -> Network:
    """A network that differs from the pretrained network in what its strategy trains."""
    starts_pretrained = STRATEGIES[strategy].starts_pretrained
    pretrained = encoders.fetch(digest, settings.network).weights if starts_pretrained else None
    fusion: Fusion | None = "average" if strategy == "hybrid" else None
    factors = Factors(strategy=strategy, tuned_layers=tuned_layers, fusion=fusion, seed=seed)
    network = STRATEGIES[strategy].build(factors, settings.network, pretrained=pretrained)
    for tensor in network.trained_state().values():
        if tensor.is_floating_point():
            tensor.mul_(1 + 0.01 * seed)
    return network


def record_trial(
    ledger: Ledger,
    network: Network | None = None,
    *,
    space: str = "conservative",
    strategy: StrategyName = "conservative",
    tuned_layers: TunedLayers | None = 9,
    encoder: str = "",
    fold: int = 1,
    rate: float | None = 1e-3,
    dice: float | Mapping[str, float] = 0.5,
    sequences: tuple[str, ...] = ("T2",),
    plan: str = "plan",
    settings: Settings = SMALL,
    fingerprint: str = "heads",
    command: str = "",
    scores: list[dict[str, object]] | None = None,
    size: int = 8,
) -> str:
    """Run of a finished trial whose validation Dice is (nearly) `dice`, of all classes or by class.

    Args:
        fingerprint: of the cohort.
        command: that ran the plan.
        scores: those of its patients, in place of such with this Dice.
        size: of the training set.
    """
    experiment = ledger.experiment(space)
    parent = ledger.open_plan(experiment, plan, space, {"command": command})
    factors = {
        "strategy": strategy,
        "tuned_layers": tuned_layers,
        "fusion": "average" if strategy == "hybrid" else None,
        "t2_train_size": None if strategy == "no_fine_tuning" else size,
        "learning_rate": rate,
        "fold": fold,
        "seed": 0,
    }
    params = {name: value for name, value in factors.items() if value is not None}
    params |= shortened_params(settings)
    key = "-".join(map(str, (space, plan, *factors.values())))
    tags = {"trial_key": key, "encoder_digest": encoder, "cohort_fingerprint": fingerprint}
    run = ledger.start_trial(experiment, parent, f"{strategy} fold={fold}", params=params, tags=tags)
    with tempfile.TemporaryDirectory() as folder:
        trained = {} if network is None else network.trained_state()
        content = pack_weights(trained, {"encoder_digest": encoder})
        (Path(folder) / "weights.safetensors").write_bytes(content)
        (Path(folder) / SETTINGS_FILE).write_bytes(pack_settings(settings))
        (Path(folder) / "scores.json").write_text(json.dumps(scores or _scores(dice, sequences)))
        metrics = {f"time/{name}": 1.0 for name in ("epochs", "seconds_per_epoch", "total_seconds")}
        metrics |= {"time/standalone_seconds": 1.0}
        ledger.finish_trial(run, metrics, {"stop_reason": "max_steps"}, Path(folder), at=0.0)
    planned = (ledger.read_file(parent, PLAN_FILE) or b"trial_key,t2_train_size,fold,seed\n").decode()
    ledger.keep_files(parent, {PLAN_FILE: f"{planned}{key},{size},{fold},0\n".encode()})
    ledger.close_plan(parent, "FINISHED", "")
    return run


def _scores(dice: float | Mapping[str, float], sequences: tuple[str, ...]) -> list[dict[str, object]]:
    of_class = dice if isinstance(dice, Mapping) else {}
    counts = {}
    for name in ("bone", "soft_tissue", "air", "internal_air"):
        hits = round(1000 * of_class.get(name, 0.5 if of_class else dice))  # type: ignore[arg-type]
        counts[name] = {"tp": hits, "fp": 1000 - hits, "fn": 1000 - hits}
    common = {"weights": "best", "surface": None, "counts": counts}
    return [
        {**common, "split": split, "patient": patient, "sequence": sequence}
        for split, patient in (("validation", "P02"), ("test", "P01"))
        for sequence in sequences
    ]
