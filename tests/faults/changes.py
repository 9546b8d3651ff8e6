"""What is changed of the product in the process of a command under test."""

import os
import time
from pathlib import Path

from ablation.plan.plan import Trial

RECORD_PAUSE_SECONDS = 2.0
"""Before a record that did not answer is asked again: long enough to see that it is left alone meanwhile."""


def make_obedient() -> None:
    """Leave out what takes longer than a tiny sweep, shorten what is waited for, order trials by depth."""
    import pandas as pd

    from ablation.record import delivery, recorder
    from ablation.report import write
    from ablation.store import storage
    from ablation.sweep.estimate import Estimator
    from ablation.sweep.preflight import FirstStep
    from ablation.worker.first_step import FirstStepReport
    from tests.faults.inject import sitecustomize

    # The report reads only what is recorded, and takes longer than the sweep.
    write.write_report = lambda *_: pd.DataFrame()
    Estimator.seconds = _seconds  # type: ignore[assignment,method-assign]
    if "FAULTS_PREFLIGHT" not in os.environ:
        # It starts a worker of its own, which takes seconds.
        FirstStep.__init__ = lambda *_: None  # type: ignore[method-assign]
        FirstStep.report = lambda _: FirstStepReport()  # type: ignore[method-assign]
        FirstStep.trial = None  # type: ignore[assignment]
    sitecustomize.FOLDER = Path(os.environ["FAULTS"])
    sitecustomize.shorten_patience(storage)
    delivery.PAUSE_SECONDS = RECORD_PAUSE_SECONDS
    recorder.DELIVERY_SECONDS = float(os.environ.get("FAULTS_DELIVERY", recorder.DELIVERY_SECONDS))


def set_ahead(seconds: float) -> None:
    """Do the same, and set the process's clock ahead."""
    make_obedient()
    right = time.time
    time.time = lambda: right() + seconds


def _seconds(estimator: object, trial: Trial, size: int) -> float:
    """So that the order of the trials does not depend on how fast the machine is: the deepest first."""
    return {"fc": 2.0, "9": 3.0, "15": 4.0}.get(str(trial.point.tuned_layers), 1.0)
