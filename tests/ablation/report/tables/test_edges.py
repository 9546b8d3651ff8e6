"""A choice at the edge of what was tried is told: the best may lie beyond."""

import pandas as pd

from ablation.report.tables.edges import edges
from ablation.space.design import STUDY, Design
from tests.builders.tables import sweep, trial

RATES = (1e-2, 1e-3, 1e-4)


def tried(strategy: str, best: float) -> list[dict[str, object]]:
    return [trial(strategy, rate=rate, validation=0.7 if rate == best else 0.5, test=[0.5]) for rate in RATES]


def test_the_lowest_and_the_highest_are_edges_and_the_middle_is_none() -> None:
    results, _ = sweep(*tried("open", 1e-2), *tried("scratch", 1e-3), *tried("augmented", 1e-4))
    assert edges(results, STUDY).to_dict("records") == [
        {"arm": "open", "factor": "learning_rate", "value": 1e-2, "edge": "highest"},
        {"arm": "augmented", "factor": "learning_rate", "value": 1e-4, "edge": "lowest"},
    ]


def test_what_was_not_chosen_has_no_edge() -> None:
    results, _ = sweep(
        trial("open", test=[0.5]), trial("no_fine_tuning", rate=None, size=None, seed=None, test=[0.4])
    )
    assert edges(results, STUDY).empty
    assert edges(pd.DataFrame(), STUDY).empty


def test_tuned_settings_count_and_words_have_no_edge() -> None:
    design = Design(
        settings=("training.weight_decay", "training.loss"), tuned=("training.weight_decay", "training.loss")
    )
    results, _ = sweep(
        *(
            trial(
                validation=0.9 if (decay, loss) == ("0.1", "dice") else 0.5,
                test=[0.5],
                settings={"training.weight_decay": decay, "training.loss": loss},
            )
            for decay in ("0.0", "0.1")
            for loss in ("cross_entropy", "dice")
        ),
        design=design,
    )
    (row,) = edges(results, design).to_dict("records")
    assert (row["factor"], row["value"], row["edge"]) == ("training.weight_decay", 0.1, "highest")
