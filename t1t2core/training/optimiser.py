"""The optimiser of a network's trained part (Sec. 3.5)."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from t1t2core.network.base import Network
from t1t2core.settings import TrainingSettings

ADAM_BETA2 = 0.999
"""Adam's second decay, as Kingma & Ba 2015 have it; the study names only the first."""


def make_optimiser(network: Network, settings: TrainingSettings, learning_rate: float) -> Adam:
    """Adam, with weight decay on kernels alone, and with a rate for each stage where `layer_decay` says so.

    The groups of the classifier come first: what is reported as the learning rate is theirs.
    """
    if settings.layer_decay == 1:
        groups = _groups(network.modules(), settings, learning_rate)
    else:
        groups = [
            group
            for distance, stage in enumerate(reversed(network.stages))
            for group in _groups(stage.modules(), settings, learning_rate * settings.layer_decay**distance)
            if group["params"]
        ]
    return Adam(groups, lr=learning_rate, betas=(settings.beta1, ADAM_BETA2), fused=True)


def parameters_of(optimiser: Adam) -> list[nn.Parameter]:
    """Return what is trained, in the order in which the optimiser counts it."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def moments_of(optimiser: Adam) -> list[dict[str, Any] | None]:
    """Return what the optimiser remembers of each parameter; None of those that had no gradient yet."""
    state = optimiser.state_dict()["state"]
    return [state.get(number) for number in range(len(parameters_of(optimiser)))]


def restore_optimiser(
    optimiser: Adam, moments: Sequence[dict[str, Any] | None], groups: list[dict[str, Any]]
) -> None:
    """Let it go on with these moments, as `moments_of` gave them, and the groups of its state."""
    state = {
        number: {name: _like(parameter, value) for name, value in values.items()}
        for number, (parameter, values) in enumerate(zip(parameters_of(optimiser), moments, strict=False))
        if values is not None
    }
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _groups(
    parts: Iterable[nn.Module], settings: TrainingSettings, learning_rate: float
) -> list[dict[str, Any]]:
    kernels: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for part in parts:
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_kernel = isinstance(part, nn.Conv3d | nn.ConvTranspose3d) and name == "weight"
                (kernels if is_kernel else others).append(parameter)
    return [
        {"params": kernels, "lr": learning_rate, "weight_decay": settings.weight_decay},
        {"params": others, "lr": learning_rate, "weight_decay": 0.0},
    ]


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    """In the parameter's order in memory, which the fused optimiser relies on."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
