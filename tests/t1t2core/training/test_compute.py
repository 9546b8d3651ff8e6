"""The arithmetic that a run settles on."""

from dataclasses import replace

import pytest

from t1t2core.errors import InputError
from t1t2core.training.compute import Device, resolve_precision

WIDE, NARROW = (24, 16, 16), (16, 24, 24)
CPU = Device(kind="cpu", bfloat16=True)


def test_auto_takes_bfloat16_only_where_the_device_has_it():
    assert resolve_precision("auto", CPU, [WIDE]) == "bfloat16"
    assert resolve_precision("auto", replace(CPU, bfloat16=False), [WIDE]) == "float32"
    assert resolve_precision("auto", Device(kind="cuda", bfloat16=False), [WIDE]) == "float32"


def test_a_gpu_trains_small_patches_too():
    assert resolve_precision("auto", Device(kind="cuda", bfloat16=True), [NARROW]) == "bfloat16"


def test_patches_that_a_cpu_cannot_train_in_bfloat16_are_trained_in_float32():
    assert resolve_precision("auto", CPU, [WIDE, NARROW]) == "float32"
    assert resolve_precision("float32", CPU, [NARROW]) == "float32"


def test_asking_for_bfloat16_there_is_refused_with_what_would_be_right():
    with pytest.raises(InputError, match="at least 24 voxels"):
        resolve_precision("bfloat16", CPU, [NARROW])
    assert resolve_precision("bfloat16", CPU, [WIDE]) == "bfloat16"
