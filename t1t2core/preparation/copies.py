"""One patient under two names, seen in the prepared images."""

from collections.abc import Collection
from itertools import combinations

import numpy as np

from t1t2core.preparation.prepare import PreparedSubject
from t1t2core.settings import SOURCE, TARGET, Sequence

SEQUENCES: tuple[Sequence, ...] = (SOURCE, TARGET)
MOST_CORRELATION = 0.9
"""Between the prepared images of two patients. Of 20 simulated heads on real anatomies and 20 digital ones,
no two had more than 0.64; copies with other voxel types, grey levels, slopes, positions, voxel sizes or with
noise had at least 0.96 (ours)."""
MOST_SAMPLES = 100_000
"""Voxels that are compared: enough for three digits, and many patients fit into memory."""


def find_copies(subjects: Collection[PreparedSubject]) -> list[tuple[str, str, Sequence]]:
    """Find patients whose image is that of another patient, saved anew.

    Equal voxels are found before (see `check_cohort`); these were rescaled, quantised, moved or resampled.

    Returns:
        The later name, the earlier name and the sequence, for each pair.
    """
    found: list[tuple[str, str, Sequence]] = []
    for sequence in SEQUENCES:
        there = [subject for subject in subjects if sequence == SOURCE or subject.t2 is not None]
        if len(there) < 2:
            continue
        images = np.stack([_sample(subject.scan(sequence).image) for subject in there])
        correlations = np.corrcoef(images)
        found += [
            (there[late].name, there[early].name, sequence)
            for early, late in combinations(range(len(there)), 2)
            if correlations[early, late] > MOST_CORRELATION
        ]
    return found


def _sample(image: np.ndarray) -> np.ndarray:
    """The same voxels of each image, evenly spread."""
    voxels = image.ravel()
    return voxels[:: max(1, len(voxels) // MOST_SAMPLES)]
