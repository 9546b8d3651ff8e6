"""Every arm of the study as an experiment, on heads that are drawn here; and how it is taken apart."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.experiment import Experiment
from t1t2core.network.architectures import STUDY
from t1t2core.network.stage import Features
from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.settings import NetworkSettings, Precision, Settings, Shape
from t1t2core.strategies import STRATEGIES, Factors
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.fit import Fit
from t1t2core.trial import make_experiment
from tests.benchmarks.gpu.bench import Bench, with_steps
from tests.benchmarks.gpu.timing import wait
from tests.builders.experiments import SPLIT
from tests.builders.heads import make_scan, make_subjects, pretrained_state

GIB = 2**30
RATE = 1e-2
SWITCHES = ("allow_tf32", "deterministic", "benchmark")
"""Of `torch.backends.cudnn`, which hold for the whole process."""
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
STUDY_ARMS: Mapping[str, Factors] = {
    "no_fine_tuning": Factors(strategy="no_fine_tuning"),
    "norm_adaptation": Factors(strategy="norm_adaptation"),
    **{
        f"conservative {layers}": Factors(strategy="conservative", tuned_layers=layers)
        for layers in ("fc", 3, 6, 9, 12, 15, 18)
    },
    "open": Factors(strategy="open"),
    **{
        f"hybrid {fusion}": Factors(strategy="hybrid", fusion=fusion)
        for fusion in ("concatenation", "multiplication", "average", "maximum")
    },
    "scratch": Factors(strategy="scratch"),
    "augmented": Factors(strategy="augmented"),
}
TRAINED = [arm for arm, factors in STUDY_ARMS.items() if STRATEGIES[factors.strategy].trains]
"""Arms of the study that train weights."""
ARMS: Mapping[str, Factors] = {
    **STUDY_ARMS,
    "first_layers 9": Factors(strategy="first_layers", tuned_layers=9),
    "gradual": Factors(strategy="gradual"),
    "low_rank": Factors(strategy="low_rank"),
    "contrast_randomised": Factors(strategy="contrast_randomised"),
}
NETWORKS = ("unet", "dynunet", "segresnet")
"""Other networks than the study's; swin_unetr takes no patch of 48 voxels."""


def small_trial(
    bench: Bench,
    arm: str,
    precision: Precision,
    *,
    device: str | None = None,
    steps: int | None = None,
    network: str = STUDY,
) -> Experiment:
    """An arm on six small heads, two of them to train on.

    Args:
        device: another than the bench's.
        steps: of the training, others than usual.
        network: its architecture.
    """
    settings = _with_network(bench.sizes.small, network)
    if steps is not None:
        training = replace(settings.training, max_steps=steps)
        settings = replace(settings, training=training, pretraining=training)
    compute = Compute(precision=precision, device=device or bench.device, features=FeatureStore(GIB))
    return _experiment(arm, SPLIT, _small_heads(settings.training.patch), settings, compute, patients=2)


def paper_trial(
    bench: Bench,
    arm: str,
    precision: Precision | None = None,
    *,
    patients: int = 1,
    kept: int = 0,
    steps: int = 1,
    network: str = STUDY,
) -> Experiment:
    """An arm at the paper preset, validated and tested on one patient.

    Args:
        patients: that it is trained on.
        kept: bytes of features of frozen stages.
        steps: of an epoch.
        network: its architecture.
    """
    training = with_steps(bench.sizes.paper.training, steps)
    settings = replace(_with_network(bench.sizes.paper, network), training=training, pretraining=training)
    names = tuple(f"P{number + 1:02d}" for number in range(patients + 2))
    roles = Roles(names[:patients], names[-2:-1], names[-1:])
    heads = _alike(bench.sizes.grid, patients + 2)
    compute = Compute(
        precision=precision or bench.sizes.precision, device=bench.device, features=FeatureStore(kept)
    )
    return _experiment(arm, FoldSplit(1, t1=roles, t2=roles), heads, settings, compute, patients=patients)


def _with_network(settings: Settings, network: str) -> Settings:
    return replace(settings, network=replace(settings.network, architecture=network))


