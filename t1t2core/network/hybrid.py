"""Two encoders and one decoder (Sec. 3.3.3, Fig. 4)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from torch import Tensor, nn

from t1t2core.network.architectures import STUDY
from t1t2core.network.base import Network
from t1t2core.network.fusion import fuse
from t1t2core.network.parts import make_parts
from t1t2core.network.stage import ClassifierStage, Features
from t1t2core.settings import Fusion, NetworkSettings
from t1t2core.settings.classes import STUDY_CLASSES


class HybridSegmenter(Network):
    """A frozen encoder that learnt T1, a fresh one that learns T2, and a decoder on both.

    Both encoders see the same T2 patch. The adapted encoder is frozen whole, its attention too.
    """

    def __init__(
        self, settings: NetworkSettings, fusion: Fusion, *, classes: int = len(STUDY_CLASSES), seed: int
    ) -> None:
        super().__init__()
        self.settings = settings
        self.fusion = fusion
        encoders = 2 if fusion == "concatenation" else 1
        self.adapted, _ = make_parts(settings, classes=classes, seed=seed)
        self.dedicated, self.decoder = make_parts(settings, classes=classes, encoders=encoders, seed=seed)
        self.dedicated_is_frozen = False
        if settings.architecture == STUDY:
            self.initialise(seed=seed)

    @property
    def frozen_chains(self) -> list[list[nn.Module]]:
        """The adapted encoder, and the dedicated one if it was trained beforehand."""
        encoders = [self.adapted, self.dedicated] if self.dedicated_is_frozen else [self.adapted]
        return [list(encoder.stages) for encoder in encoders]

    @property
    def has_trained_part(self) -> bool:
        """Return True: the decoder is trained."""
        return True

    @property
    def stages(self) -> list[nn.Module]:
        """The dedicated encoder's and the decoder's."""
        return [*self.dedicated.stages, *self.decoder.stages]

    def classifier(self) -> ClassifierStage:
        """The last stage."""
        return self.decoder.classifier()

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Takes the adapted encoder from the pretrained network, and freezes it.

        With `hybrid_decoder: pretrained` the decoder starts from there too; the first convolution after a
        concatenation has more channels and stays fresh.
        """
        self.adapted.load_state_dict(_under("encoder.", state))
        self.adapted.requires_grad_(False)
        if self.settings.hybrid_decoder == "pretrained":
            own = self.decoder.state_dict()
            fitting = {n: t for n, t in _under("decoder.", state).items() if own[n].shape == t.shape}
            self.decoder.load_state_dict(fitting, strict=False)
            self.fresh_classifier = False
        self.train(self.training)

    def freeze_dedicated(self, state: Mapping[str, Tensor]) -> None:
        """Takes the dedicated encoder from a T2 network that was trained beforehand, and freezes it."""
        self.dedicated.load_state_dict(_under("encoder.", state))
        self.dedicated.requires_grad_(False)
        self.dedicated_is_frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode for what is trained; frozen encoders stay in evaluation mode."""
        super().train(mode)
        self.adapted.eval()
        if self.dedicated_is_frozen:
            self.dedicated.eval()
        return self

    def combine_frozen(self, image: Tensor, outputs: list[Features]) -> Features:
        """Both outputs fused; the adapted encoder's with the image while the dedicated one is trained.

        Skip connections of the adapted encoder go no further where they are not used.
        """
        if self.dedicated_is_frozen:
            adapted, dedicated = outputs
            return self._fuse(adapted, dedicated)
        skips = outputs[0].skips if self.settings.hybrid_indices == "adapted" else ()
        return replace(outputs[0], skips=skips, image=image)

    def run_trained(self, features: Features) -> Tensor:
        """Dedicated encoder, fusion and decoder: logits (B, classes, X, Y, Z)."""
        if features.image is not None:
            features = self._fuse(features, self.dedicated(Features(features.image)))
        logits: Tensor = self.decoder(features).values
        return logits

    def trained_state(self) -> dict[str, Tensor]:
        """All but the adapted encoder."""
        return {name: t for name, t in self.state_dict().items() if not name.startswith("adapted.")}

    def _fuse(self, adapted: Features, dedicated: Features) -> Features:
        return fuse(adapted, dedicated, self.fusion, self.settings.hybrid_indices)


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
