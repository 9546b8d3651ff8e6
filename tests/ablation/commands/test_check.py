"""`ablation.check` tells what a network is, or which part of the contract it breaks."""

import pytest
from typer.testing import CliRunner

from ablation.commands.check import app

BROKEN = "tests.t1t2core.network.test_contract:LearnsNothing"


def test_a_network_that_keeps_to_the_contract_is_described() -> None:
    given = CliRunner().invoke(app, ["--network", "docs.own_network:Small", "--width", "4"])
    assert given.exit_code == 0, given.output
    assert "docs.own_network:Small keeps to the contract" in given.output
    assert "5 stages, 6 convolutions; tuned_layers: fc, 1, 2, 4, 6" in given.output


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (BROKEN, "breaks the contract:\n  - gradient: none reaches stage 0"),
        ("nowhere:Net", "nowhere:Net cannot be imported"),
        ("unett", "Input should be one of excitation, unet"),
    ],
)
def test_one_that_does_not_is_refused_with_the_part(network: str, told: str) -> None:
    given = CliRunner().invoke(app, ["--network", network])
    assert given.exit_code == 2
    assert told in given.output
