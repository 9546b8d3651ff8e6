"""Label maps as a BIDS derivative: what others need to know of them, in files beside them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.compat import version_here
from t1t2core.errors import InputError
from t1t2core.files import write_atomically
from t1t2core.settings.classes import Classes

DESCRIPTION, LABELS, IGNORED = "dataset_description.json", "dseg.tsv", ".bidsignore"
GENERATOR = "t1t2-ablation"
BIDS_VERSION = "1.10.0"
PATTERNS = "*_dseg.nii.gz\n*_dseg.json\n"
"""Names keep all of the scan's name, suffix included, which BIDS has no form for."""
LINK = "source"


class Derivative:
    """A folder of label maps that this program writes.

    Args:
        folder: which may hold label maps of this program already, and nothing of another's.
        source: model that labels, by the name that the user gave it.
        runs: in MLflow, of its networks.

    Raises:
        InputError: the folder is a dataset of something else.
    """

    def __init__(self, folder: Path, source: str, runs: Iterable[str] = ()) -> None:
        self._folder, self._source, self._runs = folder, source, list(runs)
        self._links = check_folder(folder)

    def describe(self, classes: Classes, scans: Iterable[Path]) -> None:
        """Write what is true of all label maps, those that were there before among them.

        Raises:
            InputError: label maps that are there have other classes.
        """
        table = label_table(classes).to_csv(index=False, sep="\t").encode()
        place = self._folder / LABELS
        if place.exists() and place.read_bytes() != table:
            raise InputError(
                f"--out {self._folder}: holds label maps of other classes ({place}): take another folder"
            )
        for scan in scans:
            if (dataset := _dataset_of(scan)) is not None and dataset.as_uri() not in self._links.values():
                number = len(self._links) + 1
                self._links[LINK if number == 1 else f"{LINK}{number}"] = dataset.as_uri()
        description = {
            "Name": "Tissue classes of head MR scans",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [
                {
                    "Name": GENERATOR,
                    "Version": version_here(),
                    "Description": f"Labels whole scans with recorded networks; {LABELS} names the values",
                }
            ],
            "SourceDatasets": [{"URL": address} for address in self._links.values()],
            "DatasetLinks": self._links,
        }
        empty = () if self._links else ("SourceDatasets", "DatasetLinks")
        _write(self._folder / DESCRIPTION, {k: v for k, v in description.items() if k not in empty})
        write_atomically(place, table)
        write_atomically(self._folder / IGNORED, PATTERNS.encode())

    def add(self, scan: Path, target: Path) -> None:
        """Write what is known of a scan's label map, beside it."""
        source = self._address(scan)
        about = {
            "Description": "Most probable class of each voxel, on the grid of the scan",
            "Sources": [source],
            "SpatialReference": source,
            "Manual": False,
            "Model": self._source,
            "ModelRuns": self._runs,
        }
        _write(target.with_name(target.name.removesuffix(".nii.gz") + ".json"), about)

    def _address(self, scan: Path) -> str:
        """The scan as a BIDS URI where it lies in a dataset, else as a file's."""
        whole, dataset = scan.resolve(), _dataset_of(scan)
        if dataset is None:
            return whole.as_uri()
        link = next(name for name, address in self._links.items() if address == dataset.as_uri())
        return f"bids:{link}:{whole.relative_to(dataset).as_posix()}"


def label_table(classes: Classes) -> pd.DataFrame:
    """Return the columns of BIDS for the values of label maps: index, name and abbreviation."""
    pairs = sorted(zip(classes.values, classes.names, strict=True))
    short = _abbreviations([name for _, name in pairs])
    return pd.DataFrame(
        [{"index": value, "name": name, "abbreviation": short[name]} for value, name in pairs]
    )


def _abbreviations(names: list[str]) -> dict[str, str]:
    """Return initials, with as many more letters as tell them all apart."""
    for letters in range(1, max(map(len, names)) + 1):
        short = {name: "".join(word[:letters] for word in name.split("_")).upper() for name in names}
        if len(set(short.values())) == len(names):
            return short
    return {name: name for name in names}


def check_folder(folder: Path) -> dict[str, str]:
    """Return the source datasets of label maps that are there, by name.

    Raises:
        InputError: the folder is a dataset of something else.
    """
    place = folder / DESCRIPTION
    if not place.exists():
        if (folder / LABELS).exists():
            raise InputError(f"--out {folder}: {LABELS} is there without {DESCRIPTION}: take another folder")
        return {}
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        names = [one["Name"] for one in found["GeneratedBy"]]
        links = {str(name): str(address) for name, address in found.get("DatasetLinks", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        names, links = [], {}
    if names != [GENERATOR]:
        raise InputError(
            f"--out {folder}: {place} describes a dataset that {GENERATOR} did not make: take another folder"
        )
    return links


def _dataset_of(scan: Path) -> Path | None:
    """Return the BIDS dataset that a scan lies in."""
    return next((folder for folder in scan.resolve().parents if (folder / DESCRIPTION).is_file()), None)


def _write(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
