"""`python -m tests.benchmarks.step`: a training step against its convolutions alone, on this machine.

The limit is the sum of what each convolution of the network takes by itself, forwards and backwards, on
tensors as the step has them (`open`: all 22 are trained). What the step takes beyond it goes into batch
norm, attention, pooling, the loss and the optimiser. One thread on a CPU, as trials have.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from t1t2core.network.segmenter import Segmenter
from t1t2core.network.stage import Features
from t1t2core.settings import NetworkSettings
from t1t2core.training.compute import Compute, device_here, resolve_precision
from t1t2core.training.loss import ClassSums, segmentation_loss

ROUNDS = 9
WIDTHS = (8, 16, 32)
PATCHES = {8: (32, 40, 24), 16: (64, 64, 32), 32: (64, 64, 32)}
"""Width 8: the demo preset's."""
BATCH = 2


@dataclass(frozen=True)
class Figures:
    """Of one width: milliseconds, and floating point operations of the convolutions a second."""

    width: int
    step_ms: float
    convolutions_ms: float
    convolution_gflops: float

    @property
    def share(self) -> float:
        """Of the step's time that the convolutions alone would need."""
        return self.convolutions_ms / self.step_ms


class Step:
    """A network, a batch and an optimiser."""

    def __init__(self, width: int, patch: tuple[int, int, int], compute: Compute) -> None:
        self.compute = compute
        self.network = Segmenter(NetworkSettings(width=width), seed=0).to(compute.device).train()
        self.image = torch.randn(BATCH, 1, *patch, device=compute.device)
        self.labels = torch.randint(0, 3, (BATCH, *patch), device=compute.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), fused=True)

    def __call__(self) -> None:
        """As `Fit` does it."""
        with self.compute.autocast():
            logits = self.network.run_trained(Features(self.image))
        loss = segmentation_loss(ClassSums.of(logits, self.labels), "cross_entropy_dice", None)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    def convolutions(self) -> list[tuple[nn.Conv3d, Tensor]]:
        """Each with what enters it."""
        found: list[tuple[nn.Conv3d, Tensor]] = []
        handles = [
            part.register_forward_hook(lambda part, given, _: found.append((part, given[0].detach())))
            for part in self.network.modules()
            if isinstance(part, nn.Conv3d) and (part.kernel_size[0] == 3 or part.out_channels == 3)
        ]
        with self.compute.autocast():
            self.network.run_trained(Features(self.image))
        for handle in handles:
            handle.remove()
        return found


def measure(width: int, compute: Compute) -> Figures:
    """The step and its convolutions, in turns."""
    step = Step(width, PATCHES[width], compute)
    convolutions = step.convolutions()
    works: list[Callable[[], None]] = [step, *(_alone(part, given, compute) for part, given in convolutions)]
    whole, *each = _shortest(works, compute)
    alone = sum(each)
    operations = sum(3 * 2 * given.numel() * part.weight[:, 0].numel() for part, given in convolutions)
    return Figures(width, 1000 * whole, 1000 * alone, operations / alone / 1e9)


def _alone(part: nn.Conv3d, given: Tensor, compute: Compute) -> Callable[[], None]:
    """A convolution, forwards and backwards."""
    dtype = torch.bfloat16 if compute.precision == "bfloat16" else torch.float32
    x = given.to(dtype).contiguous(memory_format=torch.channels_last_3d).requires_grad_(part.in_channels > 1)
    weight = part.weight.detach().to(dtype).requires_grad_()
    out = nn.functional.conv3d(x, weight, padding=part.padding)
    gradient = torch.randn_like(out)
    wanted = [x, weight] if x.requires_grad else [weight]

    def run() -> None:
        torch.autograd.grad(nn.functional.conv3d(x, weight, padding=part.padding), wanted, gradient)

    return run


def _shortest(works: Sequence[Callable[[], None]], compute: Compute) -> list[float]:
    """Seconds of each, the shortest of some rounds: what else the machine does only ever adds to them."""
    shortest = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            compute.finish()
            started = time.perf_counter()
            work()
            compute.finish()
            shortest[number] = min(shortest[number], time.perf_counter() - started)
    return shortest


def main() -> None:
    """Prints a line a width; with --json writes them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.step", description=__doc__)
    parser.add_argument("--width", type=int, choices=WIDTHS, action="append")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = device_here()
    compute = Compute(precision=resolve_precision("auto", device, PATCHES.values()), device=device.kind)
    print(f"{device.kind}, {compute.precision}, batch {BATCH}")
    found = []
    for width in given.width or WIDTHS:
        figures = measure(width, compute)
        found.append({**asdict(figures), "share": figures.share})
        shape = " x ".join(map(str, PATCHES[width]))
        print(
            f"width {width}, patch {shape}: step {figures.step_ms:.0f} ms, its convolutions alone "
            f"{figures.convolutions_ms:.0f} ms ({figures.share:.0%}) at "
            f"{figures.convolution_gflops:.0f} GFLOP/s",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
