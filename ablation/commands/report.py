"""`python -m ablation.report`: rebuilds tables, figures and the page from what is recorded."""

from pathlib import Path
from typing import Annotated

import typer

from ablation.api import write_report
from ablation.commands import options
from ablation.commands.progress import progress_line
from ablation.commands.terminal import command
from t1t2core.errors import InputError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    space: Annotated[Path, typer.Option("--space", metavar="FILE", help="the search space (YAML)")],
    output: options.Output = Path("runs"),
    tracking_uri: options.TrackingUri = None,
    register: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="register the arm that is best for a class"),
    ] = None,
    robustness: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="first test the arm that is best for a class on changed scans"),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(
            metavar="phantom|DIR|FILE.csv",
            help="for --robustness: the scans  [as recorded]",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URI", help="for --robustness: object storage  [as recorded]"),
    ] = None,
) -> int:
    """Write the report of a search space from the record alone; an unfinished sweep is told as it stands."""
    if robustness is None and (cohort is not None or storage is not None):
        raise InputError("--cohort and --storage are for --robustness CLASS; a report needs the record alone")
    with progress_line() as line:
        page, address = write_report(
            space,
            output=output,
            tracking_uri=tracking_uri,
            register=register,
            robustness=robustness,
            cohort=cohort,
            storage=storage,
            show=line,
        )
    if address:
        print(address)
    print(page)
    return 0
