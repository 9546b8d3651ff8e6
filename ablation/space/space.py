"""The search space: which values of the study's factors to try, as a YAML file says it."""

import math
import reprlib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from ablation.space.configuration import TEXT_SETTINGS
from ablation.space.factors import DEFAULTS, FactorValues
from ablation.space.findings import misfits, misplaced, refusal, unsampled, uses
from ablation.space.ranges import Range
from ablation.space.resources import Recovery, Resources
from ablation.space.schema import FACTOR_KEYS, FILE, GROUPS, SETTINGS, SpaceFile
from ablation.space.search_settings import Budget, Search, search_findings
from ablation.space.yaml_loader import PlainLoader
from t1t2core.cohort.text import is_there, read_text
from t1t2core.errors import InputError
from t1t2core.settings import Fusion
from t1t2core.strategies import StrategyName, TunedLayers

MOST_BYTES = 200_000
"""Of a file: larger ones are no search spaces, and reading them as YAML would take minutes."""

MOST_POINTS = 100_000
"""Combinations of factors in a space: more is a slip, and their list alone would fill the memory."""


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


def values_of(values: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    """Return the values of a list, or the ends of a range."""
    return values.ends if isinstance(values, Range) else values


def read_space(path: Path) -> Space:
    """Read the search space in a YAML file.

    Raises:
        InputError: it is not there or is not YAML; or it has an unknown key, a value that is not allowed,
            or a factor that its strategy lacks or has no use for. All findings are in one message.
    """
    document, findings = _document(path)
    if "name" not in document:
        document = {"name": path.stem, **document}
    groups = {key: value for key, value in document.items() if key in GROUPS}
    rest = {key: value for key, value in document.items() if key not in GROUPS}
    findings += [*misfits(FILE, rest), *misfits(SETTINGS, groups), *misplaced(rest)]
    if findings:
        raise refusal(path, findings)
    file = SpaceFile.model_validate(rest)
    arms = tuple(_merge(file, arm) for arm in file.arms)
    findings = search_findings(file.search, file.budget, "budget" in file.model_fields_set)
    if findings := findings + unsampled(file, arms):
        raise refusal(path, findings)
    if not file.search.samples and (points := sum(map(_count, arms))) > MOST_POINTS:
        raise refusal(path, [f"arms: {points:,} combinations of factors; at most {MOST_POINTS:,}"])
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


def _count(arm: Arm) -> int:
    """Combinations of an arm's values, those that compute the same counted each."""
    return math.prod(max(1, len(values_of(getattr(arm, key) or ()))) for key in FACTOR_KEYS)


def _merge(top: FactorValues, arm: FactorValues) -> Arm:
    """The arm's own values over those at the top over the defaults."""

    def given(key: str) -> Any:
        return getattr(arm, key) or getattr(top, key) or DEFAULTS.get(key)

    strategy = given("strategy")
    used: dict[str, Any] = {
        key: given(key) if uses(strategy, key) else DEFAULTS.get(key) for key in FACTOR_KEYS
    }
    return Arm(strategy=strategy, **used)


def _document(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what is in the file, as plain values; and a line for each key that is there twice."""
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


_OWN_SPACES = Path(__file__).parents[2] / "search_spaces"
