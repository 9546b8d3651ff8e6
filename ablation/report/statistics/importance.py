"""Which factors of a sweep its scores depend on: exact shares of variance, or Optuna's evaluators."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

from ablation.report.statistics.variance_shares import variance_shares
from ablation.report.tables.choice import scored, varied_settings
from ablation.space.factors import FACTORS, PRETRAINING_SEED

IMPORTANCE = ["scope", "factor", "importance", "f", "p", "trials", "method"]
EXACT = "shares of variance"
ACROSS = "all strategies"
FEWEST_TRIALS = 9
"""In a scope, for an importance: three learning rates on three folds (ours)."""
TOP_SHARE, FEWEST_TOP = 0.25, 5
"""The best trials: a quarter (ours), at least the five that Optuna's documentation asks for."""
SMALLEST_RANGE = 1e-6
"""Of an objective that is not constant: scikit-learn's trees take variances near 1e-16 for none."""
SEED = 0
FOLD = "fold"


def importance(results: pd.DataFrame) -> pd.DataFrame:
    """Importance of each factor that varies, within each strategy and across them.

    The objective is the score by which tuned values are chosen (on target validation, weights best, an
    undefined one counting as 0), such as the mean Dice of the classes; test scores play no part.

    Args:
        results: as in `results.csv`.

    Returns:
        `IMPORTANCE`: `scope`, a strategy or `all strategies`; `factor`, with `fold` and `seed` among them
        as yardsticks: a factor below them matters less than who trains and validates; `f` and `p`, of the
        test against the interaction with folds, empty where there is none; `trials` in the scope; `method`.
        Highest first in a scope. No rows for a scope with fewer than `FEWEST_TRIALS` trials, with one value
        of the objective, or where no factor varies.

        Within a strategy whose trials are every combination of its factors, the exact shares of the
        variance (`variance_shares`), with interactions of two factors (`A x B`) and `rest`, that of more.
        Otherwise `fANOVA` (Hutter et al., ICML 2014): the share of the variance of a random forest's
        prediction, each level of a factor weighing the same, that the factor explains alone. What is lacking
        to 1 are interactions; combinations that were not run are guessed by the forest.
        Across, `condPED-ANOVA` (Watanabe et al., IJCAI 2023; arXiv:2601.20800): how far a factor, where a
        strategy has it, sets the best quarter of the trials apart from all. Relative, sum 1, also where all
        is noise: read it beside `fold`. It is not on the scale of the other, and a factor whose levels were
        tried under some strategies only takes part of what the strategy does.

    Importance describes this sweep: it grows with the range that was tried, and says nothing of direction.
    """
    trials = _trials(results)
    tables = [_scope(ACROSS, trials)] if trials["strategy"].nunique() > 1 else []
    for strategy, part in trials.groupby("strategy", sort=False):
        tables.append(_scope(str(strategy), part))
    filled = [table for table in tables if not table.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=IMPORTANCE)


def _factors(frame: pd.DataFrame) -> list[str]:
    """Columns of the factors and of varied settings."""
    return [name for name in (*FACTORS, PRETRAINING_SEED) if name in frame] + varied_settings(frame)


def _trials(results: pd.DataFrame) -> pd.DataFrame:
    """A row a trial: its factors and `objective`."""
    columns = ["trial_key", *_factors(results)]
    means = scored(results).groupby(columns, dropna=False, sort=False)["score"].mean()
    return means.rename("objective").reset_index()


