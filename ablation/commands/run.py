"""`python -m ablation.run`: runs every trial of a search space, records it, writes the report."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ablation.commands import options
from ablation.commands.terminal import FAILED, INTERRUPTED, command, imported, print_settings, show
from ablation.record.garbage import no_collection
from ablation.space.configuration import describe_settings, resolve_settings
from ablation.space.space import read_space

if TYPE_CHECKING:
    from ablation.api import Sweep, SweepResult
    from ablation.sweep.workspace import Request

log = logging.getLogger(__name__)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    space: options.SpaceFile = None,
    cohort: options.Cohort = "phantom",
    preset: options.Preset = None,
    overrides: options.Overrides = None,
    labels: options.Labels = None,
    output: options.Output = Path("runs"),
    storage: options.StorageUri = None,
    encoder: options.EncoderUri = None,
    pretrained: options.PretrainedFile = None,
    tracking_uri: options.TrackingUri = None,
    address: options.Address = None,
    max_concurrent: options.MaxConcurrent = None,
    plan: options.ShowPlan = False,
    settings: options.ShowSettings = False,
    rerun: options.Rerun = False,
    join: options.Join = False,
) -> int:
    """Run every trial of a search space and record it."""
    if settings:
        print_settings(describe_settings())
        return 0
    if space is None:
        raise typer.BadParameter("a search space is needed, such as --space search_spaces/conservative.yaml")
    given = options.with_labels(overrides, labels)
    # A typo is refused within a second: what runs a sweep takes several to import.
    resolve_settings(preset or "demo", read_space(space).settings, str(space), given)
    request = imported("ablation.sweep.workspace").Request(
        space=space,
        cohort=cohort,
        preset=preset,
        overrides=given,
        output=output,
        storage=storage,
        encoder=encoder,
        pretrained=pretrained,
        tracking_uri=tracking_uri,
        address=address,
        max_concurrent=max_concurrent,
        rerun=rerun,
        join=join,
    )
    return _run(request, only_plan=plan)


def _run(request: "Request", *, only_plan: bool) -> int:
    api = imported("ablation.api")
    with no_collection():  # of many points much comes to be that stays
        sweep = api.Sweep(request)
        if only_plan:
            return _show_plan(sweep)
    with imported("ablation.commands.progress").progress_line() as line:
        result = sweep.run(line)
    return tell(sweep.workspace.request, sweep.workspace.space.name, result)


def _show_plan(sweep: "Sweep") -> int:
    from ablation.plan.tables import render_plan

    frame = sweep.plan()
    if not frame.empty:  # as it is of a search that has sampled nothing yet
        space = sweep.workspace.space
        show(render_plan(frame, space.design, space.name))
    *costs, numbers = sweep.forecast()
    for line in [*costs, *sweep.power(), numbers]:
        print(line)
    return 0


def tell(request: "Request", name: str, result: "SweepResult") -> int:
    """Print what a run came to. Gives the exit status.

    Args:
        name: of the search space.
    """
    from ablation.report.tables.choice import as_chosen
    from ablation.report.tables.summary import render, summarise

    if result.report is not None:
        title = f"{name}: mean test DSC, {as_chosen(result.results)}"
        show(render(summarise(result.results), title, result.sequences))
        for sentence in result.choice:
            print(sentence)
        log.info("report: %s", result.report)
    for trial, cause in result.failed.items():
        log.error("failed: %s: %s", trial, cause)
    if result.stopped:
        log.error("stopped: %s", result.stopped)
    if result.interrupted or result.stopped:
        log.info("re-run the same command to resume: %s", request.command)
    print(result)
    if result.interrupted:
        return INTERRUPTED
    return 0 if result.complete else FAILED
