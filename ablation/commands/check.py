"""`python -m ablation.check`: looks at a cohort, or a network of your own, before anything is spent."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ablation.commands import options
from ablation.commands.terminal import BAD_INPUT, FAILED, command, imported, show
from t1t2core.network.about import about_network
from t1t2core.settings import SOURCE, TARGET

if TYPE_CHECKING:
    from ablation.api import CohortCheck

MOST_COLUMNS = 10
"""Of the table on the terminal; where there are more, volumes are in the file and on the page alone."""

log = logging.getLogger(__name__)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    cohort: Annotated[
        str | None, typer.Option(metavar="phantom|DIR|FILE.csv", help="the cohort: a BIDS folder, or a table")
    ] = None,
    network: Annotated[
        str | None, typer.Option(metavar="PACKAGE.MODULE:CLASS", help="as network.architecture names it")
    ] = None,
    width: Annotated[int, typer.Option(min=1, help="of that network, as network.width")] = 8,
    space: options.SpaceFile = None,
    preset: options.Preset = None,
    overrides: options.Overrides = None,
    labels: options.Labels = None,
    output: options.Output = Path("runs"),
) -> int:
    """Look at all that a run would refuse in a cohort, or whether a network keeps to what runs rely on.

    Of a cohort a table and a page of pictures are written into OUTPUT/check.
    """
    if (cohort is None) == (network is None):
        raise typer.BadParameter("give --cohort or --network, one of them")
    if network is not None:
        print(about_network(network, width=width))
        return 0
    given = options.with_labels(overrides, labels)
    return tell_cohort(
        imported("ablation.api").check_cohort(
            cohort, space=space, preset=preset, settings=given, output=output
        )
    )


def tell_cohort(found: "CohortCheck") -> int:
    """Print what was found in a cohort. Gives the exit status."""
    survey = found.survey
    show(_short(found))
    for name, defects in survey.findings.items():
        for defect in defects:
            log.error(f"{name}: {defect}")
    usable, number = len(survey.cohort.subjects), len(survey.cohort.subjects) + len(survey.findings)
    if survey.findings:
        print(f"to leave out who cannot be used: {survey.exclude_line}")
    print(f"{usable} of {number} subjects can be used; {len(survey.splits)} folds")
    print(found.page)
    if survey.problems:
        print("\n".join(["the cohort cannot be used:", *survey.problems]), file=sys.stderr)
        return BAD_INPUT
    return FAILED if survey.findings else 0


def _short(found: "CohortCheck") -> Table:
    """A row a subject, for the terminal."""
    sequences = found.survey.cohort.sequences
    table = Table(title=f"{found.survey.cohort.name}: subjects", title_justify="left")
    columns = {"subject": "subject", "usable": "usable"}
    for place, sequence in ((SOURCE, sequences.source), (TARGET, sequences.target)):
        columns |= {
            name: f"{sequence} {name.removeprefix(f'{place}_').replace('_', ' ')}"
            for name in found.table.columns
            if name.startswith(f"{place}_") and name.endswith("_ml") and "only_in" not in name
        }
    if len(columns) > MOST_COLUMNS:
        columns = {"subject": "subject", "usable": "usable"}
    for text in (*columns.values(), "findings and warnings"):
        table.add_column(text, overflow="fold")
    for row in found.table.astype(object).fillna("").to_dict("records"):
        told = [text for text in (row["findings"], row.get("warnings", "")) if text]
        table.add_row(*(str(row[name]) for name in columns), " | ".join(told))
    return table
