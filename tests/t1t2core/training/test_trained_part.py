"""A network is trained by two processes as by one: same loss, same gradients, same decisions."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import pytest
import torch
from torch import Tensor, nn

from t1t2core.experiment import Experiment, Outcome, Scans
from t1t2core.network.gradual import GradualNetwork
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import EvaluationSettings, NetworkSettings, TrainingSettings
from t1t2core.training.compute import Compute
from t1t2core.training.fit import EpochReport
from t1t2core.training.team import Team
from tests.builders.heads import TINY, different, make_fit, make_scan, make_training
from tests.builders.teams import Pair, start_pair

CLOSE = {"rtol": 1e-3, "atol": 1e-6}
"""Sums in another order, through 21 layers."""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with start_pair() as pair:
        yield pair


class OnStoredStatistics(Segmenter):
    """All of it trained, but for the statistics of batch norm."""

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm3d):
                part.eval()
        return self


@dataclass
class Step:
    """What one step gives."""

    report: EpochReport
    gradients: dict[str, Tensor]
    state: dict[str, Tensor]


def heads() -> list[PreparedScan]:
    """Unlike one another: in one a slice, in another half of the labels are unknown."""
    return [make_scan(1, ignored=1), make_scan(2), make_scan(3, ignored=8)]


def take_step(
    kind: type[Segmenter],
    loss: str,
    batch_size: int,
    parts: NetworkSettings = TINY,
    augmentation: tuple[str, ...] = (),
) -> Step:
    """The first step, on as many of three patches."""
    network = kind(parts, seed=0)
    settings = make_training(loss=loss, batch_size=batch_size, augmentation=augmentation, steps_per_epoch=1)
    fit = make_fit(network, heads(), settings, compute=Compute(precision="float32", team=Team.joined()))
    report = fit.run_epoch()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return Step(report, gradients, dict(network.state_dict()))


def distance(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """Of all of them, as a share of their length.

    The coarsest batch norm has 12 values of a patch: with its own statistics, rounding turns a ReLU here and
    there, and all gradients before it change a little.
    """
    difference = sum(float((some[name] - other).square().sum()) for name, other in others.items())
    return float((difference / sum(float(other.square().sum()) for other in others.values())) ** 0.5)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize("loss", ["weighted_cross_entropy", "cross_entropy_dice"])
@pytest.mark.parametrize("kind", [OnStoredStatistics, Segmenter])
def test_gradients_and_loss_are_those_of_one_process(
    pair: Pair, kind: type[Segmenter], loss: str, batch_size: int
) -> None:
    """With one patch, a process has none; by torch's rule the loss counts known voxels, not processes."""
    alone = take_step(kind, loss, batch_size)
    assert len(alone.gradients) == len(list(kind(TINY, seed=0).parameters()))
    for step in pair.run(take_step, kind, loss, batch_size):
        assert step.gradients.keys() == alone.gradients.keys()
        assert distance(step.gradients, alone.gradients) < (1e-3 if kind is OnStoredStatistics else 5e-3)
        assert step.report.loss == pytest.approx(alone.report.loss, rel=1e-4)
        assert step.report.accuracy == pytest.approx(alone.report.accuracy, abs=1e-3)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("normalisation", ["instance", "group"])
def test_they_are_with_another_normalisation_too_on_patches_that_are_changed_alike(
    pair: Pair, normalisation: str, batch_size: int
) -> None:
    settings = (replace(TINY, normalisation=normalisation), ("flips", "affine", "noise", "contrast"))
    arguments = (Segmenter, "cross_entropy_dice", batch_size, *settings)
    alone, unchanged = take_step(*arguments), take_step(*arguments[:-1])
    assert distance(unchanged.gradients, alone.gradients) > 1e-2
    for step in pair.run(take_step, *arguments):
        assert distance(step.gradients, alone.gradients) < 5e-3
        assert step.report.loss == pytest.approx(alone.report.loss, rel=1e-4)


def test_statistics_of_batch_norm_are_those_of_one_process(pair: Pair) -> None:
    alone = take_step(Segmenter, "cross_entropy", 2)
    for step in pair.run(take_step, Segmenter, "cross_entropy", 2):
        for name in alone.state:
            if "running" in name or "num_batches" in name:
                torch.testing.assert_close(step.state[name], alone.state[name], **CLOSE)


def thaw(epochs: int) -> dict[str, Tensor]:
    """Weights of a network of which each of these epochs, of one step, thaws a stage more."""
    settings = make_training(loss="cross_entropy", batch_size=3, steps_per_epoch=1)
    network = GradualNetwork(OnStoredStatistics(TINY, seed=0), 1)
    fit = make_fit(network, heads(), settings, compute=Compute(precision="float32", team=Team.joined()))
    for _ in range(epochs):
        fit.run_epoch()
    return dict(network.state_dict())


def test_what_thaws_later_is_trained_by_all_processes_too(pair: Pair) -> None:
    start, alone = thaw(0), thaw(3)
    assert len(different(start, alone)) > len(different(start, thaw(1)))
    for state in pair.run(thaw, 3):
        assert distance(state, alone) < 1e-3


# A whole training


def train(settings: TrainingSettings) -> tuple[Outcome, list[float]]:
    """On three heads, chosen by three others, tested on one; and the learning rates."""
    scans = Scans(
        training={f"P{n}": scan for n, scan in enumerate(heads())},
        validation={f"P{n}": make_scan(n) for n in (4, 5, 6)},
        test={"P7": make_scan(7)},
    )
    experiment = Experiment(
        Segmenter(TINY, seed=0),
        {"T1": scans},
        settings,
        EvaluationSettings(surface_distances=False),
        learning_rate=None,
        seed=0,
        compute=Compute(precision="float32", team=Team.joined()),
    )
    rates = []
    while not experiment.finished:
        rates.append(experiment.run_epoch().report.learning_rate)
    return experiment.score(), rates


def assert_same(one: Outcome, other: Outcome) -> None:
    """Bit for bit, save the seconds."""
    assert one.scores == other.scores
    assert (one.stop_reason, one.epochs) == (other.stop_reason, other.epochs)
    assert all(torch.equal(tensor, other.weights[name]) for name, tensor in one.weights.items())
    assert {key: labels.tolist() for key, labels in one.predictions.items()} == {
        key: labels.tolist() for key, labels in other.predictions.items()
    }


@pytest.mark.parametrize("monitor", ["training_accuracy", "validation_loss"])
def test_both_processes_come_to_the_same_end_and_have_all_scores(pair: Pair, monitor: str) -> None:
    settings = make_training(monitor=monitor, max_epochs=8, stop_patience=2, plateau_patience=1)
    (first, rates), (second, other_rates) = pair.run(train, settings)
    assert_same(first, second)
    assert rates == other_rates
    alone, _ = train(settings)
    scored = [(s.weights, s.split, s.patient) for s in first.scores]
    assert scored == [(s.weights, s.split, s.patient) for s in alone.scores]
    assert set(first.predictions) == {("T1", "P7")}


def test_the_scores_are_close_to_those_of_one_process(pair: Pair) -> None:
    settings = make_training(max_epochs=4)
    (outcome, _), _ = pair.run(train, settings)
    alone, _ = train(settings)
    for one, other in zip(outcome.scores, alone.scores, strict=True):
        assert one.counts["air"].dsc == pytest.approx(other.counts["air"].dsc, abs=0.05)
