"""`python -m ablation.report`: rebuilds tables, figures and the page from what is recorded."""

from pathlib import Path
from typing import Annotated

import typer

from ablation.api import write_report
from ablation.commands import options
from ablation.commands.terminal import command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    space: Annotated[Path, typer.Option("--space", metavar="FILE", help="the search space (YAML)")],
    output: options.Output = Path("runs"),
    tracking_uri: options.TrackingUri = None,
    register: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="register the arm that is best for bone, soft_tissue or air"),
    ] = None,
) -> int:
    """Write the report of a search space from the record alone; an unfinished sweep is told as it stands."""
    page, address = write_report(space, output=output, tracking_uri=tracking_uri, register=register)
    if address:
        print(address)
    print(page)
    return 0
