"""The losses agree with MONAI and torch, and voxels of unknown label have no part in them."""

import math

import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional

from t1t2core.network import kernels
from t1t2core.settings.classes import IGNORED
from t1t2core.training.loss import ClassSums, class_shares, class_weights, segmentation_loss

KINDS = ["cross_entropy", "weighted_cross_entropy", "dice", "cross_entropy_dice"]
WEIGHTS = torch.tensor([0.2, 0.8, 2.0])


def draw(seed: int, *, ignored: bool) -> tuple[Tensor, Tensor]:
    """Logits and labels of two patches; about a fifth of the voxels unknown."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn((2, 3, 4, 5, 6), generator=generator)
    labels = torch.randint(0, 3, (2, 4, 5, 6), generator=generator)
    if ignored:
        labels[torch.rand(labels.shape, generator=generator) < 0.2] = IGNORED
    return logits, labels


def loss_of(logits: Tensor, labels: Tensor, kind: str) -> Tensor:
    weights = WEIGHTS if kind == "weighted_cross_entropy" else None
    return segmentation_loss(ClassSums.of(logits, labels), kind, weights)


@pytest.mark.parametrize("seed", range(5))
def test_dice_is_monai_s(seed: int):
    logits, labels = draw(seed, ignored=False)
    monai = DiceLoss(softmax=True, to_onehot_y=True)(logits, labels[:, None])
    torch.testing.assert_close(loss_of(logits, labels, "dice"), monai)


@pytest.mark.parametrize("seed", range(5))
def test_cross_entropy_is_torch_s(seed: int):
    logits, labels = draw(seed, ignored=False)
    plain = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(loss_of(logits, labels, "cross_entropy"), plain)
    weighted = functional.cross_entropy(logits, labels, weight=WEIGHTS)
    torch.testing.assert_close(loss_of(logits, labels, "weighted_cross_entropy"), weighted)
    both = plain + loss_of(logits, labels, "dice")
    torch.testing.assert_close(loss_of(logits, labels, "cross_entropy_dice"), both)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_network_says_about_unknown_voxels_does_not_count(kind: str):
    logits, labels = draw(0, ignored=True)
    other = logits.clone()
    unknown = (labels == IGNORED)[:, None].expand_as(logits)
    other[unknown] = 50 * torch.randn(int(unknown.sum()), generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(loss_of(other, labels, kind), loss_of(logits, labels, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_voxels_give_no_gradient_and_all_others_do(kind: str):
    logits, labels = draw(1, ignored=True)
    logits.requires_grad_()
    loss_of(logits, labels, kind).backward()
    assert logits.grad is not None
    pulled = logits.grad.abs().sum(dim=1)
    assert not pulled[labels == IGNORED].any()
    assert (pulled[labels != IGNORED] > 0).all()


def test_cross_entropy_by_hand_with_an_unknown_voxel():
    # Probabilities of the right class 1/2 and 1/4; the third voxel is unknown.
    logits = torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 2.0], [9.0, 1.0, 1.0]]).log().T.reshape(1, 3, 3, 1, 1)
    labels = torch.tensor([0, 1, IGNORED]).reshape(1, 3, 1, 1)
    assert loss_of(logits, labels, "cross_entropy").item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    weighted = (0.2 * math.log(2) + 0.8 * math.log(4)) / (0.2 + 0.8)
    assert loss_of(logits, labels, "weighted_cross_entropy").item() == pytest.approx(weighted)


def test_dice_by_hand_with_an_unknown_voxel():
    # Overlap over total a class: 1/2 of 3/4 + 1, 1/4 of 1/2 + 1, 0 of 3/4 (bone: absent).
    logits = torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 2.0], [9.0, 1.0, 1.0]]).log().T.reshape(1, 3, 3, 1, 1)
    labels = torch.tensor([0, 1, IGNORED]).reshape(1, 3, 1, 1)
    dice = [2 * 0.5 / (0.75 + 1), 2 * 0.25 / (0.5 + 1), 0]
    assert loss_of(logits, labels, "dice").item() == pytest.approx(1 - sum(dice) / 3, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_patch_pulls_at_nothing(kind: str):
    logits, labels = draw(2, ignored=False)
    logits.requires_grad_()
    loss_of(logits, torch.full_like(labels, IGNORED), kind).backward()
    assert logits.grad is not None
    assert not logits.grad.any()


def draw_many(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Of two patches of a usual size; a ninth of the voxels unknown, some logits far apart, some equal."""
    generator = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn((2, 3, 24, 40, 24), generator=generator)
    logits[:, :, 0] *= 40
    logits[0, :, 1] = 1
    logits = logits.to(dtype, memory_format=torch.channels_last_3d)
    labels = torch.randint(0, 3, (2, 24, 40, 24), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 1 / 9] = IGNORED
    return logits, labels


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_compiled_it_is_the_same_loss_with_the_same_gradient(kind: str, dtype: torch.dtype):
    logits, labels = draw_many(dtype)
    plain = logits.detach().float().contiguous()
    assert kernels.suits_classes(logits)
    assert not kernels.suits_classes(plain)
    losses = [loss_of(each.requires_grad_(), labels, kind) for each in (logits, plain)]
    torch.testing.assert_close(losses[0], losses[1])
    for loss in losses:
        loss.backward()
    assert logits.grad is not None
    assert plain.grad is not None
    close = 1e-2 if dtype == torch.bfloat16 else 1e-4
    most = float(plain.grad.abs().max())
    torch.testing.assert_close(logits.grad.float(), plain.grad, rtol=close, atol=1e-4 * most)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("compiled", [True, False])
def test_right_are_the_known_voxels_whose_likeliest_class_is_their_label(compiled: bool):
    logits, labels = draw_many()
    logits = logits if compiled else logits.contiguous()
    assert kernels.suits_classes(logits) == compiled
    sums = ClassSums.of(logits, labels)
    assert torch.equal(sums.right.long(), (logits.argmax(1) == labels).sum((1, 2, 3)))
    known = torch.stack([(labels == c).sum((1, 2, 3)) for c in range(3)], dim=1)
    assert torch.equal(sums.present.long(), known)
    assert not sums.present.requires_grad


def test_class_shares_are_over_all_known_voxels_of_all_patients():
    first = torch.tensor([0, 0, 0, 1, 255], dtype=torch.uint8)
    second = torch.tensor([0, 1, 2, 0, 255, 255, 255], dtype=torch.uint8)
    assert class_shares([first, second]).tolist() == pytest.approx([5 / 8, 2 / 8, 1 / 8])


def test_an_absent_class_counts_as_one_voxel():
    shares = class_shares([torch.tensor([0] * 6 + [1] * 3, dtype=torch.uint8)])
    assert shares.tolist() == pytest.approx([0.6, 0.3, 0.1])
    assert class_shares([torch.full((4,), 255, dtype=torch.uint8)]).tolist() == pytest.approx([1 / 3] * 3)


def test_class_weights_are_inverse_shares_with_mean_1():
    weights = class_weights(torch.tensor([0.6, 0.3, 0.1]))
    assert weights.mean().item() == pytest.approx(1)
    assert (weights * torch.tensor([0.6, 0.3, 0.1])).tolist() == pytest.approx([weights[2].item() * 0.1] * 3)
    assert class_weights(torch.full((3,), 1 / 3)).tolist() == pytest.approx([1.0] * 3)
