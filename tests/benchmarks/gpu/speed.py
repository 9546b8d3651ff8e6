"""What a training step takes at the paper preset, and what single measures do to it."""

import math
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from t1t2core.experiment import Experiment
from t1t2core.network.architectures import STUDY
from t1t2core.network.attention import Attention
from t1t2core.network.stage import Features
from t1t2core.settings import Precision
from t1t2core.training.loss import ClassSums, segmentation_loss
from tests.benchmarks.gpu.arms import (
    GIB,
    NETWORKS,
    TRAINED,
    batch_of,
    convolutions_of,
    fit_of,
    kept_switches,
    paper_trial,
    settle,
)
from tests.benchmarks.gpu.bench import BAD, SKIPPED, Bench
from tests.benchmarks.gpu.timing import milliseconds, seconds, wait

LIBRARIES = ("numpy", "numba", "pandas", "pyarrow", "scipy", "ray", "mlflow", "triton")
PLENTY = 8 * GIB
VALIDATION, SCORING = "validation of a patient", "scoring of a trial"
COPIED = 2**29
"""Numbers of float32 that are copied to find the memory's rate."""
KERNELS = 20
"""Rows of the profile."""
CUBE = 27
"""Weights of a 3 x 3 x 3 kernel, for each pair of channels."""
Change = Callable[[Experiment], object]


