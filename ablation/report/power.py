"""What the tests of a plan could show, with what is recorded of it."""

from dataclasses import replace

import pandas as pd

from ablation.record.results import patients_frame, results_frame
from ablation.report.statistics.plan_power import (
    more_networks,
    recorded_components,
    rotated_sample,
    sample_of,
    tell_power,
)
from ablation.space.naming import arm_names
from ablation.sweep.workspace import Workspace
from t1t2core.cohort.split import draw_splits


def power_of(workspace: Workspace, plan: pd.DataFrame) -> list[str]:
    """Return what the tests of a plan could show, and what those of other plans could; a line each.

    Args:
        plan: as `plan.csv`.
    """
    points, design = workspace.points, workspace.space.design
    sample = sample_of(points, workspace.study.splits)
    others = []
    cohort = workspace.settings.cohort
    if workspace.request.encoder is None:
        if sample.kind != "rotated" and cohort.split_file is None and cohort.leave_one_out is None:
            rotated = replace(cohort, test_patients="rotated")
            others.append(rotated_sample(draw_splits(workspace.cohort, rotated)))
        if sample.kind != "rotated" and any(point.pretraining_seed is not None for point in points):
            others.append(more_networks(sample, len({point.fold for point in points})))
    components = None
    if recorded := set(plan.loc[plan["status"] == "recorded", "trial_key"]):
        runs = [run for key, run in workspace.ledger.finished().items() if key in recorded]
        records = workspace.ledger.records(runs)
        frames = results_frame(records, design), patients_frame(records, design)
        components = recorded_components(*frames, design)
    arms = arm_names(plan, design).nunique() if len(plan) else 0
    tissue = design.primary.tissue if design.primary else workspace.settings.classes.order[0]
    return tell_power(sample, others, components, arms=arms, design=design, tissue=tissue)
