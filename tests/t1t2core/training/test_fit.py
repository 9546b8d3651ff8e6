"""Training gives the same numbers every time, ends when it should, and learns from what is known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from t1t2core.network.architectures import stages_before
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.prepare import PreparedScan
from t1t2core.settings import NetworkSettings, Precision, TrainingSettings
from t1t2core.training.compute import Compute
from t1t2core.training.feature_store import FeatureStore
from t1t2core.training.fit import EpochReport, Fit
from t1t2core.training.patch_set import PatchSet
from tests.builders.heads import (
    IGNORED,
    TINY,
    different,
    make_fit,
    make_scan,
    make_training,
    pretrained_state,
)

NOTHING = 1e-12
"""A learning rate at which nothing is learnt."""
WIDER = NetworkSettings(width=8)
"""Learns tiny heads in thirty steps."""


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Tensor]:
    return pretrained_state()


@pytest.fixture(scope="module")
def scans() -> list[PreparedScan]:
    """Three heads: with two patches a step, the second step of a pass has one."""
    return [make_scan(seed, "T2") for seed in (1, 2, 3)]


def make_network(
    pretrained: dict[str, Tensor], *, tuned: int = 9, settings: NetworkSettings = TINY
) -> Segmenter:
    segmenter = Segmenter(settings, seed=0)
    segmenter.load_pretrained(pretrained)
    segmenter.freeze(stages_before(tuned))
    return segmenter


def run(fit: Fit) -> list[EpochReport]:
    """Epochs until the fit itself ends, judged by training accuracy."""
    reports = []
    while fit.stop_reason is None:
        reports.append(fit.run_epoch())
        fit.judge(reports[-1].accuracy)
    return reports


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the patches in the order in which they are trained on."""
    numbers: list[int] = []
    label = PatchSet.label

    def watched(patches: PatchSet, number: int) -> Tensor:
        numbers.append(number)
        return label(patches, number)

    monkeypatch.setattr(PatchSet, "label", watched)
    return numbers


@pytest.mark.parametrize("tuned", [0, 9, 21])
def test_the_same_seed_gives_the_same_weights_to_the_bit(
    pretrained: dict[str, Tensor], scans: list[PreparedScan], tuned: int
):
    ends = []
    for seed in (1, 1, 2):
        segmenter = make_network(pretrained, tuned=tuned)
        run(make_fit(segmenter, scans, make_training(), seed=seed))
        ends.append(segmenter.state_dict())
    assert different(ends[0], ends[1]) == set()
    assert different(ends[0], ends[2])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("tuned", "network"),
    [(0, TINY), (3, TINY), (9, TINY), (18, TINY), (9, replace(TINY, skip_connections="concatenation"))],
)
def test_features_kept_or_not_give_the_same_weights_to_the_bit(
    tuned: int, network: NetworkSettings, precision: Precision
):
    pretrained = pretrained_state(network)
    shape = (24, 16, 16)
    scans = [make_scan(seed, "T2", shape=shape) for seed in (1, 2, 3)]
    settings = make_training(patch=shape, stride=shape)
    ends, losses = [], []
    for room in (0, 2**18, 2**28):  # for none, for some, for all
        segmenter = make_network(pretrained, tuned=tuned, settings=network)
        compute = Compute(precision=precision, features=FeatureStore(room))
        fit = make_fit(segmenter, scans, settings, compute=compute)
        losses.append([report.loss for report in run(fit)])
        ends.append(segmenter.state_dict())
    assert different(ends[0], ends[1]) == different(ends[0], ends[2]) == set()
    assert losses[0] == losses[1] == losses[2]


def test_where_epochs_end_changes_no_step(pretrained: dict[str, Tensor], scans: list[PreparedScan]):
    ends = []
    for steps_per_epoch in (1, 4, None):
        segmenter = make_network(pretrained)
        settings = make_training(max_epochs=None, max_steps=8, steps_per_epoch=steps_per_epoch)
        run(make_fit(segmenter, scans, settings))
        ends.append(segmenter.state_dict())
    assert different(ends[0], ends[1]) == different(ends[0], ends[2]) == set()


