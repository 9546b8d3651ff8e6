"""The factors of a study, declared once: their keys, values, defaults and names follow from here.

A further one is a line of `FactorValues` and a field of `Arm`, `Point` and `Candidate`.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from ablation.space.ranges import Range, Scale, read_range
from ablation.space.strict import Count, Seed, Strict
from t1t2core.settings import Fusion
from t1t2core.strategies import StrategyName


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What a study varies.

    Args:
        allowed: its values, as messages tell them.
        role: `compared` ones make the arms, `tuned` ones are chosen for each arm, `replicated` ones are
            averaged.
        name: in tables, where that is not its key in the file.
        label: in the names of trials; without one it is part of the arm's name.
        default: values where the file has none; without them it must be given where it counts.
        words: texts among its values.
        ordered: whether values that lie close together do alike.
    """

    allowed: str
    role: Literal["compared", "tuned", "replicated"] = "compared"
    name: str = ""
    label: str = ""
    default: tuple[Any, ...] | None = None
    words: tuple[str, ...] = ()
    ordered: bool = True


def _as_list(value: Any) -> tuple[Any, ...]:
    """Make a list of one value."""
    return tuple(value) if isinstance(value, list) else (value,)


def _alone(seeds: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse `by_fold` beside numbers."""
    if len(seeds) > 1 and BY_FOLD in seeds:
        raise ValueError("by_fold stands alone")
    return seeds


BY_FOLD = "by_fold"
"""Pretraining seeds of which each fold has one of its own."""
RANGE = "range"
"""Tag of values that are given as a range."""
Item = TypeVar("Item")
Values = Annotated[tuple[Item, ...], BeforeValidator(_as_list), Field(min_length=1)]
Layers = Literal["fc"] | Count
_Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
_RATE_SCALES: tuple[Scale, ...] = ("log_uniform", "uniform")
_SIZE_SCALES: tuple[Scale, ...] = ("int_uniform",)
_RateRange = Annotated[Range, BeforeValidator(lambda found: read_range(found, _RATE_SCALES, 1))]
_SizeRange = Annotated[Range, BeforeValidator(lambda found: read_range(found, _SIZE_SCALES, None))]
_PretrainingSeeds = Annotated[Values[Literal["by_fold"] | Seed], AfterValidator(_alone)]
_KIND = Discriminator(lambda found: RANGE if isinstance(found, dict | Range) else "values")
_Rates = Annotated[Annotated[Values[_Rate], Tag("values")] | Annotated[_RateRange, Tag(RANGE)], _KIND]
_Sizes = Annotated[Annotated[Values[Count], Tag("values")] | Annotated[_SizeRange, Tag(RANGE)], _KIND]

_STRATEGY = Factor(
    allowed="one of " + ", ".join(get_args(StrategyName)), words=get_args(StrategyName), ordered=False
)
_TUNED_LAYERS = Factor(allowed="one or more of fc and numbers of convolutions, such as 9", words=("fc",))
_FUSION = Factor(
    allowed="one or more of " + ", ".join(get_args(Fusion)), words=get_args(Fusion), ordered=False
)
_T2_TRAIN_SIZE = Factor(
    allowed="one or more whole numbers of patients, 1 or more", label="size", default=(8,)
)
_LEARNING_RATE = Factor(
    allowed="one or more numbers above 0 and at most 1", role="tuned", label="lr", default=()
)
_FOLDS = Factor(
    allowed="one or more whole numbers, from 1",
    role="replicated",
    name="fold",
    label="fold",
    default=(1, 2, 3),
)
_PRETRAINING_SEEDS = Factor(
    allowed=f"{BY_FOLD}, or one or more whole numbers from 0 to {2**32 - 1}",
    role="replicated",
    name="pretraining_seed",
    label="pretraining",
    default=(BY_FOLD,),
    words=(BY_FOLD,),
)
_SEEDS = Factor(
    allowed=f"one or more whole numbers from 0 to {2**32 - 1}",
    role="replicated",
    name="seed",
    label="seed",
    default=(0,),
)


class FactorValues(Strict):
    """Factors as the file has them, in an arm or at the top; empty where not given.

    The defaults are those of Sec. 3.5, the seed ours; no `learning_rate` is that of the settings.
    """

    strategy: Annotated[StrategyName | None, _STRATEGY] = None
    tuned_layers: Annotated[Values[Layers], _TUNED_LAYERS] = ()
    fusion: Annotated[Values[Fusion], _FUSION] = ()
    t2_train_size: Annotated[_Sizes, _T2_TRAIN_SIZE] = ()
    learning_rate: Annotated[_Rates, _LEARNING_RATE] = ()
    folds: Annotated[Values[Count], _FOLDS] = ()
    seeds: Annotated[Values[Seed], _SEEDS] = ()
    pretraining_seeds: Annotated[_PretrainingSeeds, _PRETRAINING_SEEDS] = ()


FACTOR_OF_KEY: dict[str, Factor] = {
    key: next(part for part in field.metadata if isinstance(part, Factor))
    for key, field in FactorValues.model_fields.items()
}
"""By key in the file."""
NAME_OF_KEY = {key: factor.name or key for key, factor in FACTOR_OF_KEY.items()}
KEY_OF_NAME = {name: key for key, name in NAME_OF_KEY.items()}
PRETRAINING_SEED = _PRETRAINING_SEEDS.name
REPLICATED = [NAME_OF_KEY[key] for key, factor in FACTOR_OF_KEY.items() if factor.role == "replicated"]
"""Names of those that repeat an arm."""
FACTORS = [name for name in NAME_OF_KEY.values() if name != PRETRAINING_SEED]
"""Names of those that stand first in tables; the pretraining seed and varied settings stand last."""
ARM = [NAME_OF_KEY[key] for key, factor in FACTOR_OF_KEY.items() if factor.role == "compared"]
"""Names of those that tell one arm from another, beside varied settings."""
SAMPLED = [
    NAME_OF_KEY[key]
    for key, factor in FACTOR_OF_KEY.items()
    if key != "strategy" and factor.role != "replicated"
]
"""Names of those that a search chooses for an arm; folds and seeds repeat it."""
UNORDERED = {NAME_OF_KEY[key] for key, factor in FACTOR_OF_KEY.items() if not factor.ordered}
LABELS = {NAME_OF_KEY[key]: factor.label for key, factor in FACTOR_OF_KEY.items() if factor.label}
DEFAULTS = {key: factor.default for key, factor in FACTOR_OF_KEY.items() if factor.default is not None}
"""Values of a factor that a search space leaves out, by its key in the file."""
