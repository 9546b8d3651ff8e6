"""Which scan of a kind to use where a BIDS subject has several."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from t1t2core.cohort.entities import (
    CT,
    ENTITIES,
    BidsFile,
    is_same,
    listed,
    long_name,
    place_of,
    short_name,
)
from t1t2core.cohort.names import did_you_mean
from t1t2core.errors import InputError
from t1t2core.settings import Selection

MOST_OFFERED = 3
"""Settings that a message offers to choose from."""


@dataclass
class Chosen:
    """What a choice leaves of a subject's scans.

    Args:
        files: the scan of each kind that has one.
        lacks: kinds that have scans but not the one that was asked for, each with why.
        defects: why the choice is not made yet, or what is missing whatever is chosen.
    """

    files: dict[str, BidsFile] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)


class ScanChoice:
    """The settings `session`, `run` and `select`, on the scans of a cohort.

    `select` binds the kinds that it names. `session` and `run` bind every kind that has several, but not the
    scans of a subject and kind that have no session or run at all.

    Args:
        session, run, select: what was asked for (see `CohortSettings`).
        files: all scans of the cohort.
        kinds: of the scans to choose, the first of which everybody must have.

    Raises:
        InputError: `select` names no entity, or no scan has what is asked for.
    """

    def __init__(
        self,
        session: str | None,
        run: str | None,
        select: Selection,
        files: Sequence[BidsFile],
        kinds: Sequence[str] = ("T1w", "T2w", CT),
        *,
        needs_ct: bool = True,
    ) -> None:
        self._kinds = tuple(kinds)
        self._needed = (kinds[0], CT) if needs_ct else (kinds[0],)
        self._asked = {"ses": session, "run": run}
        self._selected = _selected(select, files)
        self._labels = {
            (kind, entity): {
                file.entities[entity] for file in files if file.kind == kind and entity in file.entities
            }
            for kind in self._kinds
            for entity in self._asked
        }
        for entity, label in self._asked.items():
            _check_asked(entity, label, set().union(*(self._labels[kind, entity] for kind in self._kinds)))

    def choose(self, found: Iterable[BidsFile]) -> Chosen:
        """Choose one scan of each kind for a subject."""
        chosen = Chosen()
        left = {kind: [file for file in found if file.kind == kind] for kind in self._kinds}
        missing = [kind for kind, files in left.items() if not files and kind in self._needed]
        for kind in left:
            left[kind] = self._keep(kind, left[kind], chosen)
        if sessions := self._open_sessions(left):
            chosen.defects.append(f"has sessions {listed(sessions)}: choose with `cohort: {{session: ...}}`")
            return chosen
        for kind, files in left.items():
            if len(files) == 1:
                chosen.files[kind] = files[0]
            elif files:
                chosen.defects.append(f"{kind}: {_several(kind, files)}")
        chosen.defects += [f"no {kind} ({place_of(kind)}/*_{kind}.nii.gz)" for kind in missing]
        return chosen

    def may_use(self, session: str | None) -> bool:
        """Tell whether scans of this session can be among the chosen."""
        wanted = [
            self._asked["ses"],
            *(labels["ses"] for labels in self._selected.values() if "ses" in labels),
        ]
        named = [label for label in wanted if label is not None]
        return session is None or not named or any(is_same("ses", session, label) for label in named)

    def _keep(self, kind: str, files: list[BidsFile], chosen: Chosen) -> list[BidsFile]:
        """The scans of a kind that are what was asked for; what they lack is noted."""
        selected = self._selected.get(kind, {})
        wanted = [*selected.items(), *((e, label) for e, label in self._asked.items() if e not in selected)]
        for entity, label in wanted:
            if entity not in selected and not self._binds(kind, entity, files):
                continue
            kept = [file for file in files if file.has(entity, label)]
            if files and not kept:
                has = listed(file.entities.get(entity) for file in files)
                which = (
                    f"of {long_name(entity)} {label}" if label is not None else f"without {long_name(entity)}"
                )
                chosen.lacks[kind] = f"no {kind} {which} (has {has})"
            files = kept
        return files

    def _binds(self, kind: str, entity: str, files: Sequence[BidsFile]) -> bool:
        """Does `session` or `run` say something about these scans?"""
        label = self._asked[entity]
        if label is None or not any(entity in file.entities for file in files):
            return False
        own = self._labels[kind, entity]
        others = set().union(*(self._labels[other, entity] for other in self._kinds if other != kind))
        # All CTs in a session of their own, such as ses-ct beside ses-1 and ses-2 of the MR.
        return len(own) > 1 or bool(own & others) or any(is_same(entity, one, label) for one in own)

    def _open_sessions(self, left: Mapping[str, Sequence[BidsFile]]) -> set[str | None]:
        """The sessions that nothing was said about, where there are several to choose from."""
        undecided: set[str | None] = set()
        # A head's MR comes from one session unless the settings say otherwise, and so does its CT.
        for kinds in ([kind for kind in self._kinds if kind != CT], [CT] if CT in self._kinds else []):
            sessions = {file.entities.get("ses") for kind in kinds for file in left[kind]}
            is_open = any(left[kind] and "ses" not in self._selected.get(kind, {}) for kind in kinds)
            if len(sessions) > 1 and is_open and self._asked["ses"] is None:
                undecided |= sessions
        return undecided


def _selected(select: Selection, files: Sequence[BidsFile]) -> dict[str, dict[str, str | None]]:
    """`select` by short names of entities; raises InputError for what no scan has."""
    findings = []
    for kind, labels in select.items():
        own = [file for file in files if file.kind == kind]
        entities = set(ENTITIES) | set(ENTITIES.values()) | {name for file in own for name in file.entities}
        if len({short_name(entity) for entity in labels}) < len(labels):
            findings.append(f"{kind}: {', '.join(labels)}: two of them are one entity")
        for entity, label in labels.items():
            if entity not in entities:
                findings.append(f"{kind}: {entity!r} is no BIDS entity{did_you_mean(entity, entities)}")
            elif label is not None and not any(file.has(short_name(entity), label) for file in own):
                there = {file.entities.get(short_name(entity)) for file in own}
                hint = did_you_mean(label, (one for one in there if one is not None))
                findings.append(
                    f"{kind}: {entity} is {label!r}, but the scans have {listed(there) or 'none'}{hint}"
                )
    if findings:
        raise InputError.collect("cohort.select asks for what is not there:", findings)
    return {
        kind: {short_name(entity): label for entity, label in labels.items()}
        for kind, labels in select.items()
    }


def _check_asked(entity: str, label: str | None, there: set[str]) -> None:
    """Refuse a session or run that no scan has, where there are any to choose from."""
    if label is not None and there and not any(is_same(entity, one, label) for one in there):
        raise InputError(
            f"cohort.{long_name(entity)} is {label!r}, but the scans have {listed(there)}"
            f"{did_you_mean(label, there)}"
        )


def _several(kind: str, files: Sequence[BidsFile]) -> str:
    """Why scans of a kind are not one, and the setting that chooses."""
    entities = dict.fromkeys(entity for file in files for entity in file.entities)
    differing = [entity for entity in entities if len({file.entities.get(entity) for file in files}) > 1]
    if differing == ["run"]:
        runs = listed(file.entities.get("run") for file in files)
        return f"has runs {runs}: choose with `cohort: {{run: ...}}`"
    several = f"several scans, one is expected: {', '.join(file.path.name for file in files)}"
    offers = [offer for file in files if (offer := _offer(kind, file, files, differing))]
    if not offers:
        return f"{several}: no entity of their names tells them apart"
    return f"{several}: choose with {' or '.join(offers[:MOST_OFFERED])}"


def _offer(kind: str, file: BidsFile, files: Sequence[BidsFile], differing: Iterable[str]) -> str:
    """The line of a search space that chooses this file of several, or nothing if none does."""
    labels: dict[str, str | None] = {}
    rest = [one for one in files if one is not file]
    for entity in differing:
        kept = [one for one in rest if one.has(entity, file.entities.get(entity))]
        if len(kept) < len(rest):
            labels[entity], rest = file.entities.get(entity), kept
    if rest:
        return ""
    inside = ", ".join(f"{long_name(entity)}: {_written(label)}" for entity, label in labels.items())
    return f"`cohort: {{select: {{{kind}: {{{inside}}}}}}}`"


def _written(label: str | None) -> str:
    """A label as YAML has it: null stands for none, so that a label of that name needs quotes."""
    if label is None:
        return "null"
    return json.dumps(label) if label.casefold() == "null" else label
