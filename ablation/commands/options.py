"""Options that the commands share, with one name, one meaning and one help text each."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from t1t2core.presets import PresetName

SpaceFile = Annotated[Path | None, typer.Option("--space", metavar="FILE", help="the search space (YAML)")]
Cohort = Annotated[
    str,
    typer.Option(metavar="phantom|DIR|FILE.csv", help="built-in digital heads, a BIDS folder, or a table"),
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="DIR", help="label maps of the cohort, a BIDS derivatives folder"),
]
Preset = Annotated[
    PresetName | None,
    typer.Option(help="sizes of grid, network and training  [demo for the phantom, else paper]"),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="one setting, such as training.max_epochs=3; repeatable"),
]
Output = Annotated[Path, typer.Option(metavar="DIR", help="all that a run writes on this machine")]
StorageUri = Annotated[
    str | None,
    typer.Option(
        "--storage", metavar="URI", help="object storage: a path, s3://..., gs://...  [OUTPUT/store]"
    ),
]
EncoderUri = Annotated[
    str | None,
    typer.Option("--encoder", metavar="URI|DIGEST", help="pretrained network  [one that fits, or a new one]"),
]
PretrainedFile = Annotated[
    Path | None,
    typer.Option(
        "--pretrained",
        metavar="FILE",
        help="weights from elsewhere to start from: safetensors, or a checkpoint of tensors alone",
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(metavar="URI", help="MLflow  [$MLFLOW_TRACKING_URI or sqlite:///OUTPUT/mlflow.db]"),
]
Address = Annotated[
    str | None,
    typer.Option(metavar="local|auto|HOST:PORT", help="Ray cluster  [$RAY_ADDRESS or local]"),
]
Workers = Annotated[
    int, typer.Option(min=1, metavar="N", help="workers that train a network together, by Ray Train")
]
MaxConcurrent = Annotated[int | None, typer.Option(min=1, help="trials at once  [what the resources allow]")]
ShowPlan = Annotated[bool, typer.Option("--plan", help="show what would run, write plan.csv and stop")]
ShowSettings = Annotated[bool, typer.Option("--settings", help="print every setting and stop")]
Join = Annotated[
    bool,
    typer.Option(
        "--join",
        help="share the trials with other commands that have the same output folder",
    ),
]
Rerun = Annotated[bool, typer.Option("--rerun", help="run trials again that are recorded")]


def with_labels(overrides: Iterable[str] | None, labels: Path | None) -> tuple[str, ...]:
    """Return the settings that were given, `--labels` among them."""
    given = () if labels is None else (f"cohort.labels={json.dumps(str(labels))}",)
    return (*(overrides or ()), *given)
