"""The recipe of a pretrained network: same recipe, same network."""

from dataclasses import asdict, dataclass
from functools import cached_property

from ablation.plan.digest import digest_of
from t1t2core.network.architectures import identity_of
from t1t2core.settings import NetworkSettings, Precision, PreparationSettings, TrainingSettings, identity
from t1t2core.strategies.base import OF_MACHINES, counted_network


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """All that decides what a pretrained network's weights are.

    Args:
        training: patients it is trained on, sorted.
        validation: patients that choose its best weights, sorted.
        preparation_version: of the code that prepares the volumes.
        science: version of the code that trains it.
        seed: of its start and of the order of its patches; the study reports one network.
    """

    cohort_fingerprint: str
    training: tuple[str, ...]
    validation: tuple[str, ...]
    preparation: PreparationSettings
    network: NetworkSettings
    pretraining: TrainingSettings
    precision: Precision
    preparation_version: int
    science: int
    seed: int = 0

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the recipe: of what it says beyond what was always so."""
        pretraining = identity(self.pretraining)
        named = {
            **asdict(self),
            "preparation": identity(self.preparation),
            "network": identity_of(self.network),
            "pretraining": {name: pretraining[name] for name in pretraining if name not in OF_MACHINES},
        }
        return digest_of({name: value for name, value in named.items() if name != "seed" or value})

    @property
    def key(self) -> str:
        """Return what the network's checkpoint is called: it lies in a folder under that of the trials."""
        return f"pretraining/{self.digest}"


def digest_of_preparation(preparation: PreparationSettings) -> str:
    """Return the hash of the settings that volumes are prepared with, which names them."""
    return digest_of(identity(preparation))


def t1_network(network: NetworkSettings) -> NetworkSettings:
    """Return the network settings that a pretrained network depends on, those of the transfer as usual."""
    return counted_network(network)