def test_every_pass_takes_every_patch_once_each_time_in_another_order(
    pretrained: dict[str, Tensor], asked: list[int]
):
    many = [make_scan(seed) for seed in range(7)]
    run(make_fit(make_network(pretrained, tuned=0), many, make_training(max_epochs=3)))
    passes = [asked[at : at + 7] for at in (0, 7, 14)]
    assert [sorted(order) for order in passes] == [list(range(7))] * 3
    assert len({tuple(order) for order in passes}) == 3


def test_the_order_of_patches_depends_on_the_seed_only(pretrained: dict[str, Tensor], asked: list[int]):
    many = [make_scan(seed) for seed in range(7)]

    def order(tuned: int, seed: int, rate: float = 1e-3, **changes: object) -> list[int]:
        asked.clear()
        settings = make_training(**changes)
        run(make_fit(make_network(pretrained, tuned=tuned), many, settings, seed=seed, learning_rate=rate))
        return list(asked)

    first = order(0, seed=1)
    assert order(0, seed=1) == first
    assert order(9, seed=1, rate=1e-2, loss="cross_entropy", schedule="one_cycle") == first
    assert order(0, seed=2) != first


def test_max_epochs_ends_training(pretrained: dict[str, Tensor], scans: list[PreparedScan]):
    fit = make_fit(make_network(pretrained, tuned=0), scans, make_training(max_epochs=3))
    assert [report.epoch for report in run(fit)] == [1, 2, 3]
    assert fit.stop_reason == "max_epochs"
    assert fit.steps == 3 * 2


def test_max_steps_ends_training_within_an_epoch(pretrained: dict[str, Tensor], scans: list[PreparedScan]):
    settings = make_training(max_epochs=None, max_steps=7, steps_per_epoch=3)
    fit = make_fit(make_network(pretrained, tuned=0), scans, settings)
    assert len(run(fit)) == 3
    assert (fit.stop_reason, fit.steps) == ("max_steps", 7)


def test_a_budget_in_steps_is_the_same_for_few_patients_and_many(
    pretrained: dict[str, Tensor], scans: list[PreparedScan]
):
    settings = make_training(max_epochs=None, max_steps=6, steps_per_epoch=3)
    for patients in (1, 3):
        fit = make_fit(make_network(pretrained, tuned=0), scans[:patients], settings)
        assert (len(run(fit)), fit.steps) == (2, 6)


def test_the_rate_falls_after_five_epochs_without_improvement_and_training_ends_after_ten(
    pretrained: dict[str, Tensor], scans: list[PreparedScan]
):
    # No accuracy is 1 above another: only the first epoch improves; 2 to 6 do not, nor do 7 to 11.
    settings = make_training(max_epochs=50, stop_patience=10, min_delta=1.0)
    fit = make_fit(make_network(pretrained, tuned=0), scans, settings, learning_rate=1e-3)
    rates = [report.learning_rate / 1e-3 for report in run(fit)]
    assert rates == pytest.approx([1.0] * 6 + [0.75] * 5)
    assert fit.optimiser.param_groups[0]["lr"] / 1e-3 == pytest.approx(0.75**2)
    assert (fit.stop_reason, fit.epoch) == ("converged", 11)


@pytest.mark.parametrize(
    "budget", [{"max_epochs": 10}, {"max_epochs": None, "max_steps": 20, "steps_per_epoch": 3}]
)
def test_one_cycle_spends_the_whole_budget_of_20_steps(
    pretrained: dict[str, Tensor], scans: list[PreparedScan], budget: dict[str, int | None]
):
    settings = make_training(schedule="one_cycle", **budget)
    fit = make_fit(make_network(pretrained, tuned=0), scans, settings, learning_rate=1e-2)
    rates: list[float] = []
    fit.optimiser.register_step_pre_hook(lambda optimiser, *_: rates.append(optimiser.param_groups[0]["lr"]))
    run(fit)
    assert len(rates) == 20
    assert rates[0] == pytest.approx(1e-2 / 25)
    assert rates[5] == max(rates) == pytest.approx(1e-2)
    assert rates[-1] < 1e-2 / 1e5


