"""Each strategy starts from the right weights and changes only what it may."""

import subprocess
import sys
from dataclasses import replace
from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from t1t2core.network.segmenter import Segmenter
from t1t2core.network.staged import STATISTICS
from t1t2core.settings import NetworkSettings, Settings, TrainingSettings
from t1t2core.strategies import STRATEGIES, Factors, StrategyName, TunedLayers
from t1t2core.strategies.work import step_flops
from tests.builders.heads import TINY, clone, different, make_fit, make_scan, make_training, pretrained_state

AVERAGE = Factors(strategy="hybrid", fusion="average")
FROZEN_STAGES: dict[TunedLayers, int] = {"fc": 7, 3: 6, 6: 5, 9: 4, 12: 3, 15: 2, 18: 1}
STAGES = [f"encoder.stages.{n}." for n in range(4)] + [f"decoder.stages.{n}." for n in range(4)]


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Tensor]:
    return pretrained_state()


def build(
    strategy: StrategyName,
    tuned: TunedLayers | None,
    pretrained: dict[str, Tensor] | None,
    seed: int = 0,
    settings: NetworkSettings = TINY,
) -> Segmenter:
    factors = Factors(strategy=strategy, tuned_layers=tuned, seed=seed)
    segmenter = STRATEGIES[strategy].build(factors, settings, pretrained=pretrained)
    assert isinstance(segmenter, Segmenter)
    return segmenter


def training_of(factors: Factors, settings: Settings) -> TrainingSettings:
    return STRATEGIES[factors.strategy].training(factors, settings)


def test_every_name_has_its_strategy_and_asking_for_one_loads_no_torch():
    assert list(STRATEGIES) == list(get_args(StrategyName))
    look = "import sys, t1t2core.strategies; print({'torch', 'SimpleITK'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def train(segmenter: Segmenter) -> None:
    """Three epochs on two T2w heads, with validation's switch to evaluation mode between them."""
    fit = make_fit(segmenter, [make_scan(1, "T2"), make_scan(2, "T2")], make_training())
    for _ in range(3):
        fit.run_epoch()
        segmenter.eval()


@pytest.mark.parametrize("tuned", ["fc", 3, 9, 18])
def test_frozen_tensors_are_bit_for_bit_what_was_loaded(pretrained: dict[str, Tensor], tuned: TunedLayers):
    segmenter = build("conservative", tuned, clone(pretrained))
    assert different(segmenter.state_dict(), pretrained) == set()
    train(segmenter)
    frozen = tuple(STAGES[: FROZEN_STAGES[tuned]])
    assert any(name.endswith("running_var") and name.startswith(frozen) for name in pretrained)
    expected = {name for name in pretrained if not name.startswith(frozen)}
    assert different(segmenter.state_dict(), pretrained) == expected
    assert segmenter.trained_state().keys() == expected


@pytest.mark.parametrize("tuned", ["fc", 9, 18])
def test_statistics_of_frozen_layers_may_adapt_and_are_kept_then(
    pretrained: dict[str, Tensor], tuned: TunedLayers
):
    adapting = replace(TINY, frozen_norm="adapted")
    segmenter = build("conservative", tuned, clone(pretrained), settings=adapting)
    train(segmenter)
    frozen = tuple(STAGES[: FROZEN_STAGES[tuned]])
    expected = {n for n in pretrained if not n.startswith(frozen) or n.endswith(STATISTICS)}
    assert different(segmenter.state_dict(), pretrained) == expected
    assert segmenter.trained_state().keys() == expected
    again = build("conservative", tuned, clone(pretrained), settings=adapting)
    again.load_state_dict(segmenter.trained_state(), strict=False)
    image = make_scan(1, "T2").image[None, None]
    assert torch.equal(again.eval()(torch.from_numpy(image)), segmenter.eval()(torch.from_numpy(image)))


def test_without_fine_tuning_no_statistics_adapt(pretrained: dict[str, Tensor]):
    segmenter = build("no_fine_tuning", None, pretrained, settings=replace(TINY, frozen_norm="adapted"))
    assert segmenter.trained_state() == {}
    assert len(segmenter.frozen_chains[0]) == 8


