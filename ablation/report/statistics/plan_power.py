"""What the tests of a plan could show, told before anything is spent."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ablation.report.statistics.bootstrap import count_patients
from ablation.report.statistics.components import Components
from ablation.report.statistics.network_scores import Kind, kind_of, network_scores
from ablation.report.statistics.power import ERROR, detectable_by_signed_rank, detectable_in_errors
from ablation.report.statistics.signed_rank import smallest_p
from ablation.report.statistics.what_to_add import crossed_error, nested_error, pooled_components
from ablation.report.tables.arms import best_arms
from ablation.space.design import Design
from ablation.space.factors import PRETRAINING_SEED
from ablation.space.points import Point
from t1t2core.cohort.roles import FoldSplit
from t1t2core.settings import TARGET

OF_PATIENTS, OF_NETWORKS = Components(1, 0, 0, 0), Components(0, 1, 0, 0)
"""A variance of 1, all of it between patients, or between networks."""
HEADLINE = "power: the difference between two arms that is found with 80 % power (two-sided 5 %)"
UNIT = (
    "  SD: standard deviation of the difference, not known before trials are recorded; of two figures, the "
    "first if all of it lies between patients, the second if between pretrained networks"
)


@dataclass(frozen=True)
class Sample:
    """How many patients and networks the arms of a plan are compared over.

    Args:
        kind: as of `NetworkScores`.
        patients: test patients.
        networks: pretrained networks; of rotated test patients folds.
        replicates: folds and seeds of each network and patient.
    """

    kind: Kind
    patients: int
    networks: int
    replicates: int = 1

    @property
    def words(self) -> str:
        """The test, and over what."""
        patients = f"{self.patients} test {count_patients(self.patients).split()[1]}"
        if self.kind == "one":
            return f"signed-rank test over {patients}, for one pretrained network alone"
        if self.kind == "rotated":
            return f"t test over the means of {self.networks} folds, {patients}"
        with_folds = ", one a fold" if self.kind == "folds" else ""
        return f"t test over {patients} and {self.networks} pretrained networks{with_folds}"


@dataclass(frozen=True)
class Other:
    """Another plan of the same arms.

    Args:
        how: what to ask for to get it.
    """

    how: str
    sample: Sample


def sample_of(points: Iterable[Point], splits: Iterable[FoldSplit]) -> Sample:
    """Return how the arms of these points are compared."""
    trained = {(point.fold, point.pretraining_seed, point.seed) for point in points}
    tested = {split.fold: split.t2.test for split in splits}
    rows = [
        {"sequence": TARGET, "patient": name, "fold": fold, PRETRAINING_SEED: network}
        for fold, network in {(fold, network) for fold, network, _ in trained}
        for name in tested[fold]
    ]
    frame = pd.DataFrame(rows, columns=["sequence", "patient", "fold", PRETRAINING_SEED])
    kind, patients = kind_of(frame), frame["patient"].nunique()
    seeds = len({seed for _, _, seed in trained if seed is not None}) or 1
    folds = frame["fold"].nunique()
    if kind == "rotated":
        return Sample(kind, patients, folds)
    networks = 1 if kind == "one" else frame[PRETRAINING_SEED].nunique()
    return Sample(kind, patients, networks, seeds * (1 if kind == "folds" else folds))


def rotated_sample(splits: Sequence[FoldSplit]) -> Other:
    """Return the plan whose test patients rotate."""
    folds = ", ".join(str(split.fold) for split in splits)
    patients = {name for split in splits for name in split.t2.test}
    return Other(
        f"rotated test patients (cohort.test_patients=rotated, folds: [{folds}])",
        Sample("rotated", len(patients), len(splits)),
    )


def more_networks(sample: Sample, folds: int) -> Other:
    """Return the plan with five pretrained networks or more, twice as many where there are several."""
    number = max(5, 2 * sample.networks)
    named = ", ".join(map(str, range(number))) if number <= 10 else f"0, 1, ..., {number - 1}"
    replicates = sample.replicates * (folds if sample.kind == "folds" else 1)
    return Other(
        f"more pretrained networks (pretraining_seeds: [{named}])",
        Sample("seeds", sample.patients, number, replicates),
    )


def detectable(sample: Sample, components: Components) -> float:
    """Return the difference that the test finds with 80 % power where the variance has these components.

    Infinite where no result can be significant.
    """
    rest = np.nansum([components.rest])
    if sample.kind == "one":
        within = math.sqrt(np.nansum([components.patient]) + rest / sample.replicates)
        return within * detectable_by_signed_rank(sample.patients)
    if sample.kind == "rotated":
        of_network = float(np.nansum([components.network, components.fold_and_seed]))
        own = replace(components, patient=float(np.nansum([components.patient, rest])), network=of_network)
        error, freedom = nested_error(own, sample.patients, sample.networks)
    else:
        error, freedom = crossed_error(components, sample.patients, sample.networks, sample.replicates)
    return error * detectable_in_errors(freedom)


def recorded_components(results: pd.DataFrame, patients: pd.DataFrame, design: Design) -> Components | None:
    """Return the variance components of a difference as far as recorded trials tell them.

    Of the primary comparison, or averaged over the best arm of the first class and each other.

    Args:
        results, patients: as for `network_scores`.

    Returns:
        None where there are no two arms, or too few patients.
    """
    scores, primary = network_scores(results, patients), design.primary
    tissue = primary.tissue if primary else next(iter(scores.classes), "")
    arms = scores.of(TARGET, tissue).arms
    first = best_arms(results).get(tissue) if primary is None else primary.arm
    others = [arm for arm in arms if arm != first] if primary is None else [primary.against]
    if first is None or not others or not {first, *others} <= set(arms):
        return None
    components, numbers = pooled_components(scores, tissue, first, others)
    return components if min(numbers) and components.patient + np.nan_to_num(components.network) > 0 else None


def tell_power(
    sample: Sample,
    others: Sequence[Other],
    components: Components | None,
    *,
    arms: int,
    design: Design,
    tissue: str,
) -> list[str]:
    """Say what the tests of a plan could show, and what those of other plans could; a line each.

    Args:
        sample: of the plan.
        components: of a difference, as far as they are known.
        arms: of the plan; 0 where they are not known yet.
        tissue: class that the components are of.
    """
    if arms == 1:
        return []
    known = f"; the spread is that of recorded trials, {tissue.replace('_', ' ')}" if components else ""
    lines = [f"{HEADLINE}{known}", f"  this plan: {sample.words}: {_reach(sample, components)}"]
    lines += [f"  {one.how}: {one.sample.words}: {_reach(one.sample, components)}" for one in others]
    if components is None:
        lines.append(UNIT)
    if design.primary is None and arms > 2:
        lines.append(
            "  so far for one comparison: none is stated as `primary`, and Holm's correction multiplies p "
            f"by up to {arms - 1}"
        )
    return lines


def _reach(sample: Sample, components: Components | None) -> str:
    """What a test can give, in words."""
    p = "no smallest p, "
    if sample.kind == "one":
        least = smallest_p(sample.patients)
        p = f"smallest p {least:.2g}, "
        if least > ERROR:
            return f"{p}so that no difference can be shown, however large"
    unit = "SD" if components is None else "Dice"
    digits = 2 if components is None else 3
    ends = dict.fromkeys(f"{end:.{digits}f}" for end in _ends(sample, components))
    return f"{p}{' to '.join(ends)} {unit}"


def _ends(sample: Sample, components: Components | None) -> tuple[float, float]:
    """Return what is detectable if the unknown share of networks is nothing, and if it is all."""
    given = OF_PATIENTS if components is None else components
    if sample.kind == "one" or (components is not None and math.isfinite(components.network)):
        return (detectable(sample, given),) * 2
    total = float(np.nansum([given.patient, given.fold_and_seed, given.rest]))
    if_networks = detectable(sample, replace(OF_NETWORKS, network=total))
    # One patient tells nothing of others: the test holds for this one.
    if_patients = if_networks if sample.patients == 1 else detectable(sample, replace(given, network=0.0))
    return if_patients, if_networks
