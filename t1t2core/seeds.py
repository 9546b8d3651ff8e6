"""Random numbers that depend on a seed and a purpose, and on nothing else."""

import hashlib

import numpy as np


def _entropy(seed: int, purpose: str, *numbers: int) -> list[int]:
    digest = hashlib.sha256(purpose.encode()).digest()
    return [seed, int.from_bytes(digest[:8], "little"), *numbers]


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """A generator of its own for one purpose, such as ("order of patches", epoch)."""
    return np.random.default_rng(_entropy(seed, purpose, *numbers))


def torch_seed(seed: int, purpose: str) -> int:
    """A seed for a torch generator, likewise."""
    return int(generator(seed, purpose).integers(2**63))
