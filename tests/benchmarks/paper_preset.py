"""Does the paper preset fit a GPU of 16 GB? `python -m tests.benchmarks.paper_preset [ARM ...]`.

For each arm: one training step, then one whole-volume inference, with seconds and peak memory. On a GPU
the process may use 16 GB and no more (the study's card, Sec. 3.5); without one it runs on the CPU, where
the peak is the process's resident memory and proves nothing about a GPU.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ablation.worker.memory import peak_mb, reset_peak
from t1t2core.evaluation.inference import Predictor
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.presets import PRESETS
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.training.compute import Compute, device_here, resolve_precision
from t1t2core.training.fit import Fit
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import scan_of

GPU_BYTES = 16 * 2**30
ARMS = {
    "open": Factors(strategy="open"),
    "hybrid multiplication": Factors(strategy="hybrid", fusion="multiplication"),
    "hybrid concatenation": Factors(strategy="hybrid", fusion="concatenation"),
}


def main(names: list[str]) -> None:
    """Measures the arms of these names, or all."""
    device = device_here()
    if device.kind == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, GPU_BYTES / total))
    compute = Compute(
        precision=resolve_precision("auto", device, [PRESETS["paper"].training.patch]), device=device.kind
    )
    print(f"{device.kind}, {compute.precision}, {torch.get_num_threads()} threads")
    for name in names or list(ARMS):
        measure(name, compute)


def measure(name: str, compute: Compute) -> None:
    """Prints a line for one arm."""
    factors, settings = ARMS[name], PRESETS["paper"]
    strategy = STRATEGIES[factors.strategy]
    training = replace(strategy.training(factors, settings), steps_per_epoch=1)
    pretrained = Segmenter(settings.network, seed=0).state_dict()
    network = strategy.build(factors, settings.network, pretrained=pretrained).to(compute.device)
    patches = PatchSet.cut([_scan(settings.preparation.grid)], training, compute.device)
    fit = Fit(network, patches, training, learning_rate=training.learning_rate, seed=0, compute=compute)
    reset_peak(compute.device)
    step_seconds = _timed(fit.run_epoch)
    step_mb = peak_mb(compute.device)
    reset_peak(compute.device)
    volume_seconds = _timed(lambda: Predictor(network, patches, compute).probabilities())
    print(
        f"{name}: batch {training.batch_size}: a step {step_seconds:.1f} s, peak {step_mb:.0f} MB; "
        f"a volume of {len(patches)} patches {volume_seconds:.1f} s, peak {peak_mb(compute.device):.0f} MB",
        flush=True,
    )


def _scan(grid: tuple[int, int, int]) -> PreparedScan:
    draw = np.random.default_rng(0)
    image = draw.standard_normal(grid, dtype=np.float32)
    labels = draw.integers(0, 3, grid, dtype=np.uint8)
    return scan_of(image, labels, labels > 0, np.eye(4))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:])
