"""Label maps of a BIDS cohort: `*_dseg.nii.gz` beside the scans, or in a folder of derivatives."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from t1t2core.cohort.entities import LABELS, BidsFile, find_files, is_same
from t1t2core.cohort.text import is_there, unfetched
from t1t2core.errors import InputError

SPACE, SESSION = "space", "ses"
NOT_TOLD_BY = frozenset({"sub", SPACE, "desc", "label", "seg"})
"""Entities of label maps that say nothing about which scan they are of."""


@dataclass(frozen=True)
class Found:
    """The label maps of a subject's two scans, and what is wrong with them."""

    source: Path | None = None
    target: Path | None = None
    defects: tuple[str, ...] = ()


class LabelMaps:
    """Where a cohort's label maps lie.

    Args:
        dataset: folder of the cohort.
        labels: folder of derivatives that was named; None: the dataset's own, then its `derivatives`.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, dataset: Path, labels: Path | None) -> None:
        if labels is not None and not labels.is_dir():
            raise InputError(f"cohort.labels: {labels} is no folder of label maps")
        self._folders = [labels] if labels else [dataset, *sorted((dataset / "derivatives").glob("*/"))]

    def find(self, subject: str, source: BidsFile | None, target: BidsFile | None) -> Found:
        """Return the maps in the spaces of a subject's two scans; either may serve for both."""
        found: dict[str, Path | None] = {"source": None, "target": None}
        defects: list[str] = []
        for folder in self._folders:
            maps = find_files(folder / subject, [LABELS])
            for which, scan in (("source", source), ("target", target)):
                if scan is None or found[which] is not None:
                    continue
                fitting = [one for one in maps if _is_of(one, scan, bare=which == "source")]
                if len(fitting) > 1:
                    names = ", ".join(one.path.name for one in fitting)
                    defects.append(f"several label maps for {scan.kind}, one is expected: {names}")
                elif fitting:
                    found[which] = fitting[0].path
        for path in found.values():
            if path is not None and (reason := unfetched(path) or (not is_there(path) and "not there")):
                defects.append(f"{path.name} is {reason}")
        return Found(found["source"], found["target"], tuple(defects))


def _is_of(label_map: BidsFile, scan: BidsFile, *, bare: bool) -> bool:
    """Return whether a map lies in the space of a scan.

    Args:
        bare: whether a map that names no space is of this scan.
    """
    space = label_map.entities.get(SPACE)
    if space is None and not bare:
        return False
    if space is not None and space.casefold() != scan.kind.casefold():
        return False
    told = {name: label for name, label in label_map.entities.items() if name not in NOT_TOLD_BY}
    return all(_agree(name, label, scan.entities) for name, label in told.items())


def _agree(name: str, label: str, entities: Mapping[str, str]) -> bool:
    return name not in entities or is_same(name, entities[name], label)
