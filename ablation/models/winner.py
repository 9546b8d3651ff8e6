"""The winner of a search space, registered under a name with its card."""

from collections.abc import Sequence

from mlflow.entities import Run

from ablation.models.find import Model, best_model
from ablation.models.registry import Card, register
from ablation.names import COHORT_FINGERPRINT
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.record.settings import recorded_classes
from t1t2core.network.architectures import STUDY

SPLITS = {"validation": "best_validation", "test": "test", "test_whole": "test_whole"}
"""What a card calls a split, and what the metrics of the best weights on it begin with."""


def register_winner(ledger: Ledger, plan: PlanRecord, tissue: str) -> str:
    """Registers the arm with the best validation DSC of a class, all its folds and seeds, as `SPACE-CLASS`.

    Its tuned values are those of the report: the class chooses the arm, `choose_by` the values in it.

    Registering the same winner again renews its card. Gives its address, `models:/SPACE-CLASS/VERSION`.

    Raises:
        InputError: there is no such class, nothing is finished, or MLflow does not allow the name.
    """
    best = best_model(ledger, plan, tissue)
    return register(ledger, best.runs, f"{plan.space}-{tissue}", card_of(plan, best, tissue))


def card_of(plan: PlanRecord, best: Model, tissue: str) -> Card:
    """Return the card of the arm that is best for a class."""
    runs = best.runs
    first = runs[0].data
    return Card(
        space=plan.space,
        sequence=plan.sequences.target,
        classes=recorded_classes(first.params),
        arm=best.arm,
        chosen_for=tissue,
        cohort=plan.tags.get("cohort", "unknown"),
        simulated=plan.simulated,
        scores={split: found for split, prefix in SPLITS.items() if (found := _means(runs, prefix))},
        data={
            "cohort_fingerprint": first.tags.get(COHORT_FINGERPRINT, "unknown"),
            "tuned values": best.choice,
            f"{plan.sequences.target} training patients": first.params.get("t2_train_size", "none"),
            "networks": str(len(runs)),
            "network.architecture": first.params.get("network.architecture", STUDY),
            "voxel_mm": first.params["preparation.voxel_mm"].strip("()").replace(", ", " x "),
        },
    )


def _means(runs: Sequence[Run], prefix: str) -> dict[str, float]:
    """Mean DSC on the target of each class over the runs that have one; a class without any is left out."""
    means = {}
    for name in recorded_classes(runs[0].data.params).scored:
        metrics = (run.data.metrics.get(f"{prefix}/{name}/dsc") for run in runs)
        found = [value for value in metrics if value is not None]
        if found:
            means[name] = sum(found) / len(found)
    return means
