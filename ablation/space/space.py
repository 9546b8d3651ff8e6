"""The search space: which points of the study's factors to try, as a YAML file says it."""

import math
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    TypeAdapter,
    ValidationError,
)

from ablation.space.configuration import TEXT_SETTINGS
from ablation.space.ranges import Range, Scale, read_range
from ablation.space.search_settings import Budget, Pruning, Search, Start, Strict, search_findings
from ablation.space.yaml_loader import PlainLoader
from t1t2core.cohort.names import is_reserved
from t1t2core.cohort.text import is_there, read_text
from t1t2core.errors import InputError
from t1t2core.settings import Fusion, Settings
from t1t2core.strategies import STRATEGIES, Factors, StrategyName, TunedLayers

DEFAULTS: dict[str, tuple[Any, ...]] = {
    "t2_train_size": (8,),
    "learning_rate": (),
    "folds": (1, 2, 3),
    "seeds": (0,),
}
"""Values of a factor that a search space leaves out, by its key in the file (Sec. 3.5; seed ours).

No `learning_rate` is that of the settings.
"""

_FACTOR_OF_KEY = {"folds": "fold", "seeds": "seed"}
_GROUPS = tuple(Settings.__annotations__)
_TAKEN_NAMES = ("store", "artifacts", "mlflow.db", "phantom")

MOST_BYTES = 200_000
"""Of a file: larger ones are no search spaces, and reading them as YAML would take minutes."""

MOST_POINTS = 100_000
"""Combinations of factors in a space: more is a slip, and their list alone would fill the memory."""

MOST_FINDINGS = 50
"""Lines of a message; what is wrong beyond them is counted."""

LONGEST_KEY = 60
"""Characters of a key that messages show."""


def _as_list(value: Any) -> tuple[Any, ...]:
    """One value stands for a list of it."""
    return tuple(value) if isinstance(value, list) else (value,)


def _not_taken(name: str) -> str:
    if name.lower() in _TAKEN_NAMES or name.lower().startswith("mlflow.db"):
        raise ValueError("is reserved")
    if is_reserved(name):
        raise ValueError("no folder of this name can be made everywhere")
    return name


Item = TypeVar("Item")
_Values = Annotated[tuple[Item, ...], BeforeValidator(_as_list), Field(min_length=1)]
_Layers = Literal["fc", 3, 6, 9, 12, 15, 18, 21]
_Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]
_Seed = Annotated[int, Field(ge=0, lt=2**32)]
_RATE_SCALES: tuple[Scale, ...] = ("log_uniform", "uniform")
_SIZE_SCALES: tuple[Scale, ...] = ("int_uniform",)
_RateRange = Annotated[Range, BeforeValidator(lambda found: read_range(found, _RATE_SCALES, 1))]
_SizeRange = Annotated[Range, BeforeValidator(lambda found: read_range(found, _SIZE_SCALES, None))]
_RANGE = "range"
_KIND = Discriminator(lambda found: _RANGE if isinstance(found, dict | Range) else "values")
_Rates = Annotated[Annotated[_Values[_Rate], Tag("values")] | Annotated[_RateRange, Tag(_RANGE)], _KIND]
_Sizes = Annotated[Annotated[_Values[_Count], Tag("values")] | Annotated[_SizeRange, Tag(_RANGE)], _KIND]
_Processors = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Accelerators = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_FolderName = Annotated[
    str, Field(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9._-]*\z", max_length=100), AfterValidator(_not_taken)
]


class Resources(Strict):
    """What one trial may use: processor cores and GPUs.

    Args:
        gpus: a share of one is allowed. `auto`: none where there are none, else as little as the largest
            trial needs by its memory, so that as many as fit run side by side.
        price_per_hour: of a GPU, or of the machine where trials use none; the plan tells what it comes to.
    """

    cpus: _Processors = 1
    gpus: Literal["auto"] | _Accelerators = "auto"
    price_per_hour: _Accelerators | None = None


