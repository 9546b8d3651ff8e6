"""The classes that a study tells apart: their names, and how CT or label maps tell them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass as settings_dataclass

from t1t2core.settings.types import STRICT, Finite, Whole

IGNORED = 255
"""Label of voxels that are left out of training and scores."""
FEWEST, MOST = 2, 16
"""Classes of a study."""
INTERNAL_AIR = "internal_air"
"""Scored beside the classes where one is `AIR`: that of it which the head encloses."""
AIR = "air"
MEAN = "mean"
"""Stands in the place of a class for the mean of the foreground classes."""
RESERVED = frozenset({INTERNAL_AIR, MEAN, "ignore", "ignored", "only_in_mr", "only_in_ct"})
"""Names that mean something else."""
IGNORE = "ignore"
MOST_VALUE = 65535
LONGEST_NAME = 40

Range = tuple[float, float]
"""Hounsfield units above the first and below the second; infinite where there is no limit."""


@settings_dataclass(kw_only=True, frozen=True, config=STRICT)
class ClassRule:
    """How voxels of a class are told: by their value in label maps, their Hounsfield units, or both."""

    value: Annotated[Whole, Field(ge=0, le=MOST_VALUE)] | None = None
    above_hu: Finite | None = None
    below_hu: Finite | None = None

    @property
    def range(self) -> Range | None:
        """Return its range of Hounsfield units; None where it names none."""
        if self.above_hu is None and self.below_hu is None:
            return None
        low = -math.inf if self.above_hu is None else self.above_hu
        return low, math.inf if self.below_hu is None else self.below_hu


@dataclass(frozen=True)
class Classes:
    """The classes of a study; a class's label is its place in `names`.

    Args:
        names: by label, in the order of their values or of their Hounsfield units.
        values: of each in label maps.
        order: the names in the order of tables.
        ranges: of Hounsfield units, None for all that no other range has; empty where only label maps tell
            the classes, or where `preparation` has the limits.
        background: the class that no mean counts; None: all count.
        others: label of the values that no class has; None refuses them.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    order: tuple[str, ...]
    ranges: tuple[Range | None, ...] = ()
    background: str | None = None
    others: int | None = None
    from_ct: bool = True

    @classmethod
    def of(
        cls,
        rules: Mapping[str, ClassRule] | None,
        *,
        background: str | None = None,
        others: str | None = None,
    ) -> "Classes":
        """Return the classes that the settings mean; without rules, the study's.

        Raises:
            ValueError: the rules contradict each other, or leave something open.
        """
        if rules is None:
            if background is not None or others is not None:
                raise ValueError("background and others go with classes, and none are given")
            return STUDY_CLASSES
        _check(rules)
        from_ct = any(rule.range is not None for rule in rules.values())
        by_value = any(rule.value is not None for rule in rules.values())
        names = sorted(rules, key=lambda name: _place(rules[name], by_value=by_value))
        for setting, name in (("background", background), ("others", others)):
            if name is not None and name not in rules and (setting, name) != ("others", IGNORE):
                raise ValueError(f"{setting}: {name!r} is no class; there are {', '.join(rules)}")
        return cls(
            names=tuple(names),
            values=tuple(_values(rules, names)),
            order=tuple(rules),
            ranges=tuple(rules[name].range for name in names) if from_ct else (),
            background=background,
            others=IGNORED if others == IGNORE else None if others is None else names.index(others),
            from_ct=from_ct,
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_study(self) -> bool:
        """Return whether they are air, soft tissue and bone, as the study has them."""
        return set(self.names) == set(STUDY_CLASSES.names)

    @cached_property
    def labels(self) -> dict[str, int]:
        """The label of each class, by name."""
        return {name: label for label, name in enumerate(self.names)}

    @cached_property
    def foreground(self) -> tuple[str, ...]:
        """The classes whose mean counts, in the order of tables."""
        return tuple(name for name in self.order if name != self.background)

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """What is scored, in the order of tables; `internal_air` last, where there is air."""
        return (*self.order, INTERNAL_AIR) if AIR in self.names else self.order

    @cached_property
    def outside(self) -> int | None:
        """The label of what surrounds the head: the background, air, or else the class of value 0."""
        for name in (self.background, AIR, "background"):
            if name in self.names:
                return self.names.index(name)
        return self.values.index(0) if 0 in self.values else None

    @cached_property
    def outlined(self) -> str:
        """The class whose outline shows how labels lie on a scan: the first but what surrounds the head."""
        return next(name for name in self.order if self.labels[name] != self.outside)

    @property
    def label_values(self) -> tuple[int, ...]:
        """The values that label maps may have, without those that are others."""
        return tuple(sorted(self.values))


def _place(rule: ClassRule, *, by_value: bool) -> tuple[float, float]:
    """Return the place among the labels: that of its value, or of its range; all else is second."""
    if by_value:
        assert rule.value is not None
        return rule.value, 0
    return rule.range or (-math.inf, math.inf)


def _values(rules: Mapping[str, ClassRule], names: list[str]) -> Iterator[int]:
    for label, name in enumerate(names):
        value = rules[name].value
        yield label if value is None else value


def _check(rules: Mapping[str, ClassRule]) -> None:
    """Refuse names and rules that do not make classes."""
    if not FEWEST <= len(rules) <= MOST:
        raise ValueError(f"{len(rules)} classes, where {FEWEST} to {MOST} are possible")
    for name in rules:
        if not name.isidentifier() or not name.isascii() or len(name) > LONGEST_NAME or name in RESERVED:
            raise ValueError(
                f"{name!r} cannot name a class: a name has letters, digits and _ only, no digit in front, at "
                f"most {LONGEST_NAME} characters, and is none of {', '.join(sorted(RESERVED))}"
            )
    without = [name for name, rule in rules.items() if rule.value is None]
    if without and len(without) < len(rules):
        raise ValueError(f"{', '.join(without)}: no value, where other classes have one")
    values = [rule.value for rule in rules.values() if rule.value is not None]
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"two classes have the value {twice[0]}")
    ranged = {name: rule.range for name, rule in rules.items() if rule.range is not None}
    if not ranged:
        if without:
            raise ValueError(
                f"{without[0]} has neither a value of label maps nor a range ({{above_hu: ...}}, "
                "{below_hu: ...})"
            )
        return
    _check_ranges(ranged, [name for name in rules if name not in ranged])


def _check_ranges(ranged: dict[str, Range], rest: list[str]) -> None:
    """Refuse ranges that overlap or leave a gap, and two classes for the rest."""
    for name, (low, high) in ranged.items():
        if low >= high:
            raise ValueError(f"{name}: nothing is above {low:g} and below {high:g} HU")
    for (one, (low, high)), (other, (start, end)) in combinations(ranged.items(), 2):
        if max(low, start) < min(high, end):
            raise ValueError(f"{one} and {other} overlap from {max(low, start):g} to {min(high, end):g} HU")
    if len(rest) > 1:
        raise ValueError(f"{' and '.join(rest)} have no range: one class can be all the rest")
    if rest:
        return
    limits = sorted(ranged.values())
    edges = [(-math.inf, -math.inf), *limits, (math.inf, math.inf)]
    for (_, end), (start, _) in pairwise(edges):
        if end < start:
            raise ValueError(
                f"no class has the range from {end:g} to {start:g} HU: one without a range would be all else"
            )


STUDY_CLASSES = Classes(
    names=(AIR, "soft_tissue", "bone"), values=(0, 1, 2), order=("bone", "soft_tissue", AIR)
)
"""Those of the study; `preparation` has their limits in Hounsfield units."""
