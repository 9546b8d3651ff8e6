"""The sweep as one would write it from the documentation of Ray Tune, MONAI, PyTorch and MLflow.

What the product is measured against (see `tests.benchmarks.sweep`): the same layers, start, trials, steps
and patches; PyTorch's own modules, a function trainable, an MLflow run a trial, frozen layers by
`requires_grad`, data in memory, float32. It scores Dice, precision and recall only; no surface distances,
checkpoints, or pictures.

    https://docs.ray.io/en/latest/tune/tutorials/tune-run.html
    https://docs.monai.io/en/stable/data.html, inferers.html, losses.html, metrics.html
    https://mlflow.org/docs/latest/ml/tracking/
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import mlflow
import torch
from monai.data import CacheDataset, DataLoader, iter_patch
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.metrics import ConfusionMatrixMetric, DiceMetric
from monai.networks.utils import one_hot
from monai.transforms import EnsureTyped
from ray import tune
from safetensors.torch import load_file

from tests.benchmarks.plain_network import PlainNetwork

CLASSES = 3
EXPERIMENT = "baseline"
VARIED = ("frozen_stages", "t2_train_size", "learning_rate")


def patches_of(heads: list[dict[str, Any]], size: tuple[int, int, int]) -> list[dict[str, Any]]:
    """Patches of the heads' volumes that do not overlap."""
    return [
        {"image": image, "label": label}
        for head in heads
        for (image, _), (label, _) in zip(
            iter_patch(head["image"], (None, *size)), iter_patch(head["label"], (None, *size)), strict=True
        )
    ]


def evaluate(
    network: torch.nn.Module, heads: list[dict[str, Any]], config: dict[str, Any]
) -> dict[str, float]:
    """Dice, precision and recall a class, mean over patients."""
    dice = DiceMetric(reduction="mean_batch")
    confusion = ConfusionMatrixMetric(metric_name=["precision", "recall"], reduction="mean_batch")
    network.eval()
    with torch.no_grad():
        for head in DataLoader(CacheDataset(heads, EnsureTyped(["image", "label"]), progress=False)):
            logits = sliding_window_inference(head["image"], config["patch"], 1, network, overlap=0)
            predicted = one_hot(logits.argmax(1, keepdim=True), CLASSES)
            truth = one_hot(head["label"], CLASSES)
            dice(predicted, truth)
            confusion(predicted, truth)
    precision, recall = confusion.aggregate()
    values = {"dsc": dice.aggregate(), "precision": precision, "recall": recall}
    return {
        f"{name}/{label}": float(value[label]) for name, value in values.items() for label in range(CLASSES)
    }


def freeze(network: PlainNetwork, stages: int) -> None:
    """The first stages keep their weights and their batch norm's statistics."""
    for stage in network.stages[:stages]:
        stage.requires_grad_(False)
        stage.eval()


def train(config: dict[str, Any]) -> None:
    """One trial."""
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    heads = torch.load(config["data"], weights_only=False)
    layout = torch.channels_last_3d if config["channels_last"] else torch.contiguous_format
    network = PlainNetwork(config["width"]).to(memory_format=layout)
    network.load_state_dict(load_file(config["encoder"]))
    data = CacheDataset(
        patches_of(heads["training"][: config["t2_train_size"]], config["patch"]),
        EnsureTyped(["image", "label"]),
        progress=False,
    )
    loader = DataLoader(data, batch_size=config["batch_size"], shuffle=True)
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    freeze(network, config["frozen_stages"])
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=config["learning_rate"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config["learning_rate"], total_steps=config["epochs"] * config["steps_per_epoch"]
    )
    mlflow.set_tracking_uri(config["tracking_uri"])
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run():
        mlflow.log_params({name: config[name] for name in VARIED})
        best, weights = -1.0, network.state_dict()
        batches = itertools.chain.from_iterable(itertools.repeat(loader))
        for epoch in range(1, config["epochs"] + 1):
            network.train()
            freeze(network, config["frozen_stages"])
            total = 0.0
            for batch in itertools.islice(batches, config["steps_per_epoch"]):
                optimiser.zero_grad()
                loss = loss_of(network(batch["image"].to(memory_format=layout)), batch["label"])
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trained, config["gradient_clip"])
                optimiser.step()
                schedule.step()
                total += loss.item()
            metrics = {"train/loss": total / config["steps_per_epoch"]}
            if epoch % config["validate_every"] == 0:
                scores = evaluate(network, heads["validation"], config)
                metrics |= {f"validation/{name}": value for name, value in scores.items()}
                mean = sum(scores[f"dsc/{label}"] for label in range(CLASSES)) / CLASSES
                if mean > best:
                    best, weights = mean, {n: t.clone() for n, t in network.state_dict().items()}
            mlflow.log_metrics(metrics, step=epoch)
            tune.report(metrics)
        network.load_state_dict(weights)
        scores = evaluate(network, heads["test"], config)
        mlflow.log_metrics({f"test/{name}": value for name, value in scores.items()})
        mlflow.pytorch.log_state_dict(weights, "weights")
    tune.report({f"test/{name}": value for name, value in scores.items()})


def main(config: Path) -> None:
    """All trials of a grid, as many at once as there are processors."""
    given = json.loads(config.read_text(encoding="utf-8"))
    mlflow.set_tracking_uri(given["tracking_uri"])
    # Once, before the trials would each make it; else its files would lie where the command was given.
    mlflow.create_experiment(EXPERIMENT, artifact_location=(config.parent / "artifacts").resolve().as_uri())
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={
            name: tune.grid_search(value) if name in VARIED else value for name, value in given.items()
        },
        run_config=tune.RunConfig(storage_path=str(config.parent / "ray"), name="baseline", verbose=1),
    )
    results = tuner.fit()
    if results.errors:
        raise SystemExit(f"{len(results.errors)} trials failed: {results.errors[0]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
