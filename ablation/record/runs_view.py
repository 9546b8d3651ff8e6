"""What MLflow's pages show first of a space: its table of trials, factors and scores before settings."""

import json

from ablation.compat import first_view_tags
from ablation.space.factors import FACTORS

VIEW = "trials"
"""Key of the view in an address of MLflow's pages: `#/experiments/ID/runs?viewStateShareKey=trials`."""


def experiment_tags() -> dict[str, str]:
    """Tags of an experiment: that it trains models (MLflow would show traces first), and the view."""
    return first_view_tags(VIEW, json.dumps({"selectedColumns": columns()}))


def view_address(experiment_id: str) -> str:
    """Of the table of trials, within MLflow's pages."""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"


def columns() -> list[str]:
    """As MLflow's pages name them: duration, test Dice, and the factors save fold and seed.

    The pages show metrics first and each group by the alphabet, whatever the order here; few leave room.
    """
    scores = [f"metrics.`test/{name}/dsc`" for name in ("bone", "soft_tissue", "air")]
    return ["attributes.`Duration`", *scores, *(f"params.`{name}`" for name in FACTORS[:-2])]
