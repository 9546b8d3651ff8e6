"""The process that runs trials: whatever goes wrong in it is told as what it is."""

from pathlib import Path
from typing import Any

import pytest

from ablation.plan.study import Study
from ablation.worker.runner import Runner
from ablation.worker.trial import Shared
from t1t2core.settings import Settings
from t1t2core.training.compute import Device

CONFIG = {"key": "k", "point": "none", "network": False, "encoder": "", "cpu": 1.0, "gpu": 0.0}


def runner(folder: Path, **changes: Any) -> Runner:
    device = Device(kind="cpu", bfloat16=False)
    study = Study(settings=Settings(), device=device, cohort_fingerprint="", splits=())
    shared = Shared(study=study, subjects={}, storage=str(folder), threads=1, checkpoint_seconds=None)
    made = Runner.__new__(Runner)
    made.setup({**CONFIG, **changes}, shared)
    return made


def test_an_error_at_the_start_comes_from_a_step(tmp_path: Path) -> None:
    """Of an error before the first step Ray tells no more than that the worker is gone."""
    made = runner(tmp_path)  # no error yet, though the point is none
    with pytest.raises(ValueError, match="Expecting value"):
        made.step()
    assert made.reset_config({**CONFIG, "point": "nor is this"})
    with pytest.raises(ValueError, match="Expecting value"):
        made.step()
