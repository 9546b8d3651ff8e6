"""As many trials share a GPU as get through the most steps; Ray counts pretended GPUs like real ones."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import ray

from ablation.plan.plan import PlannedTrial
from ablation.plan.resources import TrialResources
from ablation.plan.study import Study
from ablation.space.resources import Resources
from ablation.sweep.cluster import connect, request_of, slots_of
from ablation.sweep.packing import Packing, pack, share_of, trials_on_one_gpu
from ablation.worker.first_step import FirstStepReport
from ablation.worker.gpu import GpuMemory
from ablation.worker.trial import Shared
from t1t2core.settings import Settings
from t1t2core.training.compute import Device
from tests.faults.cluster import start_cluster

GB = 10**9
LARGE = GpuMemory(step=5 * GB, usable=80 * GB, total=80 * GB)
ONE = TrialResources(cpus=1.0, gpus=1.0)
SHARED = Shared(
    study=Study(
        settings=Settings(), device=Device(kind="cuda", bfloat16=True), cohort_fingerprint="", splits=()
    ),
    subjects={},
    storage="",
    threads=1,
    checkpoint_seconds=None,
)


class Pretended:
    """Makes steps as fast as a test says, by how many there are on its GPU.

    Args:
        trial: a folder with `rates`: steps a second of all together, of one, of two, and so on.
    """

    def __init__(self, trial: Path, shared: Shared, gpus: float) -> None:
        self._folder = trial
        number = len(list(trial.glob("there.*")))
        (trial / f"there.{number}").write_text(f"{ray.get_gpu_ids()} {gpus}", encoding="utf-8")

    def warm_up(self) -> None:
        """Nothing."""

    def rate(self, seconds: float) -> float:
        """Its share of the steps."""
        there = len(list(self._folder.glob("there.*")))
        rates = (self._folder / "rates").read_text(encoding="utf-8").split()
        return float(rates[there - 1]) / there


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Eight cores and two GPUs."""
    started = start_cluster(num_cpus=8, num_gpus=2)
    # Workers need not find this module.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        with connect(started.address):
            yield
    finally:
        ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
        started.shutdown()


WORTH_IT = [
    ("10 19 27", 3),
    ("10 14 14.5", 2),  # a third brings next to nothing
    ("10 10.5 30", 1),  # nor does a second
]


@pytest.mark.parametrize(("rates", "expected"), WORTH_IT)
def test_trials_are_added_as_long_as_that_is_worth_it(
    rates: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Ray: what it would be asked for is answered at once."""
    monkeypatch.setattr("ablation.sweep.packing.ray.get", lambda answers: answers)
    together = [float(rate) for rate in rates.split()]
    there: list[SimpleNamespace] = []

    def start() -> Any:
        rate = SimpleNamespace(remote=lambda _: together[len(there) - 1] / len(there))
        there.append(SimpleNamespace(warm_up=SimpleNamespace(remote=lambda: None), rate=rate))
        return there[-1]

    number, found = trials_on_one_gpu(start, 3)
    assert number == expected
    assert found == pytest.approx(together[: min(3, expected + 1)])


@pytest.mark.exhaustive  # the test before this one has the rule
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("rates", "expected"), WORTH_IT)
def test_all_that_are_tried_lie_on_one_of_the_gpus(
    rates: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation.sweep.packing.Stepper", Pretended)
    (tmp_path / "rates").write_text(rates)
    packing = packed(tmp_path, LARGE)
    assert packing.resources == TrialResources(cpus=1.0, gpus=share_of(expected))
    together = float(rates.split()[expected - 1])
    assert packing.slower == pytest.approx(expected * 10 / together)
    assert len({file.read_text() for file in tmp_path.glob("there.*")}) == 1, "all on one of the two GPUs"
    assert ray.available_resources()["CPU"] <= 8


@pytest.mark.usefixtures("cluster")
def test_one_has_the_gpu_alone_where_no_other_can_be_beside_it(tmp_path: Path) -> None:
    alone = Packing(ONE, LARGE)
    assert packed(tmp_path, LARGE, most=1) == alone, "one trial is left"
    assert packed(tmp_path, LARGE, is_auto=False) == alone, "the user has said so"
    small = GpuMemory(step=5 * GB, usable=12 * GB, total=16 * GB)
    assert packed(tmp_path, small) == Packing(ONE, small), "its memory has no room for two"
    thick = TrialResources(cpus=4.0, gpus=1.0)
    assert packed(tmp_path, LARGE, resources=thick) == Packing(thick, LARGE), "nor has the machine cores"
    assert packed(tmp_path, None) == Packing(ONE), "no GPU"


@pytest.mark.usefixtures("cluster")
def test_as_many_run_at_once_as_share_the_gpus() -> None:
    alone = request_of(Resources(cpus=1, gpus="auto"))
    assert alone == ONE
    assert [slots_of(TrialResources(1.0, share_of(number))) for number in (1, 2, 3)] == [2, 4, 6]


def packed(folder: Path, memory: GpuMemory | None, **given: Any) -> Packing:
    options = {"resources": ONE, "is_auto": True, "most": 9} | given
    trials = [cast(PlannedTrial, folder)]
    return pack(trials, [FirstStepReport(memory)], SHARED, **options)
