"""What MLflow's pages show first of a space: its table of trials, factors and scores before settings."""

import json

from ablation.compat import first_view_tags
from ablation.space.factors import FACTORS
from t1t2core.settings.classes import STUDY_CLASSES, Classes

MOST_SCORES = 6
VIEW = "trials"
"""Key of the view in an address of MLflow's pages: `#/experiments/ID/runs?viewStateShareKey=trials`."""


def experiment_tags(classes: Classes) -> dict[str, str]:
    """Tags of an experiment: that it trains models (MLflow would show traces first), and the view."""
    return first_view_tags(VIEW, json.dumps({"selectedColumns": columns(classes)}))


def view_address(experiment_id: str) -> str:
    """Of the table of trials, within MLflow's pages."""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"


def columns(classes: Classes = STUDY_CLASSES) -> list[str]:
    """As MLflow's pages name them: duration, test Dice, and the factors save fold and seed.

    The pages show metrics first and each group by the alphabet, whatever the order here; few leave room.
    """
    scores = [f"metrics.`test/{name}/dsc`" for name in classes.order[:MOST_SCORES]]
    return ["attributes.`Duration`", *scores, *(f"params.`{name}`" for name in FACTORS[:-2])]