def _experiment(
    arm: str,
    split: FoldSplit,
    heads: Mapping[str, PreparedSubject],
    settings: Settings,
    compute: Compute,
    *,
    patients: int,
) -> Experiment:
    counted = STRATEGIES[ARMS[arm].strategy].factors
    given: dict[str, Any] = {"t2_train_size": patients, "learning_rate": RATE, "seed": 0}
    factors = replace(ARMS[arm], **{name: value for name, value in given.items() if name in counted})
    pretrained = t1_weights(settings.network)
    experiment = make_experiment(factors, split, heads, settings, pretrained=pretrained, compute=compute)
    assert isinstance(experiment, Experiment)
    return experiment


@cache
def t1_weights(network: NetworkSettings) -> dict[str, Tensor]:
    """Weights of a pretrained network that has learnt a little."""
    return pretrained_state(network)


@cache
def _small_heads(shape: Shape) -> dict[str, PreparedSubject]:
    return make_subjects(6, shape=shape)


@cache
def _alike(shape: Shape, count: int) -> dict[str, PreparedSubject]:
    """One head, a little brighter in each subject: to draw several of this size takes long."""
    scan = make_scan(0, "T2", shape=shape)
    brighter = [replace(scan, image=scan.image * np.float32(1 + n / 100)) for n in range(count)]
    tiny = make_subjects(count, shape=(8, 8, 8))
    return {name: replace(tiny[name], t1=s, t2=s) for name, s in zip(tiny, brighter, strict=True)}


def fit_of(experiment: Experiment) -> Fit:
    """Its training."""
    assert experiment.fit is not None
    return experiment.fit


def settle(experiment: Experiment, bench: Bench) -> None:
    """Train as many steps as it takes until all steps do the same."""
    fit = fit_of(experiment)
    while fit.steps < bench.sizes.warm:
        fit.run_epoch()
    wait(bench.device)


def batch_of(fit: Fit) -> tuple[Tensor, Tensor]:
    """Images and labels of a step's first patches."""
    numbers = range(min(fit.settings.batch_size, len(fit.patches)))
    images = torch.cat([fit.patches.image(number) for number in numbers])
    return images, torch.cat([fit.patches.label(number) for number in numbers])


def logits_of(network: nn.Module, image: Tensor) -> Tensor:
    """Of a whole network in training, all of it trained."""
    logits: Tensor = network.run_trained(Features(image))  # type: ignore[operator]
    return logits


def convolutions_of(fit: Fit) -> list[tuple[nn.Conv3d, torch.Size]]:
    """Each convolution of 3 x 3 x 3 of a step, with the shape of what enters it."""
    found: list[tuple[nn.Conv3d, torch.Size]] = []
    with _hooks(fit.network, lambda part, given: found.append((part, given.shape))):
        _look(fit)
    return found


def switches(experiment: Experiment) -> dict[str, bool]:
    """What torch's switches for cuDNN are while the network computes."""
    found: dict[str, bool] = {}

    def read(*_: Any) -> None:
        for name in SWITCHES:
            found[name] = getattr(torch.backends.cudnn, name)

    with _hooks(experiment.network, read):
        _look(fit_of(experiment))
    return found


def _look(fit: Fit) -> None:
    images, _ = batch_of(fit)
    with torch.no_grad(), fit.compute.autocast():
        fit.network(images)


@contextmanager
def _hooks(network: nn.Module, told: Callable[[nn.Conv3d, Tensor], object]) -> Iterator[None]:
    """Tell of each convolution that runs meanwhile, and of what enters it."""
    handles = [
        part.register_forward_hook(lambda part, given, _: told(part, given[0]) and None)
        for part in network.modules()
        if isinstance(part, nn.Conv3d) and part.kernel_size[0] == 3
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def kept_switches() -> Iterator[None]:
    """Leave torch's switches for cuDNN as they were."""
    cudnn = torch.backends.cudnn
    before = {name: getattr(cudnn, name) for name in SWITCHES}
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(cudnn, name, value)
