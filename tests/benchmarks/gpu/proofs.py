"""What has to hold on a GPU: its arithmetic, what is frozen, and that trainings repeat."""

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from t1t2core.experiment import Experiment
from t1t2core.network.architectures import STUDY
from t1t2core.network.attention import Attention
from t1t2core.network.batch_norm import rectified
from t1t2core.network.convolution import Convolution
from t1t2core.network.pooling import max_pool, max_unpool
from t1t2core.network.segmenter import Segmenter
from t1t2core.settings import NetworkSettings, Precision
from t1t2core.training.checkpoint import pack_state, unpack_state
from t1t2core.training.loss import ClassSums, segmentation_loss
from tests.benchmarks.gpu.arms import (
    ARMS,
    NETWORKS,
    PRECISIONS,
    fit_of,
    kept_switches,
    logits_of,
    small_trial,
    switches,
    t1_weights,
)
from tests.benchmarks.gpu.bench import BAD, Bench
from tests.builders.heads import clone, different

Work = Callable[[nn.Module, Tensor], Tensor]
CHANNELS = (32, 64)
CLOSABLE = ".attention.channel."
"""In the names of what has no gradient where all hidden units of a channel excitation are off."""
THAWING = "gradual"
"""An arm whose first stages are still frozen when so short a training ends."""
ORDERS = ("channel_spatial", "spatial_channel", "concurrent_max", "concurrent_add")
FARTHEST = {"float32": 1e-4, "bfloat16": 2e-2}
"""Largest relative error of an operation's values and gradients. With TF32 it would be 3e-4 in float32."""
FARTHEST_LOGITS = 1e-3
"""The same of a whole network's logits in float32; in bfloat16 they are only written down."""
TIES = "concurrent_max"
"""Of two values that are equal but for rounding, the maximum may give its gradient to the other."""
REPEATED = ("open", "conservative 9", "hybrid concatenation")
"""Arms that are trained again: nothing frozen, features kept, and two encoders."""
APART = 0.05
"""Most that the Dice of a short training may differ between two devices."""


def operations(bench: Bench) -> dict[str, Any]:
    """Relative errors of the network's operations, values and gradients, against float64 on the CPU.

    The switches are as an experiment leaves them.
    """
    torch.manual_seed(0)
    found: dict[str, Any] = {}
    cases = dict(_operations(bench))
    for precision in PRECISIONS:
        experiment = small_trial(bench, "open", precision)
        found |= {f"switches {precision}": switches(experiment)}
        autocast = fit_of(experiment).compute.autocast
        for name, (module, x, work) in cases.items():
            given = x if precision == "float32" else x.bfloat16()
            reference = _pass(copy.deepcopy(module).double(), given.double(), work)
            with autocast():
                got = _pass(copy.deepcopy(module).to(bench.device), given.to(bench.device), work)
            found[f"{name}, {precision}"] = max(map(_error, got, reference))
        found[f"logits, {precision}"] = _error_of_logits(bench, autocast)
    return {**found, BAD: _too_far(found)}


def _operations(bench: Bench) -> Iterable[tuple[str, tuple[nn.Module, Tensor, Work]]]:
    """Name, module, input and what is done with both."""
    for channels in CHANNELS:
        x = torch.randn(2, channels, *bench.sizes.side).contiguous(memory_format=torch.channels_last_3d)
        for order in ORDERS:
            module = Attention(channels, NetworkSettings(attention_order=order))  # type: ignore[arg-type]
            yield f"attention {order} {channels}", (module, x, _apply)
        norm = nn.BatchNorm3d(channels).train()
        yield f"batch norm {channels}", (norm, x, rectified)
        convolution = Convolution(channels, channels)
        weight = convolution.weight
        weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)
        yield f"convolution {channels}", (convolution, x, _apply)
        yield f"pooling {channels}", (nn.Identity(), x, lambda _, x: max_unpool(*max_pool(x)))
    labels = torch.randint(0, 3, (2, *bench.sizes.side))
    labels[:, :2] = 255
    yield "loss", (nn.Identity(), torch.randn(2, 3, *bench.sizes.side), partial(_loss, labels))


