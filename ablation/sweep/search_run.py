"""A search of a workspace: opened from its record, told as a plan, counted against its budget."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from mlflow.entities import Run

from ablation.names import PLAN_KEY
from ablation.plan.digest import digest_of
from ablation.plan.plan import Trial, make_plan
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.trial_result import TrialResult
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending, spending_of
from ablation.search.candidates import CandidateSpace, check_candidates
from ablation.search.record import SearchRecord, read_candidates
from ablation.search.search import OptunaSearch
from ablation.space.naming import varying
from ablation.sweep.workspace import Workspace


def search_key(workspace: Workspace, encoders: Mapping[EncoderRecipe, str]) -> str:
    """Names a search by all that decides what it samples and computes; not by what may be spent."""
    space, study = workspace.space, workspace.study
    settings = asdict(study.settings)
    del settings["cohort"]["select"]  # newer than recorded searches; the cohort's fingerprint tells it
    return digest_of(
        {
            "arms": [asdict(arm) for arm in space.arms],
            "search": space.search.model_dump(mode="json", exclude={"trials"}),
            "settings": settings,
            "precision": study.precision,
            "cohort": study.cohort_fingerprint,
            "encoders": sorted(set(encoders.values())),
        }
    )


def open_search(
    workspace: Workspace,
    encoders: Mapping[EncoderRecipe, str],
    recorder: Recorder,
    spending: Spending,
    recorded: Mapping[str, Run],
    changed: Callable[[], None],
) -> OptunaSearch:
    """The search, with all that the record knows of it.

    Args:
        recorded: finished trials by key.
        changed: is told whenever the trials of the search have changed.
    """
    candidates, search = candidates_of(workspace), workspace.space.search

    def recall(key: str) -> TrialResult | None:
        run = recorded.get(key)
        if run is None:
            return None
        if search.pruning.margin is None:
            return TrialResult(run.data.metrics, ())
        (record,) = workspace.ledger.records([run])
        return TrialResult(record.metrics, record.scores)

    return OptunaSearch(
        candidates,
        search,
        plan=lambda points: make_plan(points, workspace.study, encoders),
        recall=recall,
        spending=spending,
        journal=SearchRecord(recorder, varying(workspace.points), changed),
        starts=check_candidates(candidates, search, spending.limit.trials),
    )


def search_so_far(
    workspace: Workspace, encoders: Mapping[EncoderRecipe, str], recorded: Mapping[str, Run]
) -> tuple[list[Trial], Spending]:
    """Trials of the candidates that the record has, and what was spent on them."""
    ledger, key = workspace.ledger, search_key(workspace, encoders)
    parent = next((r for r in ledger.plans(workspace.space.name) if r.data.tags[PLAN_KEY] == key), None)
    if parent is None:
        return [], spending_of(workspace.space, ledger, "", recorded)
    candidates = candidates_of(workspace)
    points = [p for one in read_candidates(parent.data.tags).values() for p in candidates.points(one)]
    plan = make_plan(dict.fromkeys(points), workspace.study, encoders)
    return plan, spending_of(workspace.space, ledger, parent.info.run_id, recorded)


def candidates_of(workspace: Workspace) -> CandidateSpace:
    """All that a search may try."""
    return CandidateSpace(workspace.space.arms, workspace.learning_rate)
