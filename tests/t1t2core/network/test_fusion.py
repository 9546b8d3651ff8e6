"""The four fusion operators of Table 5, by hand."""

import pytest
import torch

from t1t2core.network.fusion import fuse
from t1t2core.network.stage import Features
from t1t2core.settings import Fusion

ADAPTED = Features(
    torch.tensor([1.0, -2.0, 3.0, 0.0]).reshape(1, 1, 2, 2, 1), (torch.tensor([[1]]), torch.tensor([[2]]))
)
DEDICATED = Features(
    torch.tensor([4.0, 5.0, -6.0, 0.5]).reshape(1, 1, 2, 2, 1), (torch.tensor([[3]]), torch.tensor([[4]]))
)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("multiplication", [4.0, -10.0, -18.0, 0.0]),
        ("average", [2.5, 1.5, -1.5, 0.25]),
        ("maximum", [4.0, 5.0, 3.0, 0.5]),
        ("concatenation", [1.0, -2.0, 3.0, 0.0, 4.0, 5.0, -6.0, 0.5]),
    ],
)
def test_operator_gives_what_the_hand_gets(operator: Fusion, expected: list[float]) -> None:
    fused = fuse(ADAPTED, DEDICATED, operator, "dedicated")
    assert fused.values.flatten().tolist() == expected
    assert fused.values.shape[1] == (2 if operator == "concatenation" else 1)


def test_unpooling_indices_are_those_of_the_encoder_that_was_chosen() -> None:
    assert fuse(ADAPTED, DEDICATED, "average", "dedicated").indices == DEDICATED.indices
    assert fuse(ADAPTED, DEDICATED, "average", "adapted").indices == ADAPTED.indices


def test_after_concatenation_each_half_unpools_with_its_own_indices() -> None:
    earlier, latest = fuse(ADAPTED, DEDICATED, "concatenation", "dedicated").indices
    assert latest.tolist() == [[2, 4]]
    assert earlier.tolist() == [[3]]
