"""`python -m tests.benchmarks.crossed_coverage`: what intervals and tests hold when networks differ.

Draws differences between two arms from known random effects of patients and pretrained networks, and prints,
in per cent: coverage of the nominal 95 % interval, false positives of the nominal 5 % test, and equivalence
found at the margin's edge. `crossed` and `nested` stand beside the interval and the test over patients alone.
"""

import argparse
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.equivalence import equivalence
from ablation.report.statistics.estimates import Estimates
from ablation.report.statistics.nested import nested
from ablation.report.statistics.signed_rank import signed_rank
from tests.builders.random_effects import Effects, random_tables, rotated

NETWORK_SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
PATIENT_SHARES = (0.1, 0.5, 0.9)
EFFECTS: tuple[Effects, ...] = ("normal", "exponential", "lognormal")
DESIGNS = ((14, 5), (14, 3), (14, 2), (6, 3), (3, 3))
FOLDS = np.repeat([0, 1, 2], [5, 5, 4])
"""Of rotated test patients: 14 in three folds."""
SIGNED_RANK_DRAWS = 4000
MARGIN = 2.0
"""Where a value's standard deviation is 1: large enough for every design to find equivalence."""


def alone(tables: np.ndarray) -> Estimates:
    """Return Student's interval over patients, as if networks did not differ."""
    return crossed(tables.mean(axis=2)[:, :, None])


def coverage(found: Estimates) -> float:
    """Return in how many per cent of the draws the interval holds the mean."""
    return 100 * float(np.mean((found.low <= 0) & (found.high >= 0)))


def false_positives(p: np.ndarray) -> float:
    """Return in how many per cent of the draws the test is significant."""
    return 100 * float(np.mean(p < 0.05))


def signed_ranks(values: np.ndarray) -> np.ndarray:
    """Return p of Wilcoxon's test over patients, (draws,)."""
    return np.array([signed_rank(row).p for row in values])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.crossed_coverage", description=__doc__)
    parser.add_argument("--draws", type=int, default=20_000)
    draws = parser.parse_args().draws
    print(f"{draws} draws a figure; shares of the networks: {NETWORK_SHARES}")
    _print_coverage(draws)
    print("\nfalse positives, normal effects, patients have half of what networks leave")
    for patients, networks in DESIGNS:
        name = f"{patients} x {networks}"
        _print(f"{name} crossed", lambda y: false_positives(crossed(y).p), draws, patients, networks)
        _print(f"{name} t, patients", lambda y: false_positives(alone(y).p), draws, patients, networks)
        _print(f"{name} signed rank", _signed_rank, SIGNED_RANK_DRAWS, patients, networks)
    print("\n14 patients rotated through 3 folds")
    _print("fold means", lambda y: false_positives(nested(rotated(y, FOLDS), FOLDS).p), draws, 14, 3)
    _print("signed rank", lambda y: _signed_rank(rotated(y, FOLDS)[:, :, None]), SIGNED_RANK_DRAWS, 14, 3)
    print("\nequivalence found though the difference is the margin")
    for patients, networks in DESIGNS:
        name = f"{patients} x {networks}"
        _print(f"{name} crossed", lambda y: _equivalent(crossed(y + MARGIN)), draws, patients, networks)
        _print(f"{name} patients", lambda y: _equivalent(alone(y + MARGIN)), draws, patients, networks)


def _print_coverage(draws: int) -> None:
    for (patients, networks), effects, share in product(DESIGNS, EFFECTS, PATIENT_SHARES):
        name = f"{patients} x {networks} {effects}, patients {share}"
        shared = {"patient_share": share, "effects": effects}
        _print(f"{name}, crossed", lambda y: coverage(crossed(y)), draws, patients, networks, **shared)
        _print(f"{name}, alone", lambda y: coverage(alone(y)), draws, patients, networks, **shared)


def _print(
    name: str,
    figure: Callable[[np.ndarray], float],
    draws: int,
    patients: int,
    networks: int,
    **effects: Any,
) -> None:
    figures = [
        figure(random_tables(draws, patients, networks, network_share=share, **effects))
        for share in NETWORK_SHARES
    ]
    print(f"{name:44} " + " ".join(f"{each:5.1f}" for each in figures), flush=True)


def _signed_rank(tables: np.ndarray) -> float:
    return false_positives(signed_ranks(tables.mean(axis=2)))


def _equivalent(found: Estimates) -> float:
    return false_positives(equivalence(found, MARGIN))


if __name__ == "__main__":
    main()
