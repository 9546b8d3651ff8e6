"""The science of T1-to-T2 transfer: from scans to scores, in a notebook or under `ablation`."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t1t2core.cohort.read import read_cohort
    from t1t2core.cohort.scan import read_scan
    from t1t2core.cohort.split import draw_splits
    from t1t2core.evaluation.labelling import label_scan, write_labels
    from t1t2core.experiment import Outcome, mean_dice, pool
    from t1t2core.preparation.cohort import prepare_cohort
    from t1t2core.presets import PRESETS
    from t1t2core.settings import Settings
    from t1t2core.strategies import STRATEGIES, Factors
    from t1t2core.trial import pretrain, run_trial, trained_network

__all__ = [
    "PRESETS",
    "STRATEGIES",
    "Factors",
    "Outcome",
    "Settings",
    "__version__",
    "draw_splits",
    "label_scan",
    "mean_dice",
    "pool",
    "prepare_cohort",
    "pretrain",
    "read_cohort",
    "read_scan",
    "run_trial",
    "trained_network",
    "write_labels",
]

_MODULES = {
    "cohort.read": ("read_cohort",),
    "cohort.scan": ("read_scan",),
    "cohort.split": ("draw_splits",),
    "evaluation.labelling": ("label_scan", "write_labels"),
    "experiment": ("Outcome", "mean_dice", "pool"),
    "preparation.cohort": ("prepare_cohort",),
    "presets": ("PRESETS",),
    "settings": ("Settings",),
    "strategies": ("STRATEGIES", "Factors"),
    "trial": ("pretrain", "run_trial", "trained_network"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

try:
    __version__ = version("t1t2-ablation")
except PackageNotFoundError:  # a copy of the code that was not installed
    __version__ = "unknown"


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first used: its libraries take seconds."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
