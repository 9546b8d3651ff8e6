"""The recipe of a pretrained network: same recipe, same network."""

from dataclasses import asdict, dataclass

from ablation.plan.digest import digest_of
from t1t2core.settings import NetworkSettings, Precision, PreparationSettings, TrainingSettings
from t1t2core.strategies.base import counted_network


@dataclass(frozen=True, kw_only=True)
class EncoderRecipe:
    """All that decides what a pretrained network's weights are.

    Args:
        training: T1 patients it is trained on, sorted.
        validation: T1 patients that choose its best weights, sorted.
        preparation_version: of the code that prepares the volumes.
        science: version of the code that trains it.
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

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the recipe."""
        return digest_of(asdict(self))


def t1_network(network: NetworkSettings) -> NetworkSettings:
    """Return the network settings that a T1 network depends on, those of the transfer as usual."""
    return counted_network(network)
