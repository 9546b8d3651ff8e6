"""A network that saw T1 in random contrasts, as it is: the rival of a transfer to T2.

Training on random contrasts makes a network that goes by shapes, not by intensities, and needs no scan of the
new sequence (Billot et al., "SynthSeg", Med. Image Anal. 2023, arXiv 2107.09559).
"""

from typing import Any

from t1t2core.strategies.no_fine_tuning import NoFineTuning

AUGMENTATION, CONTRAST = "pretraining.augmentation", "contrast"


class ContrastRandomised(NoFineTuning):
    """Starts from a pretrained network whose training patches had random contrasts, and trains nothing.

    Any strategy tunes such a network where `pretraining.augmentation` has `contrast`.
    """

    name = "contrast_randomised"
    imposing = (AUGMENTATION,)

    def impose(self, name: str, value: Any) -> Any:
        """Return the augmentation of the pretrained network with `contrast` among it; other settings stay."""
        if name != AUGMENTATION or CONTRAST in value:
            return value
        return *value, CONTRAST
