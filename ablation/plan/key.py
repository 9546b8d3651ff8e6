"""The key of a trial: the hash of all that changes its result, and of nothing else."""

from collections.abc import Callable, Hashable
from typing import Any

from ablation.plan.digest import digest_of_texts, text_of
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.cohort.split import FoldSplit, Roles
from t1t2core.network.architectures import identity_of
from t1t2core.preparation.prepare import PREPARATION_VERSION
from t1t2core.settings import EvaluationSettings, identity
from t1t2core.strategies import STRATEGIES
from t1t2core.version import SCIENCE_VERSION


class Keys:
    """Keys of a study's trials; what many trials have in common is written out once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._texts: dict[Hashable, str] = {}

    def of(self, point: Point, split: FoldSplit, encoder: str | None) -> str:
        """Hash what the trial computes: not where, when, by how many workers or under what name.

        Args:
            encoder: digest of its pretrained network.
        """
        settings = self._study.settings_of(point)
        precision = self._study.precision_of(settings)
        strategy = STRATEGIES[point.strategy]
        name, size, fold, text = point.strategy, point.t2_train_size, split.fold, self._text
        # A group of settings is told by its identity: `Variants` makes it once, and keeps it.
        budgets = id(settings.training), id(settings.pretraining)
        network, preparation = settings.network, settings.preparation
        factors = point.factors
        evaluation = settings.evaluation
        return digest_of_texts(
            {
                "science": text("science", lambda: SCIENCE_VERSION),
                "factors": text(("factors", *factors.values()), lambda: factors),
                "t2": text(("t2", fold, size), lambda: _t2(split, size)),
                "t1": text(("t1", fold, name), lambda: _scored(split.t1) if strategy.scored_on_t1 else None),
                "t1_training": text(
                    ("t1_training", fold, name),
                    lambda: sorted(split.t1.training) if strategy.trains_on_t1 else None,
                ),
                "training": text(
                    ("training", name, point.tuned_layers, point.fusion, id(network), *budgets),
                    lambda: strategy.counted_training(point, settings),
                ),
                "network": text(
                    ("network", name, id(network)), lambda: identity_of(strategy.counted_network(network))
                ),
                "preparation": text(("preparation", id(preparation)), lambda: identity(preparation)),
                "preparation_version": text("preparation_version", lambda: PREPARATION_VERSION),
                "evaluation": text(
                    ("evaluation", strategy.trains, id(evaluation)),
                    lambda: _scoring(evaluation, strategy.trains),
                ),
                "precision": text(("precision", precision), lambda: precision),
                "cohort": text("cohort", lambda: self._study.cohort_fingerprint),
                "encoder": text(("encoder", encoder), lambda: encoder),
            }
        )

    def _text(self, what: Hashable, description: Callable[[], Any]) -> str:
        if what not in self._texts:
            self._texts[what] = text_of(description())
        return self._texts[what]


def _scoring(evaluation: EvaluationSettings, trains: bool) -> dict[str, Any]:
    """Return what changes scores; pictures do not, nor what chooses weights where none are trained."""
    without = {"pictures"} if trains else {"pictures", "choose_by"}
    return {name: value for name, value in identity(evaluation).items() if name not in without}


def _t2(split: FoldSplit, size: int | None) -> dict[str, Any]:
    return {**_scored(split.t2), "training": [] if size is None else split.t2_training(size)}


def _scored(roles: Roles) -> dict[str, list[str]]:
    return {"validation": sorted(roles.validation), "test": sorted(roles.test)}
