"""A sweep that other drivers work on: whether this one would compute the same."""

from ablation.names import GIT_COMMIT
from ablation.record.other_drivers import are_at_work
from ablation.sweep.provenance import git_commit, plan_version
from ablation.sweep.workspace import Workspace
from t1t2core.errors import InputError


def check_join(workspace: Workspace) -> None:
    """Refuse to work beside drivers that run another version, or another state of the code.

    Raises:
        InputError: names what differs, theirs and ours.
    """
    ledger, name = workspace.ledger, workspace.space.name
    experiment = ledger.find_experiment(name)
    if experiment is None or not are_at_work(ledger, experiment, workspace.space.recovery.lease_seconds):
        return
    ours = {"version": plan_version(), GIT_COMMIT: git_commit()}
    theirs = ledger.plans(name)[0].data.tags
    apart = [
        f"{what.replace('_', ' ')} {theirs[what]}, here {own}"
        for what, own in ours.items()
        if theirs.get(what, own) != own
    ]
    if apart:
        raise InputError(
            f"--join: {name} is worked on with {'; '.join(apart)}: bring this code to the same state, or "
            "wait until the others are done"
        )