class Recovery(Strict):
    """What is done about losses: none of this changes a result.

    Args:
        retries: times that a trial which raised an error is tried again.
        stop_after: trials in a row that fail with the same error end the sweep.
        checkpoint_seconds: least time between two checkpoints of a trial; null writes none.
        lease_seconds: without a heartbeat for so long, a driver on another machine counts as gone.
    """

    retries: Annotated[int, Field(ge=0)] = 2
    stop_after: Annotated[int, Field(ge=1)] = 5
    checkpoint_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = 30.0
    lease_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0


class _Factors(Strict):
    """Factors as the file has them, in an arm or at the top; empty where not given."""

    strategy: StrategyName | None = None
    tuned_layers: _Values[_Layers] = ()
    fusion: _Values[Fusion] = ()
    t2_train_size: _Sizes = ()
    learning_rate: _Rates = ()
    folds: _Values[_Count] = ()
    seeds: _Values[_Seed] = ()


class _File(_Factors):
    """The file without its groups of settings."""

    name: _FolderName
    arms: Annotated[list[_Factors], Field(min_length=1)]
    resources: Resources = Resources()
    recovery: Recovery = Recovery()
    search: Search = Search()
    budget: Budget = Budget()


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One strategy and the values of its factors; None for those that it never has."""

    strategy: StrategyName
    tuned_layers: tuple[TunedLayers, ...] | None
    fusion: tuple[Fusion, ...] | None
    t2_train_size: tuple[int, ...] | Range
    learning_rate: tuple[float, ...] | Range
    folds: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space.

    Args:
        name: experiment in the record, and folder of the results.
        arms: in the order of the file.
        settings: groups of `t1t2core.settings.Settings` as the file has them, values not yet checked.
        resources: of each trial.
        recovery: what is done about losses.
        search: how points are chosen.
        budget: what may be spent.
        source: the file.
    """

    name: str
    arms: tuple[Arm, ...]
    settings: dict[str, dict[str, Any]]
    resources: Resources
    recovery: Recovery
    search: Search
    budget: Budget
    source: Path


@dataclass(frozen=True, kw_only=True)
class Point(Factors):
    """One combination of factors. Points that compute the same thing are equal if made by `canonical`.

    Args:
        fold: of the cohort's split, from 1.
    """

    fold: int

    @classmethod
    def canonical(
        cls,
        *,
        strategy: str,
        fold: int,
        tuned_layers: TunedLayers | None = None,
        fusion: Fusion | None = None,
        t2_train_size: int | None = None,
        learning_rate: float | None = None,
        seed: int | None = None,
    ) -> "Point":
        """Return the point with None for each factor that means nothing to its strategy."""
        name = STRATEGIES[cast(StrategyName, strategy)].resolve(tuned_layers)
        given: dict[str, Any] = {
            "tuned_layers": tuned_layers,
            "fusion": fusion,
            "t2_train_size": t2_train_size,
            "learning_rate": learning_rate,
            "seed": seed,
        }
        used = {factor: value for factor, value in given.items() if factor in STRATEGIES[name].factors}
        return cls(strategy=name, fold=fold, **used)


def expand(space: Space, *, learning_rate: Callable[[StrategyName], float]) -> tuple[Point, ...]:
    """Every canonical point of the space once, in the order of the arms and of their values.

    Of a range its two ends.

    Args:
        learning_rate: that of a strategy's settings, for arms that name none.
    """
    return tuple(dict.fromkeys(point for arm in space.arms for point in _points(arm, learning_rate)))


def _points(arm: Arm, learning_rate: Callable[[StrategyName], float]) -> Iterator[Point]:
    values = {
        "tuned_layers": arm.tuned_layers or (None,),
        "fusion": arm.fusion or (None,),
        "t2_train_size": values_of(arm.t2_train_size),
        "learning_rate": values_of(arm.learning_rate) or (learning_rate(arm.strategy),),
        "fold": arm.folds,
        "seed": arm.seeds,
    }
    for combination in product(*values.values()):
        factors: dict[str, Any] = dict(zip(values, combination, strict=True))
        yield Point.canonical(strategy=arm.strategy, **factors)


