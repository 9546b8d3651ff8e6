"""`python -m ablation.check`: looks at a network of your own before anything is trained."""

from typing import Annotated

import typer

from ablation.commands.terminal import command
from t1t2core.network.about import about_network

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    network: Annotated[
        str, typer.Option(metavar="PACKAGE.MODULE:CLASS", help="as network.architecture names it")
    ],
    width: Annotated[int, typer.Option(min=1, help="as network.width")] = 8,
) -> int:
    """Look whether a network keeps to what strategies, checkpoints and records rely on."""
    print(about_network(network, width=width))
    return 0
