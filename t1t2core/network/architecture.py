"""What is known of a network before it is built."""

from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network's parts.

    Args:
        convolutions: of each stage in the order of the data, the classifier's 0 last; empty where a network
            has no stages. A shortcut's convolution is not counted; a transformer block counts as one.
        encoder: number of the stages that are an encoder which a hybrid can double; 0 if there is none.
        divisor: sides of a patch are multiples of it.
        keeps_statistics: whether it has batch norm, where no setting chooses the normalisation.
        fewest_voxels: that the coarsest grid of a patch has; instance norm cannot go by one.
        width_divisor: its width is a multiple of it.
        settings: names of those network settings that count for it, beside the width and the transfer's.
    """

    convolutions: tuple[int, ...]
    encoder: int = 0
    divisor: int = 8
    keeps_statistics: bool = False
    fewest_voxels: int = 1
    width_divisor: int = 1
    settings: frozenset[str] = frozenset()

    @property
    def layers(self) -> int:
        """Convolutions in all, the classifier not counted."""
        return sum(self.convolutions)

    @property
    def tunable(self) -> tuple[int, ...]:
        """Numbers of convolutions in its last stages, from the fewest to all; the classifier is `fc`."""
        from_the_output = accumulate(reversed(self.convolutions))
        return tuple(dict.fromkeys(number for number in from_the_output if number))

    @property
    def first_numbers(self) -> tuple[int, ...]:
        """Numbers of convolutions in its first stages, the classifier's left out: of one, two and so on."""
        return tuple(accumulate(self.convolutions[:-1]))
