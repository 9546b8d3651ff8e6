"""Processes share out work, put together what came of it, and agree."""

from collections.abc import Iterator

import pytest
import torch

from t1t2core.training.team import ALONE, Team
from tests.builders.teams import Pair, start_pair

ITEMS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with start_pair() as pair:
        yield pair


def work(items: list[str]) -> tuple[list[str], list[str]]:
    """A share, and what all make of theirs."""
    team = Team.joined()
    mine = team.share(items)
    return mine, team.gather([item.upper() for item in mine])


def agree() -> tuple[int, float]:
    team = Team.joined()
    return team.told_by_first(lambda: team.rank + 7), float(team.total(torch.tensor(team.rank + 1.0)))


def test_one_process_has_all_and_agrees_with_itself() -> None:
    assert Team.joined() == ALONE
    assert work(ITEMS) == (ITEMS, ["A", "B", "C"])
    assert agree() == (7, 1.0)


def test_results_come_back_in_the_order_of_what_was_shared_out(pair: Pair) -> None:
    everything = ["A", "B", "C"]
    assert pair.run(work, ITEMS) == [(["a", "c"], everything), (["b"], everything)]


def test_there_may_be_less_work_than_processes(pair: Pair) -> None:
    assert pair.run(work, ITEMS[:1]) == [(["a"], ["A"]), ([], ["A"])]
    assert pair.run(work, []) == [([], []), ([], [])]


def test_what_the_first_decides_and_what_all_have_holds_for_each(pair: Pair) -> None:
    assert pair.run(agree) == [(7, 3.0), (7, 3.0)]
