"""How points are chosen from a search space, and what may be spent: the keys `search` and `budget`."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ablation.space.factors import Layers
from ablation.space.objectives import MEAN_DICE, goes_up, objective_of, objectives_of, resolved
from ablation.space.ranges import Range
from ablation.space.strict import Count, Number, Seed, Strict
from ablation.space.variation import read_values, take_settings
from t1t2core.cohort.names import did_you_mean
from t1t2core.settings import Fusion, Settings
from t1t2core.settings.classes import STUDY_CLASSES, Classes
from t1t2core.strategies import STRATEGIES, StrategyName

FOLDS_BEFORE_PRUNING = 2
"""After which an arm may be given up."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Start(Strict):
    """A candidate to start from: each factor and setting that has several values in its arm is named.

    Args:
        settings: varied ones by dotted name; in the file they stand as in an arm.
    """

    strategy: StrategyName
    tuned_layers: Layers | None = None
    fusion: Fusion | None = None
    t2_train_size: Count | None = None
    learning_rate: Number | None = None
    # Recorded searches are named by what they say, and were without it.
    settings: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda settings: not settings)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        """Gather settings that stand in their group or by their dotted name."""
        if not isinstance(given, dict):
            return given
        rest, found, findings = take_settings(given)
        settings: dict[str, Any] = {}
        for one in found:
            values, wrong = read_values(one, in_arm=True)
            findings += wrong
            if isinstance(values, Range) or len(values) > 1:
                findings.append(f"{one.place}: a candidate has one value of it")
            else:
                settings |= dict(zip([one.name], values, strict=False))
        if findings:
            raise ValueError("; ".join(findings))
        return {**rest, "settings": settings} if settings else rest


class Pruning(Strict):
    """What is given up early.

    Args:
        epochs: a trial that does badly against those of its fold so far, by ASHA (Li et al. 2020).
        margin: an arm whose score over the patients of two folds is lower by more than this than that of
            the best arm on the same folds is not run on the others.
    """

    epochs: bool = False
    margin: Number | None = None


class Search(Strict):
    """How points are chosen from the space: `grid` takes them all, `optuna` samples arms.

    Args:
        trials: at most so many are run, folds and seeds counted each.
        objective: one or more of `objectives_of` the classes; left out it is what `choose_by` says.
        start: candidates that come first.
    """

    method: Literal["grid", "optuna"] = "grid"
    trials: Count | None = None
    objective: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)] = (MEAN_DICE,)
    sampler: Literal["tpe", "random"] = "tpe"
    seed: Seed = 0
    start: Annotated[tuple[Start, ...], BeforeValidator(_listed)] = ()
    pruning: Pruning = Pruning()

    @property
    def samples(self) -> bool:
        """Return whether points are sampled."""
        return self.method == "optuna"

    def going_by(self, choose_by: str, classes: Classes = STUDY_CLASSES) -> "Search":
        """Return the search with this score for its objective, unless it names one itself."""
        given = self.objective if "objective" in self.model_fields_set else (objective_of(choose_by),)
        return self.model_copy(update={"objective": tuple(resolved(one, classes) for one in given)})


class Budget(Strict):
    """What may be spent before nothing more is started; None is no limit."""

    trials: Count | None = None
    gpu_hours: Number | None = None
    minutes: Number | None = None


def search_findings(search: Search, budget: Budget, is_given: bool) -> list[str]:
    """A line for each thing that search and budget cannot be, whatever the space.

    Args:
        is_given: the file has a budget.
    """
    findings = []
    if is_given and len(budget.model_fields_set) != 1:
        findings.append(
            f"budget: found {_keys(budget) or 'nothing'}; allowed: one of trials, gpu_hours and minutes"
        )
    if not search.samples:
        useless = sorted(search.model_fields_set - {"method"})
        return findings + [f"search.{key}: grid has no use for it; it is for optuna" for key in useless]
    if search.trials and budget.trials:
        findings.append("budget.trials: search.trials says the same; leave out one of them")
    if search.trials is None and not is_given:
        findings.append("search.trials: missing; allowed: a whole number, 1 or more, or a budget instead")
    return findings + _twice(search.objective) + _pruning_findings(search)


def epoch_findings(search: Search, settings: Settings, strategies: list[StrategyName]) -> list[str]:
    """A line where trials are to be pruned by what is not measured after each epoch."""
    if not (search.samples and search.pruning.epochs):
        return []
    groups = {name: STRATEGIES[name].training_group for name in strategies if STRATEGIES[name].trains}
    return [
        f"search.pruning.epochs: {name} is validated every {every} epochs, and pruning needs a "
        f"score after each; set {group}.validate_every: 1"
        for name, group in groups.items()
        if (every := getattr(settings, group).validate_every) != 1
    ]


def objective_findings(search: Search, classes: Classes) -> list[str]:
    """Return a line for each objective that no trial with these classes reports."""
    known = objectives_of(classes)
    return [
        f"search.objective: found {objective!r}, which no trial reports; allowed: "
        f"{', '.join(known)}{did_you_mean(objective, known)}"
        for objective in (search.objective if search.samples else ())
        if objective not in known and objective not in map(partial(resolved, classes=classes), known)
    ]


def _twice(objectives: tuple[str, ...]) -> list[str]:
    twice = [one for one in dict.fromkeys(objectives) if objectives.count(one) > 1]
    return [f"search.objective: {one} is there twice" for one in twice]


def _pruning_findings(search: Search) -> list[str]:
    used = [name for name in ("epochs", "margin") if getattr(search.pruning, name)]
    if not used:
        return []
    if len(search.objective) > 1:
        why = "there are several objectives, and what is worse by one may be best by another"
    elif not goes_up(search.objective[0]):
        why = f"{search.objective[0]} is no score of an epoch, nor of patients"
    else:
        return []
    return [f"search.pruning.{name}: nothing to prune by: {why}" for name in used]


def _keys(budget: Budget) -> str:
    return " and ".join(name for name in Budget.model_fields if name in budget.model_fields_set)
