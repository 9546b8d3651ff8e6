"""What every network has to keep to, whoever wrote it: strategies, checkpoints and records rely on it.

Each check looks at one part and gives a line for what is broken.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from t1t2core.network.architectures import architecture_of
from t1t2core.network.build import build_network
from t1t2core.network.stage import Features, run_stages
from t1t2core.network.staged import StagedNetwork
from t1t2core.network.weights import pack_weights, unpack_weights
from t1t2core.settings import NetworkSettings

BATCH = 2
"""Images at once."""
CLASSES = 4
SMALL = (16, 40, 24)
"""Voxels of a patch, or somewhat more."""
SMALLEST_DIVISOR = 8
"""Of the sides of every patch."""

Voxel = tuple[int, int, int]


def breaches(settings: NetworkSettings, *, classes: int = CLASSES) -> list[str]:
    """Return a line for each part of the contract that a network breaks, on a CPU; none if it keeps to all.

    Args:
        classes: that it tells apart; a number that is not the usual one.

    Raises:
        InputError: it cannot be imported or made.
    """
    network = build_network(settings, classes=classes, seed=0)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((BATCH, 1, *small_patch(settings)), generator=generator)
    try:
        if findings := list(_shapes(network, images, classes)):
            return findings
        again = build_network(settings, classes=classes, seed=0)
        other = build_network(settings, classes=classes, seed=1)
        checks: list[Iterator[str]] = [
            _determinism(network, again, images),
            _weights(network, other, images),
            _stages(network, images),
        ]
        for number in range(len(network.stages)):
            frozen = build_network(settings, classes=classes, seed=0)
            checks.append(_freezing(frozen, number, images))
        return [finding for check in checks for finding in check]
    except Exception as error:  # what a class of the user's own does cannot be known
        return [f"it fails on images {tuple(images.shape)}: {type(error).__name__}: {error}"]


def small_patch(settings: NetworkSettings) -> Voxel:
    """Return small sides that differ and that the network halves as often as it likes."""
    divisor = math.lcm(architecture_of(settings.architecture).divisor, SMALLEST_DIVISOR)
    x, y, z = (divisor * -(-side // divisor) for side in SMALL)
    return x, y, z


def _shapes(network: StagedNetwork, images: Tensor, classes: int) -> Iterator[str]:
    found, expected = tuple(_logits(network, images).shape), (len(images), classes, *images.shape[2:])
    if found != expected:
        yield f"shapes: of images {tuple(images.shape)} it makes {found}, it should make {expected}"


def _determinism(network: StagedNetwork, again: StagedNetwork, images: Tensor) -> Iterator[str]:
    pairs = zip(network.state_dict().items(), again.state_dict().values(), strict=True)
    if differing := [name for (name, one), other in pairs if not torch.equal(one, other)]:
        yield f"determinism: a seed does not decide the weights it starts with, such as {differing[0]}"
    if not torch.equal(_logits(network, images), _logits(network, images)):
        yield "determinism: two looks at the same images differ in evaluation mode"


def _weights(network: StagedNetwork, other: StagedNetwork, images: Tensor) -> Iterator[str]:
    other.load_state_dict(unpack_weights(pack_weights(network.state_dict()), source="its weights"))
    if not torch.equal(_logits(network, images), _logits(other, images)):
        yield "weights: saved and loaded into another network, they do not make the same of the same images"


def _stages(network: StagedNetwork, images: Tensor) -> Iterator[str]:
    """Look whether each stage leaves what it is given as it was, and what is before it can be run alone."""
    network.eval()
    features, expected = Features(images[:1].clone()), _logits(network, images[:1])
    for number, stage in enumerate(network.stages):
        given = [tensor.clone() for tensor in _tensors(features)]
        with torch.no_grad():
            following = stage(features)
            logits = run_stages(network.stages[number:], features).values
        kept = zip(given, _tensors(features), strict=True)
        if not all(torch.equal(before, after) for before, after in kept):
            yield f"stages: stage {number} changes what it is given in place"
        if not torch.equal(logits, expected):
            yield f"prefix: with the first {number} stages computed beforehand the logits differ"
        features = following


def _freezing(network: StagedNetwork, number: int, images: Tensor) -> Iterator[str]:
    """Freeze the first stages and make a training step."""
    network.freeze(number)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trained = network.trained_state().keys()
    network.train()
    parameters = [p for p in network.parameters() if p.requires_grad]
    _step(network, images, parameters)
    for stage in network.stages[number:]:
        gradients = [p.grad for p in stage.parameters()]
        if gradients and not any(grad is not None and grad.any() for grad in gradients):
            yield f"gradient: none reaches stage {network.stages.index(stage)} with {number} stages frozen"
    if without := [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]:
        yield f"gradient: none reaches {without[0]} with {number} stages frozen"
    changed = {n for n, tensor in network.state_dict().items() if not torch.equal(tensor, before[n])}
    if differing := sorted(changed - trained):
        yield f"freezing: {differing[0]} changes, with {number} stages frozen"


def _step(network: StagedNetwork, images: Tensor, parameters: list[torch.nn.Parameter]) -> None:
    optimiser = torch.optim.SGD(parameters, lr=1e-2)
    network(images).square().mean().backward()
    optimiser.step()


def _logits(network: StagedNetwork, images: Tensor) -> Tensor:
    network.eval()
    with torch.no_grad():
        logits: Tensor = network(images)
    return logits


def _tensors(features: Features) -> list[Tensor]:
    return [features.values, *features.indices, *features.skips]
