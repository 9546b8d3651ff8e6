"""Versions of what a sweep is made of, on this machine."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from ablation.compat import MLFLOW_VERSIONS, RAY_VERSIONS
from ablation.sweep.cluster_checks import DISTRIBUTION, PACKAGES, Installed, teller
from ablation.sweep.doctor.finding import Finding, Status

LIBRARIES = ("torch", "ray", "mlflow")
"""Whose versions a cluster's machines must share."""
TRIED = {"ray": RAY_VERSIONS, "mlflow": MLFLOW_VERSIONS}
"""Releases, MAJOR.MINOR, of libraries whose private parts are used."""
INSTALL = "pip install -c constraints.txt -e . (in the checkout of this project)"


def versions_here() -> dict[str, str]:
    """Return the versions of Python and of the libraries, by their names; `none` of what is not there."""
    return {"Python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}}


def listed(versions: Mapping[str, str]) -> str:
    """Return versions as a line."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def check_versions(here: Mapping[str, str] | None = None) -> Finding:
    """Whether this project is installed, with libraries that it was tried with.

    Args:
        here: versions by name; those of this machine if None.
    """
    here = versions_here() if here is None else here
    project = Installed(*teller()(DISTRIBUTION, PACKAGES))
    found = f"{listed(here)}, {DISTRIBUTION} {project}"
    missing = [name for name, number in here.items() if number == "none"]
    if missing or _version(DISTRIBUTION) == "none":
        named = ", ".join(missing) or f"{DISTRIBUTION} itself"
        return Finding("versions", Status.FAIL, found, f"not installed by pip: {named}; {INSTALL}")
    untried = [name for name, tried in TRIED.items() if here[name].rpartition(".")[0] not in tried]
    if untried:
        named = ", ".join(f"{name} {' or '.join(TRIED[name])}" for name in untried)
        return Finding("versions", Status.WARN, found, f"tried with {named}: {INSTALL}")
    return Finding("versions", Status.OK, found)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
