"""What libraries read from the environment, set before they are imported."""

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

VARIABLES = {
    # Nothing leaves the machine, no address is printed, nothing is drawn over the terminal.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A dead MLflow server is known in seconds.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    # Ctrl-C is handled where trials are recorded; Tune reports to the driver and keeps no state on disk.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    # Threads of torch do not spin while they wait.
    "OMP_WAIT_POLICY": "PASSIVE",
    # A worker has arms of many sizes one after the other: memory that one leaves in pieces fits the next.
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
}
IN_WORKERS = ("OMP_WAIT_POLICY", "PYTORCH_ALLOC_CONF")
"""Of these, what also counts in a process that only computes."""


def version_here() -> str:
    """Return the version of the package; `unknown` of a copy of the code that was not installed."""
    try:
        return version("t1t2-ablation")
    except PackageNotFoundError:
        return "unknown"


def set_up() -> None:
    """Set what is not set: the commands do so first, and so does the first use of the Python API."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)


def cores(variables: Mapping[str, str] = os.environ) -> int:
    """Return how many cores this process may use: of the machine's, those that a scheduler gave it."""
    of_system = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    of_task = variables.get("SLURM_CPUS_PER_TASK") or variables.get("SLURM_CPUS_ON_NODE", "")
    return min(of_system, int(of_task)) if of_task.isdigit() else of_system


def of_workers() -> dict[str, str]:
    """Return what the workers of a cluster need that was not started from here."""
    return {name: os.environ.get(name, VARIABLES[name]) for name in IN_WORKERS}
