"""A control: pretrained network with batch-norm statistics of T2 (AdaBN, Li et al., ICLR workshop 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from t1t2core.network.architectures import keeps_statistics
from t1t2core.settings import NetworkSettings, Settings, TrainingSettings
from t1t2core.strategies.base import CLASSES
from t1t2core.strategies.conservative import without_statistics
from t1t2core.strategies.factors import Factors
from t1t2core.strategies.no_fine_tuning import NoFineTuning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from t1t2core.experiment import Scans
    from t1t2core.network.base import Network
    from t1t2core.training.compute import Compute


class NormAdaptation(NoFineTuning):
    """Starts from the pretrained network, estimates its batch-norm statistics anew, and trains no weight."""

    name = "norm_adaptation"
    factors = frozenset({"t2_train_size", "fold"})
    scored_on_t1 = False
    training_settings = ("patch", "stride", "batch_size")

    def misfit(self, settings: Settings) -> str | None:
        """Return a message where the network has no statistics to estimate."""
        if keeps_statistics(settings.network):
            return super().misfit(settings)
        return (
            "norm_adaptation estimates the statistics that batch norm keeps; "
            f"{without_statistics(settings.network)} keeps none"
        )

    def prepare(self, network: Network, scans: Scans, training: TrainingSettings, compute: Compute) -> None:
        """Estimate the statistics on the T2 training scans."""
        from t1t2core.network.staged import StagedNetwork
        from t1t2core.training.norms import adapt_norms
        from t1t2core.training.patch_set import PatchSet

        assert isinstance(network, StagedNetwork)
        patches = PatchSet.cut(list(scans.training.values()), training, compute.device)
        adapt_norms(network.to(compute.device), patches, training.batch_size, compute)

    def rebuild(
        self,
        factors: Factors,
        network: NetworkSettings,
        *,
        pretrained: Mapping[str, Tensor] | None,
        classes: int = CLASSES,
    ) -> Network:
        """Build the network, which then takes statistics in every stage."""
        from t1t2core.network.staged import StagedNetwork

        built = self.build(factors, network, pretrained=pretrained, classes=classes)
        assert isinstance(built, StagedNetwork)
        built.norms_adapted = True
        return built
