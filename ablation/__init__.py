"""Studies of transfer between MR sequences: from a search space to recorded, comparable results."""

from typing import TYPE_CHECKING, Any

from ablation.compat import set_up, version_here

if TYPE_CHECKING:
    from ablation.api import (
        Sweep,
        check_cohort,
        examine,
        export_model,
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
    "export_model",
    "export_nnunet",
    "load_model",
    "open",
    "pretrain",
    "results",
    "write_report",
]

__version__ = version_here()


def __getattr__(name: str) -> Any:
    """Load the Python API when it is first used: its libraries take seconds to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    set_up()
    from ablation import api

    return getattr(api, name)
