"""The learning rate falls and training ends when the study says."""

import pytest
import torch
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from t1t2core.settings import TrainingSettings
from t1t2core.training.schedule import EarlyStop, advance_epoch, advance_step, make_schedule
from tests.builders.heads import make_training

RATE = 1e-3


def rates_after_epochs(settings: TrainingSettings, monitored: list[float]) -> list[float]:
    """The learning rate after each epoch, as a multiple of the first."""
    optimiser = Adam([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = make_schedule(optimiser, settings, steps=100)
    rates = []
    for value in monitored:
        advance_epoch(schedule, value)
        rates.append(optimiser.param_groups[0]["lr"] / RATE)
    return rates


def one_cycle(steps: int) -> list[float]:
    """The learning rate of each step."""
    optimiser = Adam([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    settings = make_training(schedule="one_cycle")
    schedule = make_schedule(optimiser, settings, steps=steps)
    assert isinstance(schedule, OneCycleLR)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        advance_step(schedule)
    return rates


def test_plateau_falls_by_a_quarter_after_exactly_five_epochs_without_improvement():
    settings = TrainingSettings()
    assert rates_after_epochs(settings, [0.5] * 11) == pytest.approx(
        [1.0] * 5 + [0.75] * 5 + [0.75**2], rel=1e-9
    )


def test_an_improvement_starts_the_count_again():
    rates = rates_after_epochs(TrainingSettings(), [0.5] * 5 + [0.6] + [0.6] * 5)
    assert rates == pytest.approx([1.0] * 10 + [0.75], rel=1e-9)


def test_less_than_min_delta_is_no_improvement():
    creeping = [0.5 + 0.0001 * epoch for epoch in range(6)]
    assert rates_after_epochs(TrainingSettings(min_delta=0.001), creeping)[-1] == pytest.approx(0.75)
    assert rates_after_epochs(TrainingSettings(min_delta=0.00005), creeping)[-1] == 1.0


def test_factor_and_patience_are_settings():
    settings = TrainingSettings(plateau_patience=2, plateau_factor=0.1)
    assert rates_after_epochs(settings, [0.5] * 5) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_training_stops_after_exactly_ten_epochs_without_improvement():
    stop = EarlyStop(patience=10, min_delta=1e-4)
    assert [stop.observe(value) for value in [0.5] * 11] == [False] * 10 + [True]


def test_an_improvement_keeps_training_alive():
    stop = EarlyStop(patience=3, min_delta=0.01)
    # 0.505 is less than min_delta above 0.5, 0.52 is more.
    assert [stop.observe(v) for v in [0.5, 0.505, 0.4, 0.52, 0.4, 0.4, 0.4]] == [False] * 6 + [True]


def test_without_patience_it_never_stops():
    stop = EarlyStop(patience=None, min_delta=0.0)
    assert not any(stop.observe(0.5) for _ in range(1000))


def test_an_undefined_value_is_no_improvement():
    stop = EarlyStop(patience=2, min_delta=0.0)
    assert [stop.observe(v) for v in [0.5, float("nan"), float("nan")]] == [False, False, True]


def test_one_cycle_rises_for_30_percent_of_the_steps_and_falls_to_almost_nothing():
    rates = one_cycle(100)
    assert rates[0] == pytest.approx(RATE / 25)
    assert max(rates) == pytest.approx(RATE)
    peak = rates.index(max(rates))
    assert peak == pytest.approx(30, abs=1)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < RATE / 1e4


def test_each_schedule_moves_at_its_own_time():
    optimiser = Adam([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    plateau = make_schedule(optimiser, TrainingSettings(), steps=10)
    assert isinstance(plateau, ReduceLROnPlateau)
    for _ in range(100):
        advance_step(plateau)
    assert optimiser.param_groups[0]["lr"] == RATE
    cycle = make_schedule(optimiser, make_training(schedule="one_cycle"), steps=10)
    before = optimiser.param_groups[0]["lr"]
    for _ in range(100):
        advance_epoch(cycle, 0.5)
    assert optimiser.param_groups[0]["lr"] == before