def test_open_changes_everything(pretrained: dict[str, Tensor]):
    segmenter = build("open", None, pretrained)
    assert different(segmenter.state_dict(), pretrained) == set()
    train(segmenter)
    assert different(segmenter.state_dict(), pretrained) == pretrained.keys()


def test_scratch_ignores_the_pretrained_network(pretrained: dict[str, Tensor]):
    with_it, without = build("scratch", None, pretrained), build("scratch", None, None)
    assert different(with_it.state_dict(), without.state_dict()) == set()
    assert all(p.requires_grad for p in with_it.parameters())


def test_without_fine_tuning_nothing_is_trained(pretrained: dict[str, Tensor]):
    segmenter = build("no_fine_tuning", None, pretrained)
    assert different(segmenter.state_dict(), pretrained) == set()
    assert not any(p.requires_grad for p in segmenter.parameters())
    assert segmenter.trained_state() == {}


def test_the_same_seed_starts_the_same(pretrained: dict[str, Tensor]):
    starts = [build("scratch", None, None, seed).state_dict() for seed in (3, 3, 4)]
    assert different(starts[0], starts[1]) == set()
    assert different(starts[0], starts[2])


def test_the_seed_means_nothing_to_a_network_that_is_loaded(pretrained: dict[str, Tensor]):
    starts = [build("open", None, pretrained, seed).state_dict() for seed in (3, 4)]
    assert different(starts[0], starts[1]) == set()


def test_training_leaves_the_weights_that_were_handed_in(pretrained: dict[str, Tensor]):
    handed_in = clone(pretrained)
    train(build("open", None, handed_in))
    assert different(handed_in, pretrained) == set()


@pytest.mark.parametrize(("tuned", "frozen"), FROZEN_STAGES.items())
def test_batch_norm_of_frozen_stages_stays_in_evaluation_mode(
    pretrained: dict[str, Tensor], tuned: TunedLayers, frozen: int
):
    segmenter = build("conservative", tuned, pretrained)
    segmenter.eval()
    segmenter.train()
    for number, stage in enumerate(segmenter.stages):
        modes = {part.training for part in stage.modules() if isinstance(part, nn.BatchNorm3d)}
        assert modes <= {number >= frozen}
    assert segmenter.stages[-1].training


@pytest.mark.parametrize("strategy", ["no_fine_tuning", "open", "conservative"])
def test_what_starts_pretrained_needs_a_pretrained_network(strategy: StrategyName):
    with pytest.raises(ValueError, match=rf"{strategy} starts from a pretrained network; none was given"):
        build(strategy, "fc", None)


def test_weights_of_another_architecture_do_not_load():
    state = Segmenter(TINY, seed=0).state_dict() | {"decoder.stages.3.layer.bias": torch.zeros(4)}
    with pytest.raises(RuntimeError, match=r"decoder\.stages\.3\.layer\.bias"):
        build("open", None, state)


@pytest.mark.parametrize("normalisation", ["instance", "group"])
def test_statistics_of_batch_norm_are_not_asked_of_another_normalisation(normalisation: str):
    network = replace(TINY, normalisation=normalisation)  # type: ignore[arg-type]
    stored, adapted = Settings(network=network), Settings(network=replace(network, frozen_norm="adapted"))
    refused = STRATEGIES["norm_adaptation"].misfit(stored)
    assert refused is not None
    assert f"network.normalisation: {normalisation} keeps none" in refused
    refused = STRATEGIES["conservative"].misfit(adapted)
    assert refused is not None
    assert "network.frozen_norm: adapted" in refused
    # frozen_norm is about conservative alone.
    fitting = [name for name in STRATEGIES if STRATEGIES[name].misfit(adapted) is None]
    assert fitting == [name for name in STRATEGIES if name not in ("norm_adaptation", "conservative")]
    assert STRATEGIES["conservative"].misfit(stored) is None


