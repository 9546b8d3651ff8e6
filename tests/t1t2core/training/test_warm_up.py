"""What is compiled or imported at its first use is so before a training is timed."""

import subprocess
import sys

import pytest

from t1t2core.training.compute import device_here

# In a process of its own: what other tests have compiled stays.
STORY = """
import sys
import numba.core.dispatcher
import torch
from t1t2core.network import kernels
from t1t2core.settings import NetworkSettings, Settings
from t1t2core.training.compute import Compute
from t1t2core.training.fit import Fit
from t1t2core.training.warm_up import warm_up
from t1t2core.network.segmenter import Segmenter
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import make_training

torch.set_num_threads(1)
network = NetworkSettings(width=8)
patch, names = (32, 48, 24), sys.argv[2:]
training = make_training(patch=patch, stride=patch, max_steps=8, steps_per_epoch=8, augmentation=names)
compute = Compute(precision=sys.argv[1])


def compiled():
    kinds = numba.core.dispatcher.Dispatcher
    return {n: len(f.signatures) for n, f in vars(kernels).items() if isinstance(f, kinds)}


assert not any(compiled().values())
warm_up(network, training, compute)
before, modules = compiled(), set(sys.modules)
assert all(before[name] for name in ("normalise_backward", "attend_backward", "take", "class_sums_backward"))
image, labels = torch.randn(32, 48, 48), torch.randint(0, 3, (32, 48, 48)).to(torch.uint8)
starts = ((0, 0, 0, 0), (0, 0, 0, 24))
patches = PatchSet((image,), (labels,), (image,), starts, training.patch, ((1.0, 1.0, 2.0),))
Fit(Segmenter(network, seed=0), patches, training, learning_rate=1e-2, seed=0, compute=compute).run_epoch()
assert compiled() == before, compiled()
print(sorted(set(sys.modules) - modules))
"""


@pytest.mark.parametrize(
    ("precision", "augmentation"),
    [
        ("float32", []),
        pytest.param(
            *("bfloat16", []),
            marks=pytest.mark.skipif(
                not device_here(kind="cpu").bfloat16, reason="this processor does not compute in bfloat16"
            ),
        ),
        ("float32", ["flips", "affine", "intensity", "noise", "contrast"]),
    ],
)
def test_a_first_training_compiles_and_imports_nothing(precision: str, augmentation: list[str]):
    arguments = [sys.executable, "-c", STORY, precision, *augmentation]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
