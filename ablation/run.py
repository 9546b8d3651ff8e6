"""`python -m ablation.run`: runs every trial of a search space, records it, writes the report."""

from pathlib import Path
from typing import Annotated

import typer

from ablation.configuration import describe_settings
from ablation.terminal import command, print_settings
from ablation.workflow import run_plan, show_plan
from ablation.workspace import PHANTOM, Request
from t1t2core.presets import PresetName

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    space: Annotated[Path | None, typer.Option(metavar="FILE", help="the search space (YAML)")] = None,
    cohort: Annotated[
        str, typer.Option(metavar="phantom|DIR|FILE.csv", help="built-in heads, a BIDS folder, or a table")
    ] = PHANTOM,
    preset: Annotated[
        PresetName | None,
        typer.Option(help="sizes of grid, network and training  [demo for the phantom, else paper]"),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="one setting, such as training.max_epochs=3"),
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIR", help="all that a run writes on this machine")] = Path(
        "runs"
    ),
    storage: Annotated[
        str | None,
        typer.Option(metavar="URI", help="object storage: a path, s3://..., gs://...  [OUTPUT/store]"),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(metavar="URI|DIGEST", help="T1 network to use  [the one that fits, or a new one]"),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="MLflow  [$MLFLOW_TRACKING_URI or sqlite:///OUTPUT/mlflow.db]"),
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="local|auto|HOST:PORT", help="Ray cluster  [$RAY_ADDRESS or local]")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="trials at once  [what fits]")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="show what would run, write plan.csv and stop")
    ] = False,
    settings: Annotated[bool, typer.Option("--settings", help="print every setting and stop")] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="run recorded trials again")] = False,
) -> int:
    """Run every trial of a search space, record it, write the report."""
    if settings:
        print_settings(describe_settings())
        return 0
    if space is None:
        raise typer.BadParameter("a search space is needed, such as --space search_spaces/conservative.yaml")
    request = Request(
        space=space,
        cohort=cohort,
        preset=preset,
        overrides=tuple(overrides or ()),
        output=output,
        storage=storage,
        encoder=encoder,
        tracking_uri=tracking_uri,
        address=address,
        max_concurrent=max_concurrent,
        rerun=rerun,
    )
    return show_plan(request) if plan else run_plan(request)


if __name__ == "__main__":
    app()
