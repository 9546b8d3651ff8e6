"""Studies of transfer between MR sequences: from a search space to recorded, comparable results."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablation.api import (
        Sweep,
        check_cohort,
        examine,
        export_nnunet,
        load_model,
        open,  # noqa: A004
        pretrain,
        results,
        write_report,
    )

__all__ = [
    "Sweep",
    "__version__",
    "check_cohort",
    "examine",
    "export_nnunet",
    "load_model",
    "open",
    "pretrain",
    "results",
    "write_report",
]

try:
    __version__ = version("t1t2-ablation")
except PackageNotFoundError:  # a copy of the code that was not installed
    __version__ = "unknown"


def __getattr__(name: str) -> Any:
    """Load the Python API when it is first used: its libraries take seconds to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ablation import environment

    environment.set_up()
    from ablation import api

    return getattr(api, name)
