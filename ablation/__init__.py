"""Runs studies of T1-to-T2 transfer: from a search space to recorded, comparable results."""

import os

# Libraries read these when they are imported. Nothing leaves the machine, no address is printed, nothing
# is drawn over the terminal, a dead MLflow server is known in seconds, Ctrl-C is handled where trials are
# recorded, Tune leaves reporting to the driver and keeps no state that is never read, and torch's threads do
# not spin while they wait.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "OMP_WAIT_POLICY": "PASSIVE",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
}.items():
    os.environ.setdefault(_name, _value)
