"""Networks under a name, in MLflow's model registry, each with a card that says what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablation.names import WEIGHTS_FILE
from ablation.record.ledger import Ledger
from t1t2core.cohort.names import did_you_mean
from t1t2core.errors import InputError
from t1t2core.settings.classes import Classes

RUNS = "runs"
"""Tag of a version: the runs whose networks it is, separated by commas."""
LIMITS = (
    "For research. Not tested for, and not to be used in, the care of patients.",
    "Scores of validation and test are of the part of the scan that training takes. Labels are written for "
    "the whole scan: there those of `test_whole` hold, on the same test patients.",
    "The scores are those of single networks, each on the heads it was not trained on; together they were "
    "not scored.",
    "The pretrained network that each started from is needed too. It is not in this record: it is fetched "
    "from object storage by the run's `encoder_digest`.",
)
SIMULATED = "The heads are simulated: the scores say nothing about patients."


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a reader must know before using a registered model.

    Args:
        space: the experiment that it was chosen from.
        sequence: of the scans that it labels.
        classes: that it tells apart.
        arm: the arm's name, such as `conservative 9`.
        chosen_for: class whose validation DSC it was best in.
        cohort: name of the data.
        simulated: whether those are no real patients.
        scores: mean DSC over the networks by split (`validation`, `test`, and `test_whole`, the whole
            scan of the test patients), then class.
        data: fingerprint of the cohort, patients and whatever else tells where it comes from, by name.
    """

    space: str
    sequence: str
    classes: Classes
    arm: str
    chosen_for: str
    cohort: str
    simulated: bool
    scores: Mapping[str, Mapping[str, float]]
    data: Mapping[str, str]

    def text(self) -> str:
        """Return the card as Markdown."""
        classes = list(dict.fromkeys(name for scores in self.scores.values() for name in scores))
        lines = [
            f"Labels {self.sequence} scans of the head as {_listed(self.classes)}: {self.arm}, the arm of "
            f"{self.space} with the best validation DSC of {self.chosen_for}.",
            "",
            "**Data**",
            "",
            f"- cohort: {self.cohort}{' (simulated)' if self.simulated else ''}",
            *(f"- {name}: {value}" for name, value in self.data.items()),
            "",
            "**Mean DSC**",
            "",
            f"| split | {' | '.join(classes)} |",
            f"| --- |{' ---: |' * len(classes)}",
            *(f"| {split} | {_cells(scores, classes)} |" for split, scores in self.scores.items()),
            "",
            "**Limits**",
            "",
            *(f"- {limit}" for limit in (*([SIMULATED] if self.simulated else []), *LIMITS)),
        ]
        return "\n".join(lines)

    def tags(self) -> dict[str, str]:
        """Return the same facts as tags, to search by."""
        scores = {
            f"{split}.{name}.dsc": f"{value:.4f}"
            for split, of_classes in self.scores.items()
            for name, value in of_classes.items()
        }
        return {
            "space": self.space,
            "sequence": self.sequence,
            "arm": self.arm,
            "chosen_for": self.chosen_for,
            "cohort": self.cohort,
            "simulated": str(self.simulated).lower(),
            **self.data,
            **scores,
        }


def register(ledger: Ledger, runs: Sequence[Run], name: str, card: Card) -> str:
    """Gives networks a name; they label scans together as `models:/NAME/VERSION`, which is returned.

    The same runs get no second version: the card of the one they have is renewed.

    Args:
        runs: finished trials, in any order.

    Raises:
        InputError: MLflow does not allow the name.
    """
    ids = sorted(run.info.run_id for run in runs)
    tags = {RUNS: ",".join(ids), **card.tags()}
    try:
        ledger.add_model(name)
        for version in ledger.model_versions(name):
            if version.tags.get(RUNS) == tags[RUNS]:
                ledger.renew_version(version, tags, card.text())
                return f"models:/{name}/{version.version}"
        made = ledger.add_version(name, ids[0], WEIGHTS_FILE, tags, card.text())
    except MlflowException as error:
        raise InputError(f"cannot register a model as {name!r}: {error.message}") from error
    return f"models:/{name}/{made.version}"


def registered_runs(ledger: Ledger, name: str, version: str) -> list[str]:
    """Identifiers of the runs whose networks a registered version is.

    Raises:
        InputError: there is no such model or version, or it was registered by another program.
    """
    wanted = f"models:/{name}/{version}"
    models = ledger.model_names()
    if name not in models:
        known = f"; there are {', '.join(sorted(models))}" if models else "; none is registered"
        raise InputError(f"{wanted}: no such registered model{did_you_mean(name, models)}{known}")
    versions = {str(one.version): one for one in ledger.model_versions(name)}
    if version not in versions:
        listed = ", ".join(sorted(versions, key=int)) or "none"
        raise InputError(f"{wanted}: no such version; {name} has {listed}")
    runs = versions[version].tags.get(RUNS)
    if not runs:
        raise InputError(f"{wanted} names no runs (tag {RUNS!r}): it was registered by another program")
    return runs.split(",")


def _listed(classes: Classes) -> str:
    """Return the classes with their values."""
    pairs = zip(classes.names, classes.values, strict=True)
    *others, last = [f"{name.replace('_', ' ')} ({value})" for name, value in pairs]
    return f"{', '.join(others)} and {last}"


def _cells(scores: Mapping[str, float], classes: Sequence[str]) -> str:
    return " | ".join(f"{scores[name]:.3f}" if name in scores else "undefined" for name in classes)
