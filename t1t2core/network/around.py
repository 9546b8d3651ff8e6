"""A network around another one, of which it trains other parts."""

from torch import Tensor, nn

from t1t2core.network.base import Network
from t1t2core.network.stage import ClassifierStage, Features


class Around(Network):
    """Computes what the network inside does, whichever that is; what is trained is for a subclass to say.

    Args:
        network: all of it is as its training would start.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.fresh_classifier = network.fresh_classifier

    @property
    def frozen_chains(self) -> list[list[nn.Module]]:
        """Those of the network inside."""
        return self.network.frozen_chains

    @property
    def has_trained_part(self) -> bool:
        """Return True: there would be no need of it otherwise."""
        return True

    @property
    def stages(self) -> list[nn.Module]:
        """Those of the network inside."""
        return self.network.stages

    def classifier(self) -> ClassifierStage:
        """The last stage."""
        return self.network.classifier()

    def combine_frozen(self, image: Tensor, outputs: list[Features]) -> Features:
        """Return what enters the first trained stage."""
        return self.network.combine_frozen(image, outputs)

    def run_trained(self, features: Features) -> Tensor:
        """Logits (B, classes, X, Y, Z) from what `run_frozen` gave."""
        return self.network.run_trained(features)