def environment(bench: Bench) -> dict[str, Any]:
    """Versions, the card, and its rates of copying and of products of matrices."""
    found: dict[str, Any] = {"python": sys.version.split()[0], "torch": torch.__version__}
    found |= {name: _version(name) for name in LIBRARIES}
    rows = bench.sizes.matrix
    matrix = torch.randn(rows, rows, device=bench.device, dtype=torch.bfloat16)
    ms = milliseconds(lambda: matrix @ matrix, bench.device)
    found["matrices, TFLOP/s"] = round(2 * rows**3 / ms / 1e9, 1)
    if bench.device == "cpu":
        return found
    card = torch.cuda.get_device_properties(0)
    free, there = torch.cuda.mem_get_info()
    context = there - free - torch.cuda.memory_reserved()
    source = torch.randn(COPIED, device=bench.device)
    target = torch.empty_like(source)
    found |= {
        "cudnn": torch.backends.cudnn.version(),
        "card": card.name,
        "card, GB": round(there / 1e9, 1),
        "context, MB": round(context / 1e6),
        "copy, TB/s": round(2 * source.nbytes / milliseconds(lambda: target.copy_(source), "cuda") / 1e9, 2),
    }
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return {**found, "bfloat16": bf16, BAD: [] if bf16 else ["no bfloat16"]}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def steps(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step of every arm, and seconds of what comes beside its steps."""
    cases: dict[str, Callable[[], Any]] = {"open": partial(_step_ms, bench, "open")}
    cases |= {VALIDATION: partial(_validation_seconds, bench), SCORING: partial(_scoring_seconds, bench)}
    cases |= {arm: partial(_step_ms, bench, arm) for arm in TRAINED}
    cases["open, float32"] = partial(_step_ms, bench, "open", precision="float32")
    return bench.parts(cases, needs=4)


def network_steps(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step of other networks: tuned whole, and their last convolutions.

    The latter with and without the features that their frozen stages give, which are kept.
    """
    cases: dict[str, Callable[[], Any]] = {}
    for network in (STUDY, *NETWORKS):
        step = partial(_step_ms, bench, network=network)
        cases |= {
            f"{network}, open": partial(step, "open"),
            f"{network}, conservative 9": partial(step, "conservative 9"),
            f"{network}, conservative 9, nothing kept": partial(step, "conservative 9", kept=0),
        }
    return bench.parts(cases, needs=4)


def _step_ms(
    bench: Bench,
    arm: str,
    *,
    precision: Precision | None = None,
    kept: int = PLENTY,
    patients: int = 1,
    network: str = STUDY,
    change: Change = lambda _: None,
) -> float:
    """Milliseconds of a step by the clock, of some steps together.

    Args:
        kept: bytes of features of frozen stages.
        patients: that it is trained on.
        network: its architecture.
        change: what is done to the experiment first.
    """
    number = bench.sizes.steps
    with kept_switches():
        experiment = paper_trial(
            bench, arm, precision, steps=number, kept=kept, patients=patients, network=network
        )
        change(experiment)
        fit = fit_of(experiment)
        settle(experiment, bench)
        while fit.steps * fit.settings.batch_size < len(fit.patches):  # all features are kept by then
            fit.run_epoch()
        taken = [seconds(fit.run_epoch, bench.device) for _ in range(bench.sizes.rounds)]
    return round(1000 * median(taken) / number, 3)


def _validation_seconds(bench: Bench) -> float:
    """What an epoch takes beyond its training: to label and count one patient."""
    experiment = paper_trial(bench, "open")
    settle(experiment, bench)
    experiment.run_epoch()
    taken = []
    for _ in range(bench.sizes.rounds):
        trained = 0.0

        def epoch() -> None:
            nonlocal trained
            trained = experiment.run_epoch().report.seconds

        taken.append(seconds(epoch, bench.device) - trained)
    return round(median(taken), 4)


def _scoring_seconds(bench: Bench) -> float:
    """Scores of a validation and of a test patient, with its surface distances."""
    experiment = paper_trial(bench, "open")
    settle(experiment, bench)
    experiment.run_epoch()
    return round(seconds(experiment.score, bench.device), 3)


def measures(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step under each measure by itself."""
    step = partial(_step_ms, bench, "open")
    cases: dict[str, Callable[[], Any]] = {
        "as it is": step,
        "any algorithm of cuDNN": partial(step, change=lambda _: _switch(deterministic=False)),
        "fastest algorithms of cuDNN": partial(
            step, change=lambda _: _switch(deterministic=False, benchmark=True)
        ),
        "fastest that repeat": partial(step, change=lambda _: _switch(deterministic=True, benchmark=True)),
        "channels first in memory": partial(step, change=_channels_first),
        "attention by products": partial(step, change=partial(_attend, by_products)),
        "attention by sums": partial(step, change=partial(_attend, by_sums)),
    }
    patients = 2 if bench.rehearsal else 8
    for kept in (0, GIB, PLENTY):
        name = f"conservative fc, {patients} patients, {kept // GIB} GiB of features"
        cases[name] = partial(_step_ms, bench, "conservative fc", kept=kept, patients=patients)
    if bench.device == "cuda":
        cases |= {f"graph of {arm}": partial(_graph, bench, arm) for arm in ("open", "conservative fc")}
    return bench.parts(cases, needs=6)


def compiled(bench: Bench) -> dict[str, Any]:
    """Milliseconds of a step that torch has compiled, and the seconds that compiling took."""
    if bench.device == "cpu":
        return {"all": f"{SKIPPED}: it is about a GPU, and needs a compiler here"}
    return bench.parts({arm: partial(_compiled, bench, arm) for arm in ("open", "conservative 9")}, needs=40)


def _compiled(bench: Bench, arm: str) -> dict[str, float]:
    torch._dynamo.reset()
    experiment = paper_trial(bench, arm, steps=bench.sizes.steps, kept=PLENTY)
    settle(experiment, bench)  # until then batch norm changes its momentum with each step
    fit = fit_of(experiment)
    fit._trained = torch.compile(fit._trained, dynamic=False)
    compiling = seconds(fit.run_epoch, bench.device)
    taken = [seconds(fit.run_epoch, bench.device) for _ in range(bench.sizes.rounds)]
    ms = round(1000 * median(taken) / bench.sizes.steps, 3)
    return {"ms": ms, "seconds of compiling": round(compiling, 1)}


def _switch(*, deterministic: bool, benchmark: bool = False) -> None:
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = benchmark


def _channels_first(experiment: Experiment) -> None:
    experiment.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def _attend(way: Callable[[Attention, Tensor], Tensor], experiment: Experiment) -> None:
    """Let a network compute its attention another way."""
    for attention in experiment.network.modules():
        if isinstance(attention, Attention):
            attention.forward = partial(way, attention)  # type: ignore[method-assign]


def by_sums(attention: Attention, x: Tensor) -> Tensor:
    """Attention in its usual order, by sums over an axis and by broadcasting."""
    voxels = x.movedim(1, -1).flatten(1, -2)
    columns = attention.channel(voxels.mean(dim=1, keepdim=True))
    kernel, bias = _spatial(attention, columns)
    rows = ((voxels * kernel.to(voxels.dtype)).sum(dim=2, keepdim=True) + bias).sigmoid()
    weighed = voxels * (rows.to(voxels.dtype) * columns.to(voxels.dtype))
    return weighed.unflatten(1, x.shape[2:]).movedim(-1, 1)


def by_products(attention: Attention, x: Tensor) -> Tensor:
    """The same by products of matrices."""
    voxels = x.movedim(1, -1).flatten(1, -2)
    ones = torch.ones_like(voxels[:, :, :1])
    columns = attention.channel(torch.bmm(ones.mT, voxels) / voxels.shape[1])
    kernel, bias = _spatial(attention, columns)
    rows = (torch.bmm(voxels, kernel.mT) + bias).sigmoid()
    return (voxels * torch.bmm(rows, columns)).unflatten(1, x.shape[2:]).movedim(-1, 1)


def _spatial(attention: Attention, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Kernel (B, 1, C), multiplied with the channels' weights, and bias of the voxels' excitation."""
    squeeze = attention.spatial.squeeze
    assert squeeze.bias is not None
    return squeeze.weight.view(1, 1, -1) * columns, squeeze.bias


def profile(bench: Bench) -> dict[str, list[float]]:
    """Calls and milliseconds a step of the kernels that take the most time.

    What is timed after it in the same process is too slow: the profiler does not let go of the card.
    """
    experiment = paper_trial(bench, "open", steps=bench.sizes.steps)
    settle(experiment, bench)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if bench.device == "cuda" else []
    with torch.profiler.profile(activities=kinds) as taken:
        fit_of(experiment).run_epoch()
        wait(bench.device)
    which = f"self_{'cuda' if bench.device == 'cuda' else 'cpu'}_time_total"
    rows = taken.key_averages()
    (bench.out / "profile.txt").write_text(rows.table(sort_by=which, row_limit=60), encoding="utf-8")
    attribute = which.replace("cuda", "device")
    number = bench.sizes.steps
    found = sorted(
        ((row.key[:90], row.count / number, getattr(row, attribute) / number / 1000) for row in rows),
        key=lambda row: -row[2],
    )
    return {key: [round(calls, 1), round(ms, 3)] for key, calls, ms in found[:KERNELS]}


def _graph(bench: Bench, arm: str) -> dict[str, float]:
    """Milliseconds of the passes of a step, told kernel by kernel and as one recorded graph."""
    experiment = paper_trial(bench, arm)
    settle(experiment, bench)
    fit = fit_of(experiment)
    images, labels = batch_of(fit)
    with fit.compute.autocast():
        features = fit.network.run_frozen(images)
    passes = partial(_passes, experiment, features, labels)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            passes()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        passes()
    return {"one by one": milliseconds(passes, "cuda"), "graph": milliseconds(graph.replay, "cuda")}


def _passes(experiment: Experiment, features: Features, labels: Tensor) -> None:
    """Forwards and backwards through what is trained."""
    fit = fit_of(experiment)
    fit.optimiser.zero_grad(set_to_none=True)
    with fit.compute.autocast():
        logits = fit.network.run_trained(features)
    segmentation_loss(ClassSums.of(logits, labels), fit.settings.loss, None).backward()


def convolutions(bench: Bench) -> dict[str, Any]:
    """Rate of each convolution of a step of `open`, alone; the sum of their times is the step's limit."""
    cases = {
        f"{name} algorithms": partial(_convolutions, bench, deterministic=deterministic, benchmark=benchmark)
        for name, deterministic, benchmark in (
            ("repeating", True, False),
            ("any", False, False),
            ("fastest", False, True),
        )
    }
    return bench.parts(cases, needs=8)


def _convolutions(bench: Bench, *, deterministic: bool, benchmark: bool) -> dict[str, Any]:
    called = convolutions_of(fit_of(paper_trial(bench, "open")))
    rows: dict[str, dict[str, list[float]]] = {}
    limit = 0.0
    with kept_switches():
        _switch(deterministic=deterministic, benchmark=benchmark)
        for part, shape in called:
            grid = "x".join(map(str, shape[2:]))
            name = f"{part.in_channels} to {part.out_channels} channels, {grid}"
            if name not in rows:
                rows[name] = _rates(part, shape, bench.device)
            limit += sum(ms for ms, _ in rows[name].values())
    return {"limit, ms": round(limit, 2), "ms and TFLOP/s": rows}


def _rates(part: nn.Conv3d, shape: torch.Size, device: str) -> dict[str, list[float]]:
    """Milliseconds and TFLOP/s of its three passes: values, gradient of the input, of the kernel."""
    x = torch.randn(shape, device=device, dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last_3d)
    kernel = part.weight.detach().to(torch.bfloat16)
    gradient = torch.randn_like(functional.conv3d(x, kernel, padding=1))
    passes: dict[str, Callable[[], Any]] = {"values": lambda: functional.conv3d(x, kernel, padding=1)}
    if part.in_channels > 1:  # nobody asks for the gradient of the image
        passes["input"] = partial(_backwards, gradient, x, kernel, [True, False, False])
    passes["kernel"] = partial(_backwards, gradient, x, kernel, [False, True, False])
    operations = 2 * CUBE * part.in_channels * part.out_channels * shape[0] * math.prod(shape[2:])
    found = {name: milliseconds(work, device, rounds=5) for name, work in passes.items()}
    return {name: [ms, round(operations / ms / 1e9, 2)] for name, ms in found.items()}


def _backwards(gradient: Tensor, x: Tensor, kernel: Tensor, wanted: list[bool]) -> Any:
    ones = [1, 1, 1]
    return torch.ops.aten.convolution_backward(
        gradient, x, kernel, [0], ones, ones, ones, False, [0, 0, 0], 1, wanted
    )
