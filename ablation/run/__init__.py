"""`python -m ablation.run`: runs every trial of a search space, records it, writes the tables."""

from pathlib import Path

import typer

from ablation import options
from ablation.configuration import describe_settings
from ablation.terminal import command, print_settings
from ablation.workflow import run_plan, show_plan
from ablation.workspace import PHANTOM, Request

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    space: options.SpaceFile = None,
    cohort: options.Cohort = PHANTOM,
    preset: options.Preset = None,
    overrides: options.Overrides = None,
    output: options.Output = Path("runs"),
    storage: options.StorageUri = None,
    encoder: options.EncoderUri = None,
    tracking_uri: options.TrackingUri = None,
    address: options.Address = None,
    max_concurrent: options.MaxConcurrent = None,
    plan: options.ShowPlan = False,
    settings: options.ShowSettings = False,
    rerun: options.Rerun = False,
) -> int:
    """Run every trial of a search space and record it."""
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