def _apply(module: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = module(x)
    return out


def _loss(labels: Tensor, _: nn.Module, logits: Tensor) -> Tensor:
    return segmentation_loss(ClassSums.of(logits, labels.to(logits.device)), "cross_entropy_dice", None)


def _pass(module: nn.Module, x: Tensor, work: Work) -> list[Tensor]:
    """The value, then the gradients of the input and of all parameters, under one random gradient of it.

    The parameters' gradients are one vector: in a single number, such as that of a bias, what the voxels give
    may cancel out, so that nothing but rounding is left of it.
    """
    x = x.detach().requires_grad_()
    y = work(module, x)
    draw = torch.Generator().manual_seed(1)
    gradient = torch.randn(y.shape, dtype=torch.float64, generator=draw).to(y)
    of_x, *of_parameters = torch.autograd.grad(y, [x, *module.parameters()], gradient)
    found = [y.detach(), of_x]
    return [*found, torch.cat([each.flatten() for each in of_parameters])] if of_parameters else found


def _error_of_logits(bench: Bench, autocast: Callable[[], torch.autocast]) -> float:
    network = Segmenter(bench.sizes.small.network, seed=0).train()
    image = torch.randn(2, 1, *bench.sizes.side)
    with torch.no_grad():
        reference = logits_of(copy.deepcopy(network).double(), image.double())
        with autocast():
            found = logits_of(network.to(bench.device), image.to(bench.device))
    return _error(found, reference)


def _error(found: Tensor, reference: Tensor) -> float:
    """Length of the difference, relative to that of the reference."""
    found, reference = found.detach().double().cpu(), reference.detach().double().cpu()
    return float((found - reference).norm() / reference.norm().clamp(min=1e-30))


def _too_far(found: dict[str, Any]) -> list[str]:
    """Names of errors that are too large, or no numbers."""
    bad = []
    for name, error in found.items():
        what, _, precision = name.rpartition(", ")
        if what and TIES not in what:
            farthest = FARTHEST[precision]
            if what == "logits":
                farthest = FARTHEST_LOGITS if precision == "float32" else float("inf")
            bad += [] if error <= farthest else [name]
    return bad


def arms(bench: Bench) -> dict[str, Any]:
    """Train and score every arm: what is frozen stays equal to the bit, what is trained changes."""
    cases = {
        f"{arm}, {precision}": partial(_train_arm, bench, arm, precision)
        for arm in ARMS
        for precision in PRECISIONS
        # Where a CPU does not compute in bfloat16 itself, it takes long.
        if not bench.rehearsal or precision == "float32" or arm in REPEATED
    }
    return bench.parts(cases, needs=3)


def networks(bench: Bench) -> dict[str, Any]:
    """The same of other networks, tuned whole and in their last convolutions."""
    cases = {
        f"{network}, {arm}": partial(_train_arm, bench, arm, PRECISIONS[-1], network)
        for network in NETWORKS
        for arm in ("open", "conservative 9")
    }
    return bench.parts(cases, needs=3)


def _train_arm(bench: Bench, arm: str, precision: Precision, architecture: str = STUDY) -> dict[str, Any]:
    experiment = small_trial(bench, arm, precision, network=architecture)
    network = experiment.network
    # Without training all that can change has changed when the experiment is made.
    before = clone(network.state_dict())
    if experiment.fit is None:
        before = {n: t.to(bench.device) for n, t in t1_weights(bench.sizes.small.network).items()}
    while not experiment.finished:
        experiment.run_epoch()
    after, may_change = clone(network.state_dict()), set(network.trained_state())
    changed = different(before, after)
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in after.values())
    scores = experiment.score().scores
    frozen = sorted(changed - may_change)
    still = sorted(name for name in may_change - changed if CLOSABLE not in name and arm != THAWING)
    return {
        "frozen": len(after) - len(may_change),
        "frozen that changed": frozen,
        "trained": len(may_change),
        "trained that did not change": still,
        "finite": finite,
        "scores": len(scores),
        BAD: bool(frozen or still or not finite or not scores),
    }


def repeats(bench: Bench) -> dict[str, Any]:
    """Are two trainings, and one that is broken off and goes on elsewhere, equal to the bit?

    With the switches as an experiment leaves them; and, for comparison, with any algorithm of cuDNN.
    """
    arms_here, precisions = (REPEATED[:1], PRECISIONS[:1]) if bench.rehearsal else (REPEATED, PRECISIONS)
    cases: dict[str, Callable[[], Any]] = {}
    for arm in arms_here:
        for precision in precisions:
            cases[f"{arm}, {precision}"] = partial(_repeat, bench, arm, precision, None)
            cases[f"{arm}, {precision}, any algorithm"] = partial(_repeat, bench, arm, precision, False)
    return bench.parts(cases, needs=3)


def _repeat(bench: Bench, arm: str, precision: Precision, deterministic: bool | None) -> dict[str, Any]:
    with kept_switches():
        ends = [_end(bench, arm, precision, broken, deterministic) for broken in (False, False, True)]
    first, second, resumed = ends
    found = {"twice": not different(first, second), "resumed": not different(first, resumed)}
    return {**found, BAD: deterministic is None and not all(found.values())}


def _end(
    bench: Bench, arm: str, precision: Precision, broken: bool, deterministic: bool | None
) -> dict[str, Tensor]:
    """Weights after a training, which may be broken off after an epoch and go on in another experiment."""

    def start() -> Experiment:
        experiment = small_trial(bench, arm, precision)
        if deterministic is not None:
            torch.backends.cudnn.deterministic = deterministic
        return experiment

    experiment = start()
    while not experiment.finished:
        experiment.run_epoch()
        if broken and fit_of(experiment).epoch == 1:
            state = unpack_state(pack_state(experiment.state()))
            experiment = start()
            experiment.restore(state)
    return clone(experiment.network.state_dict())


def agreement(bench: Bench) -> dict[str, Any]:
    """Validation Dice of a short training here and on the CPU."""
    return bench.parts({p: partial(_agree, bench, p) for p in PRECISIONS}, needs=20)


def _agree(bench: Bench, precision: Precision) -> dict[str, Any]:
    dice = {}
    for device in ("cpu", bench.device):
        steps = bench.sizes.agreement_steps
        experiment = small_trial(bench, "conservative 9", precision, device=device, steps=steps)
        while not experiment.finished:
            result = experiment.run_epoch()
        dice[device] = {name: counts.dsc for name, counts in (result.validation or {}).items()}
    apart = {name: abs(dice["cpu"][name] - dice[bench.device][name]) for name in dice["cpu"]}
    return {"dice": dice, "apart": apart, BAD: max(apart["bone"], apart["soft_tissue"]) > APART}
