"""`python -m ablation.report`: rebuilds tables, figures and the page from what is recorded."""

from pathlib import Path
from typing import Annotated

import typer

from ablation import options
from ablation.ledger import open_record
from ablation.report.plan_record import read_plan
from ablation.report.write import PAGE, write_report
from ablation.space import read_space
from ablation.terminal import command, start
from ablation.winner import register_winner

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
    name = read_space(space).name
    ledger = open_record(output, tracking_uri)
    plan = read_plan(ledger, name, space)
    write_report(ledger, plan, output / name)
    if register is not None:
        print(register_winner(ledger, plan, register))
    print(output / name / "report" / PAGE)
    return 0


if __name__ == "__main__":
    start(app)