def test_adam_as_in_the_study_decays_convolution_kernels_only(
    pretrained: dict[str, Tensor], scans: list[PreparedScan]
):
    fit = make_fit(make_network(pretrained, tuned=21), scans, make_training(weight_decay=5e-4, beta1=0.8))
    decayed, others = fit.optimiser.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (5e-4, 0.0)
    assert {parameter.dim() for parameter in decayed["params"]} == {5}
    assert 5 not in {parameter.dim() for parameter in others["params"]}
    assert decayed["betas"] == others["betas"] == (0.8, 0.999)
    trained = sum(len(group["params"]) for group in fit.optimiser.param_groups)
    assert trained == len(list(fit.network.parameters()))


def test_a_gradient_longer_than_allowed_is_shortened_and_another_left_alone(
    pretrained: dict[str, Tensor], scans: list[PreparedScan]
):
    lengths = {}
    for longest in (None, 1e-3, 1e3):
        fit = make_fit(make_network(pretrained), scans, make_training(gradient_clip=longest))
        seen = lengths[longest] = []
        fit.optimiser.register_step_pre_hook(lambda optimiser, *_, seen=seen: seen.append(_length(optimiser)))
        fit.run_epoch()
    assert lengths[None] == lengths[1e3]
    assert min(lengths[None]) > 1e-2
    assert lengths[1e-3] == pytest.approx([1e-3] * len(lengths[None]), rel=1e-2)


def _length(optimiser: Optimizer) -> float:
    gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
    return float(torch.cat([gradient.flatten() for gradient in gradients]).norm())


def test_accuracy_is_the_share_of_known_voxels_labelled_rightly(pretrained: dict[str, Tensor]):
    scans = [make_scan(1, ignored=5), make_scan(2)]
    segmenter = make_network(pretrained)
    report = make_fit(segmenter, scans, make_training(), learning_rate=NOTHING).run_epoch()
    labels = torch.stack([torch.from_numpy(scan.labels) for scan in scans])
    with torch.no_grad():
        found = segmenter(torch.stack([torch.from_numpy(scan.image) for scan in scans])[:, None]).argmax(1)
    known = labels != IGNORED
    assert report.accuracy == pytest.approx((found == labels)[known].float().mean().item(), abs=1e-3)


def test_training_learns(scans: list[PreparedScan]):
    settings = make_training(max_epochs=30, plateau_patience=30)
    reports = run(make_fit(Segmenter(WIDER, seed=0), scans[:2], settings, learning_rate=1e-2))
    assert reports[-1].loss < 0.6 * reports[0].loss
    assert reports[-1].accuracy > 0.9 > reports[0].accuracy


@pytest.mark.parametrize("loss", ["cross_entropy", "weighted_cross_entropy", "dice", "cross_entropy_dice"])
def test_labels_where_none_is_known_leave_the_weights_alone(pretrained: dict[str, Tensor], loss: str):
    blank = make_scan(1, ignored=16)
    assert (blank.labels == IGNORED).all()
    segmenter = make_network(pretrained)
    before = {name: p.detach().clone() for name, p in segmenter.named_parameters()}
    run(make_fit(segmenter, [blank, blank], make_training(loss=loss, weight_decay=0.0)))
    assert different(dict(segmenter.named_parameters()), before) == set()


def test_a_patch_without_a_known_voxel_does_no_harm_beside_others(pretrained: dict[str, Tensor]):
    segmenter = make_network(pretrained)
    scans = [make_scan(1), make_scan(2, ignored=16), make_scan(3)]
    reports = run(make_fit(segmenter, scans, make_training(batch_size=1, max_epochs=4)))
    assert all(tensor.isfinite().all() for tensor in segmenter.state_dict().values())
    assert all(0 < report.accuracy < 1 for report in reports)


