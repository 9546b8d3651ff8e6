"""A cohort from wherever it lies."""

from pathlib import Path

from t1t2core.cohort.bids import read_bids
from t1t2core.cohort.manifest import read_manifest
from t1t2core.cohort.subject import Cohort
from t1t2core.cohort.text import is_there
from t1t2core.errors import InputError
from t1t2core.settings import CohortSettings


def read_cohort(source: Path, settings: CohortSettings) -> Cohort:
    """Read which scans a cohort has, less the excluded subjects; the scans themselves are not opened.

    Args:
        source: a BIDS folder (see `read_bids`) or a CSV table (see `read_manifest`).
        settings: which subjects and which of their scans to use.

    Raises:
        InputError: there is no such cohort, or it cannot be used as it is.
    """
    if is_there(source) and source.is_dir():
        return read_bids(source, settings)
    if not is_there(source):
        raise InputError(f"{source}: there is no such cohort (a BIDS folder or a .csv table is expected)")
    if source.suffix.lower() != ".csv":
        raise InputError(f"{source}: a cohort is a BIDS folder or a .csv table")
    return read_manifest(source, settings)
