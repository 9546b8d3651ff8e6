"""The YAML file of a search space: its keys, and what they may hold."""

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, TypeAdapter

from ablation.space.design import Equivalence, Method, Primary
from ablation.space.factors import FACTOR_OF_KEY, FactorValues
from ablation.space.resources import Recovery, Resources
from ablation.space.search_settings import Budget, Pruning, Search, Start
from ablation.space.variation import GROUPS
from t1t2core.cohort.names import is_reserved

_TAKEN_NAMES = ("store", "artifacts", "mlflow.db", "phantom")


def _not_taken(name: str) -> str:
    if name.lower() in _TAKEN_NAMES or name.lower().startswith("mlflow.db"):
        raise ValueError("is reserved")
    if is_reserved(name):
        raise ValueError("no folder of this name can be made everywhere")
    return name


_FolderName = Annotated[
    str, Field(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]*\z", max_length=100), AfterValidator(_not_taken)
]


_FactorNames = Annotated[
    tuple[str, ...], BeforeValidator(lambda found: tuple(found) if isinstance(found, list) else (found,))
]


class SpaceFile(FactorValues):
    """The file without its settings.

    Args:
        tune: see `Design.tuned`; None leaves the learning rate.
        choose_by: the setting `evaluation.choose_by`; None leaves it.
    """

    name: _FolderName
    arms: Annotated[list[FactorValues], Field(min_length=1)]
    design: Method = "grid"
    tune: _FactorNames | None = None
    primary: Primary | None = None
    equivalence: Equivalence | None = None
    choose_by: str | None = None
    resources: Resources = Resources()
    recovery: Recovery = Recovery()
    search: Search = Search()
    budget: Budget = Budget()


FILE: TypeAdapter[Any] = TypeAdapter(SpaceFile)
SETTINGS: TypeAdapter[Any] = TypeAdapter(dict[str, dict[str, JsonValue]])

_OF_DESIGN = ("design", "tune", "primary", "equivalence", "choose_by")
FACTOR_KEYS = tuple(key for key in FACTOR_OF_KEY if key != "strategy")
KEYS_IN: dict[str, tuple[str, ...]] = {
    "": ("name", "arms", *_OF_DESIGN, *FACTOR_OF_KEY, *GROUPS, "resources", "recovery", "search", "budget"),
    "arms": (*FACTOR_OF_KEY, *GROUPS),
    "primary": ("arm", "against", "class"),
    "equivalence": tuple(Equivalence.model_fields),
    "resources": tuple(Resources.model_fields),
    "recovery": tuple(Recovery.model_fields),
    "search": tuple(Search.model_fields),
    "start": (*(key for key in Start.model_fields if key != "settings"), *GROUPS),
    "pruning": tuple(Pruning.model_fields),
    "budget": tuple(Budget.model_fields),
}
"""Keys that are known at the top (`""`) and under a key."""
WORDS: dict[str, tuple[str, ...]] = {
    **{key: factor.words for key, factor in FACTOR_OF_KEY.items()},
    "design": get_args(Method),
    "method": ("grid", "optuna"),
    "sampler": ("tpe", "random"),
    "gpus": ("auto",),
}
"""Texts that a key may have."""
ALLOWED = {
    **{key: factor.allowed for key, factor in FACTOR_OF_KEY.items()},
    "name": "up to 100 of letters, digits, '.', '_' and '-', beginning with a letter, a digit or '_', "
    f"and none of {', '.join(_TAKEN_NAMES)}, nor a device's name such as con",
    "arms": "a list of one or more arms, each with keys and values, such as `- strategy: open`",
    "design": "grid, every combination of the compared factors, or one_at_a_time",
    "tune": "a list of factors that are chosen for each arm, such as [learning_rate, training.weight_decay]",
    "primary": "a mapping with the keys arm, against and class, such as "
    "{arm: conservative 9, against: open, class: CLASS}",
    "arm": "the name of an arm, such as conservative 9",
    "against": "the name of an arm, such as open",
    "class": "the name of a class",
    "equivalence": "a mapping with the key dsc, such as {dsc: 0.01}",
    "dsc": "a number above 0 and below 1",
    "choose_by": "mean, the mean Dice of the classes, or the class whose Dice chooses",
    "resources": "a mapping with the keys cpus, gpus and price_per_hour",
    "cpus": "a number above 0",
    "gpus": "auto, or a number, 0 or more",
    "price_per_hour": "a number, 0 or more",
    "recovery": "a mapping with keys of " + ", ".join(Recovery.model_fields),
    "retries": "a whole number, 0 or more",
    "stop_after": "a whole number, 1 or more",
    "checkpoint_seconds": "a number, 0 or more, or null for no checkpoints",
    "lease_seconds": "a number above 0",
    "search": "a mapping with keys of " + ", ".join(Search.model_fields),
    "method": "grid, which tries every point, or optuna, which samples arms",
    "trials": "a whole number, 1 or more",
    "objective": "one or more of what trials report, such as validation/CLASS/dsc",
    "sampler": "tpe or random",
    "seed": f"a whole number from 0 to {2**32 - 1}",
    "start": "a list of candidates, such as `- {strategy: open, learning_rate: 1.0e-3}`",
    "pruning": "a mapping with the keys epochs and margin",
    "epochs": "true or false",
    "margin": "a number above 0",
    "budget": "a mapping with one of the keys " + ", ".join(Budget.model_fields),
    "gpu_hours": "a number above 0",
    "minutes": "a number above 0",
} | dict.fromkeys(GROUPS, "settings with their values, such as `training: {max_epochs: 3}`")
"""What a key may hold, as messages tell it."""