def test_the_loss_of_an_epoch_is_a_number_also_with_such_a_patch(pretrained: dict[str, Tensor]):
    scans = [make_scan(1), make_scan(2, ignored=16), make_scan(3)]
    fit = make_fit(make_network(pretrained), scans, make_training(batch_size=1))
    assert fit.run_epoch().loss > 0


@pytest.mark.parametrize("start", ["class_shares", "zeros"])
def test_a_fresh_classifier_starts_at_the_class_shares(scans: list[PreparedScan], start: str):
    segmenter = Segmenter(TINY, seed=0)
    make_fit(segmenter, scans, make_training(initial_bias=start))
    bias = segmenter.state_dict()["decoder.stages.3.layer.bias"]
    labels = torch.stack([torch.from_numpy(scan.labels) for scan in scans]).flatten().long()
    shares = torch.bincount(labels) / len(labels)
    expected = shares.log() if start == "class_shares" else torch.zeros(3)
    torch.testing.assert_close(bias, expected)


def test_a_pretrained_classifier_keeps_its_bias(pretrained: dict[str, Tensor], scans: list[PreparedScan]):
    segmenter = make_network(pretrained)
    make_fit(segmenter, scans, make_training())
    assert different(segmenter.state_dict(), pretrained) == set()


def test_class_weights_make_a_rare_class_count(scans: list[PreparedScan]):
    image = torch.from_numpy(scans[0].image)[None, None]

    def bone_found(settings: TrainingSettings) -> float:
        segmenter = Segmenter(WIDER, seed=0)
        run(make_fit(segmenter, scans[:2], settings, learning_rate=1e-2))
        with torch.no_grad():
            return segmenter.train()(image).softmax(1)[:, 2].mean().item()

    plain = make_training(loss="cross_entropy", max_epochs=8)
    assert bone_found(replace(plain, loss="weighted_cross_entropy")) > 1.2 * bone_found(plain)


@pytest.mark.parametrize(("max_epochs", "max_steps"), [(2, 100), (100, 2), (None, 2), (2, None)])
def test_the_smaller_of_two_limits_is_the_budget(max_epochs: int | None, max_steps: int | None) -> None:
    """By which progress is told and the learning rate of one_cycle comes down."""
    settings = make_training(
        max_epochs=max_epochs, max_steps=max_steps, steps_per_epoch=1, schedule="one_cycle"
    )
    fit = make_fit(Segmenter(TINY, seed=0), [make_scan(1)], settings)
    rates = []
    while fit.stop_reason is None:
        report = fit.run_epoch()
        rates.append(report.learning_rate)
        fit.judge(report.accuracy)
    assert (fit.steps, fit.progress) == (2, 1.0)
    assert rates[-1] < 1e-3 * rates[0]


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "cross_entropy_dice", "weighted_cross_entropy"])
@pytest.mark.parametrize("normalisation", ["instance", "group"])
def test_a_step_in_parts_is_the_step_but_for_rounding(
    scans: list[PreparedScan], loss: str, normalisation: str
):
    network = NetworkSettings(width=4, normalisation=normalisation)  # type: ignore[arg-type]
    gradients, reports = [], []
    for micro_batch in (None, 1, 2):
        settings = make_training(batch_size=3, max_steps=1, loss=loss, micro_batch=micro_batch)
        segmenter = Segmenter(network, seed=0)
        reports.append(run(make_fit(segmenter, scans, settings))[0])
        gradients.append(torch.cat([p.grad.flatten() for p in segmenter.parameters() if p.grad is not None]))
    whole, *parts = gradients
    for part, report in zip(parts, reports[1:], strict=True):
        assert report.loss == pytest.approx(reports[0].loss, rel=1e-5)
        assert report.accuracy == reports[0].accuracy
        # Rounding moves the maximum of a pooling, or a ReLU, to another voxel now and then: that is some
        # thousandths of the gradient, by whichever convolution.
        assert float((part - whole).norm() / whole.norm()) < 5e-3
