"""Networks of the user's own classes.

A class is made by `Class(width=..., classes=...)`, a `torch.nn.Module` from images (B, 1, X, Y, Z) to logits
(B, classes, X, Y, Z). One that is to be frozen in parts has `stages`, a `torch.nn.ModuleList` of modules from
`Features` to `Features` in the order of the data: each with `convolutions`, its number of them, the last a
`ClassifierStage`. `divisor`, if it has one, divides the sides of its patches.
"""

import hashlib
from functools import cache
from importlib import import_module
from inspect import getsourcefile
from pathlib import Path

import torch
from torch import nn

from t1t2core.errors import InputError
from t1t2core.network.architecture import Architecture
from t1t2core.network.convolution import use_onednn
from t1t2core.network.seeded import seeded
from t1t2core.network.stage import ClassifierStage
from t1t2core.network.staged import StagedNetwork
from t1t2core.settings import NetworkSettings


class OwnNetwork(StagedNetwork):
    """A network of a class that `network.architecture` names; one without stages is a stage as a whole."""

    def __init__(self, settings: NetworkSettings, *, classes: int, seed: int) -> None:
        super().__init__(settings)
        with seeded(seed):
            made = _make(settings.architecture, settings.width, classes)
        use_onednn(made)
        self.own = ClassifierStage(made) if _stages_of(made) is None else made

    @property
    def stages(self) -> list[nn.Module]:
        """All stages, in the order of the data."""
        return _stages_of(self.own) or [self.own]


@cache
def describe(name: str) -> Architecture:
    """Return what is known of a class, of which a network without values is made.

    Raises:
        InputError: it cannot be imported, or is no network of this kind.
    """
    with torch.device("meta"):
        made = _make(name, width=12, classes=3)
    stages = _stages_of(made) or []
    counts = [getattr(stage, "convolutions", None) for stage in stages]
    if stages and (
        any(not isinstance(n, int) for n in counts) or not isinstance(stages[-1], ClassifierStage)
    ):
        raise InputError(
            f"network.architecture: {name}: each of its stages needs `convolutions`, the number that it has, "
            "and the last is to be a ClassifierStage"
        )
    return Architecture(
        convolutions=tuple(int(number) for number in counts if number is not None),
        divisor=int(getattr(made, "divisor", 1)),
        keeps_statistics=any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in made.modules()),
    )


@cache
def digest_of_source(name: str) -> str:
    """Return the SHA-256 of the file that a class is in."""
    return hashlib.sha256(Path(getsourcefile(_class(name)) or "").read_bytes()).hexdigest()


def _stages_of(made: nn.Module) -> list[nn.Module] | None:
    stages = getattr(made, "stages", None)
    return list(stages) if isinstance(stages, nn.ModuleList) else None


def _make(name: str, width: int, classes: int) -> nn.Module:
    found = _class(name)
    try:
        made = found(width=width, classes=classes)
    except Exception as error:
        raise InputError(
            f"network.architecture: {name}(width={width}, classes={classes}) fails: "
            f"{type(error).__name__}: {error}"
        ) from error
    assert isinstance(made, nn.Module)
    return made


def _class(name: str) -> type[nn.Module]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        raise InputError(
            f"network.architecture: {name} cannot be imported: {type(error).__name__}: {error}; it has to be "
            "on every machine that trains, in a package that is installed or in a folder on PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise InputError(f"network.architecture: {name} is no subclass of torch.nn.Module")
    return found