def test_with_batch_norm_every_strategy_can_be_done():
    settings = Settings(network=replace(TINY, frozen_norm="adapted"))
    assert [strategy.misfit(settings) for strategy in STRATEGIES.values()] == [None] * len(STRATEGIES)


def test_what_counts_of_the_training_is_what_was_recorded_until_a_new_setting_is_used():
    before = STRATEGIES["open"].counted_training(Factors(strategy="open"), Settings())
    assert "loss" in before
    assert "augmentation" not in before
    flips = Settings(training=make_training(augmentation="flips"))
    counted = STRATEGIES["open"].counted_training(Factors(strategy="open"), flips)
    assert counted["augmentation"] == ("flips",)
    untrained = STRATEGIES["no_fine_tuning"].counted_training(Factors(strategy="no_fine_tuning"), flips)
    assert "augmentation" not in untrained


def test_what_starts_from_scratch_gets_the_budget_of_the_t1_network():
    settings = Settings(pretraining=make_training(max_steps=9), training=make_training(max_steps=2))
    names: tuple[StrategyName, ...] = ("scratch", "augmented", "open")
    budgets = {name: training_of(Factors(strategy=name), settings).max_steps for name in names}
    assert budgets == {"scratch": 9, "augmented": 9, "open": 2}


def test_all_arms_get_one_budget_where_they_are_to_be_matched():
    training = make_training(max_steps=2, hybrid_steps_factor=3, match="steps", stop_patience=1)
    settings = Settings(pretraining=make_training(max_steps=9, max_epochs=1), training=training)
    for factors in (
        Factors(strategy="scratch"),
        Factors(strategy="augmented"),
        Factors(strategy="open"),
        AVERAGE,
    ):
        given = training_of(factors, settings)
        assert (given.max_steps, given.max_epochs, given.stop_patience) == (2, None, None)


MATCHED = {
    "scratch": Factors(strategy="scratch"),
    "open": Factors(strategy="open"),
    "fc": Factors(strategy="conservative", tuned_layers="fc"),
    "9": Factors(strategy="conservative", tuned_layers=9),
    "average": AVERAGE,
    "concatenation": Factors(strategy="hybrid", fusion="concatenation"),
}


def test_arms_get_the_time_of_open_fine_tuning_where_that_is_to_be_matched():
    training = make_training(
        max_steps=100, match="seconds", batch_size=2, batch_size_of_concatenation=1, hybrid_steps_factor=3
    )
    settings = Settings(network=TINY, pretraining=make_training(max_steps=9), training=training)
    steps, work = {}, {}
    for name, factors in MATCHED.items():
        given = training_of(factors, settings)
        assert given.max_steps is not None
        steps[name] = given.max_steps
        built = STRATEGIES[factors.strategy].build(
            replace(factors, seed=0), TINY, pretrained=Segmenter(TINY, seed=0).state_dict()
        )
        flops = step_flops(lambda built=built: built, given.patch, given.batch_size)
        work[name] = given.max_steps * flops
    assert steps["open"] == 100
    assert steps["scratch"] == 100, "two patches a step, as tuning has"
    assert 250 < steps["fc"] < 300 > steps["9"] > 100, "without the way back a step takes a third"
    assert steps["average"] < 100 < steps["concatenation"], "one patch a step"
    for name, operations in work.items():
        assert operations == pytest.approx(work["open"], rel=0.5 / min(steps.values())), name


@pytest.mark.parametrize("match", ["steps", "seconds"])
def test_a_budget_in_epochs_cannot_be_matched(match: str):
    with pytest.raises(ValidationError, match=f"match: {match} needs max_steps"):
        make_training(match=match)


def test_a_hybrid_gets_a_multiple_of_the_steps_of_tuning():
    settings = Settings(training=make_training(max_steps=2, hybrid_steps_factor=3))
    assert training_of(AVERAGE, settings).max_steps == 6
    endless = Settings(training=make_training(max_steps=None, hybrid_steps_factor=3))
    assert training_of(AVERAGE, endless).max_steps is None