def _scope(scope: str, trials: pd.DataFrame) -> pd.DataFrame:
    across = scope == ACROSS
    columns = _factors(trials)
    levels = trials[columns].apply(_levels)
    factors = [
        name for name in columns if levels[name].nunique() > 1 and (across or levels[name].notna().all())
    ]
    constant = trials["objective"].max() - trials["objective"].min() < SMALLEST_RANGE
    if len(trials) < FEWEST_TRIALS or constant or not factors:
        return pd.DataFrame(columns=IMPORTANCE)
    exact = None if across else _exact(trials, factors)
    if exact is not None:
        return exact.assign(scope=scope, trials=len(trials), method=EXACT)[IMPORTANCE]
    found = _ped_anova(trials, factors) if across else _fanova(trials, factors)
    ranked = sorted(found.items(), key=lambda item: (-item[1], columns.index(item[0])))
    table = pd.DataFrame(ranked, columns=["factor", "importance"])
    method = "condPED-ANOVA" if across else "fANOVA"
    empty = {"f": float("nan"), "p": float("nan")}
    return table.assign(scope=scope, trials=len(trials), method=method, **empty)[IMPORTANCE]


def _exact(trials: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame | None:
    """Shares of variance where the trials are every combination of the factors; None where they are not.

    A factor that goes with the fold, as its pretrained network does, is no factor of its own.
    """
    own = [name for name in factors if name == FOLD or not _goes_with_fold(trials, name)]
    codes = [pd.factorize(trials[name], sort=True) for name in own]
    shape = [len(levels) for _, levels in codes]
    places = pd.DataFrame({name: code for name, (code, _) in zip(own, codes, strict=True)})
    if len(trials) != math.prod(shape) or places.duplicated().any():
        return None
    values = np.empty(shape)
    values[tuple(places[name].to_numpy() for name in own)] = trials["objective"]
    return variance_shares(values, own, FOLD)


def _goes_with_fold(trials: pd.DataFrame, name: str) -> bool:
    of_fold = trials.groupby(FOLD)[name].nunique()
    return bool((of_fold == 1).all())


def _fanova(trials: pd.DataFrame, factors: Sequence[str]) -> dict[str, float]:
    """A level is its rank, in the middle of a bin of width 1: so each level weighs the same.

    With the values themselves, or whole numbers, fANOVA weighs a level by the width around it, which gives
    1e-4 next to nothing beside 1e-2. Trees as deep as these can part any levels, whatever their order.
    """
    codes = {name: _levels(trials[name]).rank(method="dense").astype(int) - 1 for name in factors}
    ranges: dict[str, BaseDistribution] = {
        name: FloatDistribution(-0.5, float(code.max()) + 0.5) for name, code in codes.items()
    }
    params = pd.DataFrame(codes).astype(float).to_dict("records")
    study = _study([{str(k): v for k, v in row.items()} for row in params], ranges, trials["objective"])
    return FanovaImportanceEvaluator(seed=SEED).evaluate(study)


def _ped_anova(trials: pd.DataFrame, factors: Sequence[str]) -> dict[str, float]:
    """A factor that a strategy lacks is no parameter of its trials."""
    levels = {
        name: _levels(trials[name]).astype("str").where(_levels(trials[name]).notna()) for name in factors
    }
    ranges: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(sorted(values.dropna().unique())) for name, values in levels.items()
    }
    rows = pd.DataFrame(levels).to_dict("records")
    params = [{str(k): v for k, v in row.items() if pd.notna(v)} for row in rows]
    share = max(TOP_SHARE, FEWEST_TOP / len(trials))
    study = _study(params, ranges, trials["objective"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a factor that a single trial has, which then counts for nothing
        found = PedAnovaImportanceEvaluator(target_quantile=share).evaluate(study)
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total else {}


def _study(
    params: Sequence[dict[str, object]], ranges: dict[str, BaseDistribution], objective: pd.Series
) -> optuna.Study:
    with _quietly():
        study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.create_trial(params=row, distributions={name: ranges[name] for name in row}, value=value)
            for row, value in zip(params, objective.tolist(), strict=True)
        ]
    )
    return study


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence Optuna's line about a new study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _levels(values: pd.Series) -> pd.Series:
    """Empty text is a factor that the strategy lacks."""
    return values.mask(values == "") if pd.api.types.is_string_dtype(values) else values
