"""The arithmetic that a run settles on."""

import pytest
import torch

from t1t2core.errors import InputError
from t1t2core.training.compute import resolve_precision

WIDE, NARROW = (24, 16, 16), (16, 24, 24)
NATIVE = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def test_auto_takes_bfloat16_only_where_the_processor_has_it():
    assert resolve_precision("auto", "cpu", [WIDE]) == ("bfloat16" if NATIVE else "float32")


def test_patches_that_a_cpu_cannot_train_in_bfloat16_are_trained_in_float32():
    assert resolve_precision("auto", "cpu", [WIDE, NARROW]) == "float32"
    assert resolve_precision("float32", "cpu", [NARROW]) == "float32"


def test_asking_for_bfloat16_there_is_refused_with_what_would_be_right():
    with pytest.raises(InputError, match="at least 24 voxels"):
        resolve_precision("bfloat16", "cpu", [NARROW])
    assert resolve_precision("bfloat16", "cpu", [WIDE]) == "bfloat16"
