"""What a run would run, what it would cost, and what it needs first: `--plan`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from ablation.compat import cores
from ablation.plan.plan import Network, networks_of
from ablation.plan.recipe import EncoderRecipe
from ablation.space.naming import setting_labels
from ablation.space.space import Space
from ablation.space.variation import needs_own_network, shown
from ablation.store.volumes import missing_volumes
from ablation.sweep.cluster import LOCAL, connect, device_of, request_of, slots_of
from ablation.sweep.estimate import Estimator
from ablation.sweep.grid_run import preview_grid
from ablation.sweep.plan_run import estimator_of, recorded_trials, write_plan
from ablation.sweep.progress import clock
from ablation.sweep.search_run import preview_search
from ablation.sweep.variants import about_features
from ablation.sweep.workspace import Workspace


@dataclass(frozen=True)
class Preview:
    """Trials that a run would run, and what it would cost.

    Args:
        plan: a row a trial, as `plan.csv`; empty for a search that has sampled nothing yet.
        lines: costs where they are known, then the numbers of trials.
    """

    plan: pd.DataFrame
    lines: list[str]


def preview(workspace: Workspace) -> Preview:
    """Return what would run and for how long; writes `plan.csv`."""
    if workspace.address == LOCAL:
        return _preview(workspace, max(1, int(cores() // workspace.space.resources.cpus)))
    with connect(workspace.address):
        resources = request_of(workspace.space.resources)
        return _preview(workspace.on(device_of(resources)), slots_of(resources))


def _preview(workspace: Workspace, slots: int) -> Preview:
    """Return what would run, with so many trials at once unless the request says how many."""
    slots = workspace.request.max_concurrent or slots
    networks = networks_of(workspace.points, workspace.study)
    known = workspace.known_encoders([network.recipe for network in networks])
    recorded = recorded_trials(workspace)
    is_here = workspace.study.device.kind == "cuda" and torch.cuda.is_available()
    estimator = estimator_of(workspace, recorded, "cuda" if is_here else "cpu")
    if workspace.space.search.samples:
        plan, forecast = preview_search(workspace, known, recorded, estimator, slots)
    else:
        plan, forecast = preview_grid(workspace, known, recorded, estimator)
    frame = write_plan(workspace, plan, recorded, estimator)
    lines = [
        *_about_volumes(workspace),
        *_about_networks(networks, known, workspace.space, estimator, slots),
        *about_features(workspace.points, workspace.study),
    ]
    if workspace.study.device.kind == "cuda" and not is_here:
        lines.append(
            "times below are those of this machine's processor, as far as no trial is recorded: a GPU is "
            "faster, and is measured when the run starts"
        )
    return Preview(frame, [*lines, *forecast.lines(workspace.space, max(1, min(slots, forecast.to_run)))])


def _about_networks(
    networks: Sequence[Network],
    known: Mapping[EncoderRecipe, str],
    space: Space,
    estimator: Estimator,
    slots: int,
) -> list[str]:
    """Return lines about the pretrained networks that are to be trained; none where all are there."""
    missing = [network for network in networks if network.recipe not in known]
    if not missing:
        return []
    seconds = {network.recipe: estimator.network_seconds(network.recipe) for network in missing}
    together = sum(seconds.values()) / max(1, min(slots, len(missing)))
    there = len(networks) - len(missing)
    lines = [
        f"pretrained networks: {len(networks)}, {there} trained, {len(missing)} to train, about "
        f"{clock(together)}"
    ]
    alike: dict[str, list[Network]] = {}
    for network in missing:
        alike.setdefault(_told_by(network, space), []).append(network)
    if len(alike) > 1:
        lines += [
            f"  {told or 'reference'}: {len(group)} to train, {clock(seconds[group[0].recipe])} each"
            for told, group in alike.items()
        ]
    return lines


def _told_by(network: Network, space: Space) -> str:
    """Return the varied settings that tell a pretrained network from others, without the reference's."""
    labels, reference = setting_labels(space.design.settings), space.design.reference
    told = {name: shown(value) for name, value in network.point.settings if needs_own_network(name)}
    return " ".join(f"{labels[name]}={value}" for name, value in told.items() if reference.get(name) != value)


def _about_volumes(workspace: Workspace) -> list[str]:
    """Return a line about the volumes that are to be prepared; none where all are there."""
    wanted = workspace.preparations
    missing = [missing_volumes(workspace.cohort, one, workspace.storage) for one in wanted]
    if not any(missing):
        return []
    sets = f" in {len(wanted)} preparations" if len(wanted) > 1 else ""
    return [f"subjects to prepare{sets}: {sum(map(len, missing))}"]
