"""The search space: which values of the study's factors to try, as a YAML file says it."""

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from ablation.space.arm import Arm, values_of
from ablation.space.configuration import TEXT_SETTINGS
from ablation.space.design import ONE_AT_A_TIME, Design
from ablation.space.factors import DEFAULTS, NAME_OF_KEY, FactorValues
from ablation.space.findings import misfits, misplaced, refusal, repeated, unsampled, uses
from ablation.space.levels import read_design, read_levels
from ablation.space.resources import Recovery, Resources
from ablation.space.schema import FACTOR_KEYS, FILE, SETTINGS, SpaceFile
from ablation.space.search_settings import Budget, Search, search_findings
from ablation.space.variation import Values
from ablation.space.yaml_loader import PlainLoader
from t1t2core.cohort.text import is_there, read_text
from t1t2core.errors import InputError

MOST_BYTES = 200_000
"""Of a file: larger ones are no search spaces, and reading them as YAML would take minutes."""

MOST_POINTS = 100_000
"""Combinations of factors in a space: more is a slip, and their list alone would fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space.

    Args:
        name: experiment in the record, and folder of the results.
        arms: in the order of the file.
        settings: groups of `t1t2core.settings.Settings` as the file has them, of those that are the same in
            all arms; values not yet checked.
        design: roles of the factors, and their combinations.
        resources: of each trial.
        recovery: what is done about losses.
        search: how points are chosen.
        budget: what may be spent.
        source: the file.
    """

    name: str
    arms: tuple[Arm, ...]
    settings: dict[str, dict[str, Any]]
    design: Design
    resources: Resources
    recovery: Recovery
    search: Search
    budget: Budget
    source: Path


def read_space(path: Path) -> Space:
    """Read the search space in a YAML file.

    Raises:
        InputError: it is not there or is not YAML; or it has an unknown key, a value that is not allowed,
            or a factor that its strategy lacks or has no use for. All findings are in one message.
    """
    document, findings = _document(path)
    if "name" not in document:
        document = {"name": path.stem, **document}
    levels = read_levels(document)
    rest = levels.rest
    findings += [*misfits(FILE, rest), *misfits(SETTINGS, levels.groups), *levels.findings, *misplaced(rest)]
    if findings:
        raise refusal(path, findings)
    file = SpaceFile.model_validate(rest)
    arms = tuple(
        _merge(file, arm, {**levels.varied, **own})
        for arm, own in zip(file.arms, levels.of_arms, strict=True)
    )
    findings = search_findings(file.search, file.budget, "budget" in file.model_fields_set)
    findings += unsampled(file, arms, levels.of_arms) or repeated(file)
    design, about_design = read_design(file, arms)
    settings, about_choice = _with_choice(levels.fixed, file)
    if findings := findings + about_design + about_choice:
        raise refusal(path, findings)
    if not file.search.samples and (points := sum(_count(arm, design) for arm in arms)) > MOST_POINTS:
        raise refusal(path, [f"arms: {points:,} combinations of factors; at most {MOST_POINTS:,}"])
    return Space(
        name=file.name,
        arms=arms,
        settings=settings,
        design=design,
        resources=file.resources,
        recovery=file.recovery,
        search=file.search,
        budget=file.budget,
        source=path,
    )


def _with_choice(
    fixed: dict[str, dict[str, Any]], file: SpaceFile
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the settings with the one that `choose_by` is, and a line where both are there."""
    if file.choose_by is None:
        return fixed, []
    evaluation = fixed.get("evaluation", {})
    if "choose_by" in evaluation:
        return fixed, ["choose_by: evaluation.choose_by says the same; leave out one of them"]
    return {**fixed, "evaluation": {**evaluation, "choose_by": file.choose_by}}, []


def _count(arm: Arm, design: Design) -> int:
    """Combinations of an arm's values, those that compute the same counted each."""
    sizes = {NAME_OF_KEY[key]: max(1, len(values_of(getattr(arm, key) or ()))) for key in FACTOR_KEYS}
    sizes |= {name: len(values_of(values)) for name, values in arm.settings.items()}
    if design.method == ONE_AT_A_TIME:
        changes = sum(size - 1 for name, size in sizes.items() if name in design.compared)
        return (1 + changes) * math.prod(n for name, n in sizes.items() if name not in design.compared)
    return math.prod(sizes.values())


def _merge(top: FactorValues, arm: FactorValues, settings: Mapping[str, Values]) -> Arm:
    """The arm's own values over those at the top over the defaults."""

    def given(key: str) -> Any:
        return getattr(arm, key) or getattr(top, key) or DEFAULTS.get(key)

    strategy = given("strategy")
    used: dict[str, Any] = {
        key: given(key) if uses(strategy, key) else DEFAULTS.get(key) for key in FACTOR_KEYS
    }
    own = {name: values for name, values in settings.items() if uses(strategy, name)}
    return Arm(strategy=strategy, settings=own, **used)


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