def values_of(values: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    """The values of a list, the ends of a range."""
    return values.ends if isinstance(values, Range) else values


def read_space(path: Path) -> Space:
    """The search space in a YAML file.

    Raises:
        InputError: it is not there or is not YAML; or it has an unknown key, a value that is not allowed,
            or a factor that its strategy lacks or has no use for. All findings are in one message.
    """
    document, findings = _document(path)
    if "name" not in document:
        document = {"name": path.stem, **document}
    groups = {key: value for key, value in document.items() if key in _GROUPS}
    rest = {key: value for key, value in document.items() if key not in _GROUPS}
    findings += [*_misfits(_FILE, rest), *_misfits(_SETTINGS, groups), *_misplaced(rest)]
    if findings:
        raise _refusal(path, findings)
    file = _File.model_validate(rest)
    arms = tuple(_merge(file, arm) for arm in file.arms)
    findings = search_findings(file.search, file.budget, "budget" in file.model_fields_set)
    if findings := findings + _unsampled(file, arms):
        raise _refusal(path, findings)
    if not file.search.samples and (points := sum(map(_count, arms))) > MOST_POINTS:
        raise _refusal(path, [f"arms: {points:,} combinations of factors; at most {MOST_POINTS:,}"])
    return Space(
        name=file.name,
        arms=arms,
        settings=groups,
        resources=file.resources,
        recovery=file.recovery,
        search=file.search,
        budget=file.budget,
        source=path,
    )


def _refusal(path: Path, findings: list[str]) -> InputError:
    different = list(dict.fromkeys(findings))
    more = [f"and {len(different) - MOST_FINDINGS} more"] if len(different) > MOST_FINDINGS else []
    return InputError.collect(f"search space {path} cannot be used:", different[:MOST_FINDINGS] + more)


def _count(arm: Arm) -> int:
    """Combinations of an arm's values, those that compute the same counted each."""
    return math.prod(max(1, len(values_of(getattr(arm, key) or ()))) for key in _FACTOR_KEYS)


def _unsampled(file: _File, arms: Iterable[Arm]) -> list[str]:
    """A line for each range of a grid, which cannot take all of its values."""
    if file.search.samples:
        return []
    return [
        f"{f'arms[{index}].{key}' if getattr(own, key) else key}: a range, of which grid "
        "cannot try every value; allowed: a list, or `search: {method: optuna, trials: 21}`"
        for index, (own, arm) in enumerate(zip(file.arms, arms, strict=True))
        for key in _FACTOR_KEYS
        if isinstance(getattr(arm, key), Range)
    ]


def _merge(top: _Factors, arm: _Factors) -> Arm:
    """The arm's own values over those at the top over the defaults."""

    def given(key: str) -> Any:
        return getattr(arm, key) or getattr(top, key) or DEFAULTS.get(key)

    strategy = given("strategy")
    used: dict[str, Any] = {
        key: given(key) if _uses(strategy, key) else DEFAULTS.get(key) for key in _FACTOR_KEYS
    }
    return Arm(strategy=strategy, **used)


def _uses(strategy: str, key: str) -> bool:
    return _FACTOR_OF_KEY.get(key, key) in STRATEGIES[strategy].factors


_ARM_KEYS = tuple(_Factors.model_fields)
_FACTOR_KEYS = tuple(key for key in _ARM_KEYS if key != "strategy")
_TOP_KEYS = ("name", "arms", *_ARM_KEYS, *_GROUPS, "resources", "recovery", "search", "budget")
_KEYS_IN: dict[str, tuple[str, ...]] = {
    "": _TOP_KEYS,
    "arms": _ARM_KEYS,
    "resources": tuple(Resources.model_fields),
    "recovery": tuple(Recovery.model_fields),
    "search": tuple(Search.model_fields),
    "start": tuple(Start.model_fields),
    "pruning": tuple(Pruning.model_fields),
    "budget": tuple(Budget.model_fields),
}

_STRATEGIES, _FUSIONS = get_args(StrategyName), get_args(Fusion)
_NAMES_FOR: dict[str, tuple[str, ...]] = {
    "strategy": _STRATEGIES,
    "fusion": _FUSIONS,
    "tuned_layers": ("fc",),
    "method": ("grid", "optuna"),
    "sampler": ("tpe", "random"),
    "gpus": ("auto",),
}
_ALLOWED = {
    "name": "up to 100 of letters, digits, '.', '_' and '-', beginning with a letter, a digit or '_', "
    f"and none of {', '.join(_TAKEN_NAMES)}, nor a device's name such as con",
    "arms": "a list of one or more arms, each with keys and values, such as `- strategy: open`",
    "strategy": "one of " + ", ".join(_STRATEGIES),
    "tuned_layers": "one or more of fc, 3, 6, 9, 12, 15, 18, and 21, which is the strategy open",
    "fusion": "one or more of " + ", ".join(_FUSIONS),
    "t2_train_size": "one or more whole numbers of patients, 1 or more",
    "learning_rate": "one or more numbers above 0 and at most 1",
    "folds": "one or more whole numbers, from 1",
    "seeds": f"one or more whole numbers from 0 to {2**32 - 1}",
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
    "objective": "one or more of what trials report, such as validation/bone/dsc",
    "sampler": "tpe or random",
    "seed": f"a whole number from 0 to {2**32 - 1}",
    "start": "a list of candidates, such as `- {strategy: open, learning_rate: 1.0e-3}`",
    "pruning": "a mapping with the keys epochs and margin",
    "epochs": "true or false",
    "margin": "a number above 0",
    "budget": "a mapping with one of the keys " + ", ".join(Budget.model_fields),
    "gpu_hours": "a number above 0",
    "minutes": "a number above 0",
} | dict.fromkeys(_GROUPS, "settings with their values, such as `training: {max_epochs: 3}`")

_FILE: TypeAdapter[Any] = TypeAdapter(_File)
_SETTINGS: TypeAdapter[Any] = TypeAdapter(dict[str, dict[str, JsonValue]])


def _misfits(schema: TypeAdapter[Any], document: dict[str, Any]) -> list[str]:
    """A line for each key and value that the schema refuses."""
    try:
        schema.validate_python(document)
    except ValidationError as error:
        found = [
            (item["loc"], item["type"], item["ctx"]["error"] if _is_range(item) else item["input"])
            for item in error.errors(include_url=False)
        ]
    else:
        return []
    if any(loc == ("search", "method") for loc, _, _ in found):
        # The other keys of the search belong to the method that does not exist.
        found = [item for item in found if item[0][0] != "search" or item[0] == ("search", "method")]
    return [_describe(loc, kind, value, document) for loc, kind, value in found]


def _is_range(error: Mapping[str, Any]) -> bool:
    """Whether a finding is about a range, which tells itself what is wrong with it."""
    return bool(error["type"] == "value_error" and error["loc"][-1] == _RANGE)


def _describe(loc: tuple[int | str, ...], kind: str, value: Any, document: dict[str, Any]) -> str:
    if loc[-1] == "[key]":
        return f"{_place(loc[:-1], document)}: a key that is not text; allowed: text, in quotes if need be"
    if kind == "value_error" and loc[-1] == _RANGE:
        return f"{_place(loc[:-1], document)}: {value}"
    place = _place(loc, document)
    if kind in ("extra_forbidden", "invalid_key"):
        inside = [part for part in loc[:-1] if part in _KEYS_IN]
        keys = _KEYS_IN[str(inside[-1]) if inside else ""]
        return f"{place}: unknown key; allowed: {', '.join(keys)}{_nearest(loc[-1], keys)}"
    if kind == "missing":
        return f"{place}: missing; allowed: {_ALLOWED[str(loc[-1])]}"
    names = [part for part in loc if isinstance(part, str)]
    if names[0] in _GROUPS and len(loc) > 1:
        allowed = "names with texts, numbers, true, false, null, lists or mappings of them"
    else:
        allowed = next(_ALLOWED[name] for name in reversed(names) if name in _ALLOWED)
    return f"{place}: found {reprlib.repr(value)}; allowed: {allowed}{_nearest(value, _names_for(names))}"


def _names_for(names: list[str]) -> tuple[str, ...]:
    return next((_NAMES_FOR[name] for name in reversed(names) if name in _NAMES_FOR), ())


def _nearest(word: Any, names: Iterable[str]) -> str:
    """A question that offers the name most like the word, or nothing."""
    if not isinstance(word, str):
        return ""
    matches = get_close_matches(re.sub(r"[\s-]", "_", word.lower()), names, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _place(loc: tuple[int | str, ...], document: Any) -> str:
    """The keys and indices that lead to a value, as the file has them: without those that pydantic adds."""
    place = ""
    absent = loc[-1] if isinstance(loc[-1], str) else None
    for part in loc:
        if isinstance(document, list) and isinstance(part, int):
            place += f"[{part}]"
            document = document[part]
        elif isinstance(document, dict) and (part in document or part == absent):
            place += f".{_shown(part)}" if place else _shown(part)
            document = document.get(part)
    return place


def _shown(key: object) -> str:
    """A key as messages have it: a text as it is, if that can be printed on a line."""
    if isinstance(key, str) and len(key) <= LONGEST_KEY and key.isprintable():
        return key
    return reprlib.repr(key)


def _misplaced(document: dict[str, Any]) -> list[str]:
    """A line for each factor that a strategy lacks or has no use for; what is not readable is passed over."""
    arms = document.get("arms")
    arms = arms if isinstance(arms, list) else []
    findings: list[str] = []
    strategies: list[Any] = []
    for index, arm in enumerate(arms):
        place = f"arms[{index}]"
        strategy = arm.get("strategy", document.get("strategy")) if isinstance(arm, dict) else "unknown"
        strategies.append(strategy)
        if strategy is None:
            findings.append(f"{place}.strategy: missing; allowed: {_ALLOWED['strategy']}")
        elif strategy in _STRATEGIES:
            findings += _misused(strategy, place, arm, document)
    if arms and all(strategy in _STRATEGIES for strategy in strategies):
        used = [key for key in _FACTOR_KEYS if any(_uses(strategy, key) for strategy in strategies)]
        unused = [key for key in _FACTOR_KEYS if key in document and key not in used]
        findings += [f"{key}: no arm has a use for it; it is for {_users(key)}" for key in unused]
    return findings


def _misused(strategy: str, place: str, arm: dict[str, Any], top: dict[str, Any]) -> list[str]:
    useless = [key for key in _FACTOR_KEYS if key in arm and not _uses(strategy, key)]
    lacking = [key for key in _FACTOR_KEYS if _uses(strategy, key) and key not in {**DEFAULTS, **arm, **top}]
    return [
        *(f"{place}.{key}: {strategy} has no use for it; it is for {_users(key)}" for key in useless),
        *(f"{place}.{key}: missing, {strategy} needs it; allowed: {_ALLOWED[key]}" for key in lacking),
    ]


def _users(key: str) -> str:
    return ", ".join(strategy for strategy in _STRATEGIES if _uses(strategy, key))


def _document(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What is in the file, as plain values; and a line for each key that is there twice."""
    if not is_there(path):
        raise InputError(f"search space {path} is not there{_nearest_files(path)}")
    try:
        text = read_text(path, most_bytes=MOST_BYTES)
    except InputError as error:
        raise InputError(f"search space {path} cannot be read: {error}") from None
    try:
        loader = PlainLoader(text, texts=[("name",), *TEXT_SETTINGS])
        document = loader.get_single_data()
    except yaml.YAMLError as error:
        raise InputError(f"search space {path} is not YAML: {error}") from None
    if not isinstance(document, dict):
        found = "nothing" if document is None else reprlib.repr(document)
        raise InputError(f"search space {path}: found {found}; allowed: keys and values, at least `arms`")
    return document, loader.repeated


def _nearest_files(path: Path) -> str:
    """A question that offers files with a name like that of `path`, or else the files that are there."""
    folders = dict.fromkeys([path.parent, Path("search_spaces"), _OWN_SPACES])
    found = (file for folder in reversed(folders) for file in folder.glob("*.y*ml") if file.is_file())
    files = {file.resolve(): file for file in found}
    by_name = {file.stem: file for file in files.values()}
    near = get_close_matches(path.stem, by_name, n=3)
    if near:
        return f"; did you mean {' or '.join(str(by_name[stem]) for stem in near)}?"
    return f"; there are {', '.join(map(str, sorted(files.values())))}" if files else ""


_OWN_SPACES = Path(__file__).parents[1] / "search_spaces"
