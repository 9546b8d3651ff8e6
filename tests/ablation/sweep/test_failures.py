"""What is done about a failure depends on its kind and on how often it came."""

import tempfile
from types import SimpleNamespace

import pytest
import ray
import torch
from ray.exceptions import ActorDiedError, RayTaskError
from ray.exceptions import OutOfMemoryError as HostOutOfMemoryError
from ray.tune.error import TuneError
from ray.tune.experiment import Trial as TuneTrial

from ablation.space.resources import Recovery
from ablation.store.storage import StorageUnavailableError
from ablation.sweep.failures import MOST_LOSSES, Failure, Failures, Kind, Verdict, read_failure

RAISED = Failure(Kind.RAISED, "ValueError: bad luck", "all of it")
LOST = Failure(Kind.LOST, "its worker was lost", "")
FULL = Failure(Kind.OUT_OF_MEMORY, "OutOfMemoryError", "")


def failure_of(error: Exception | None) -> Failure:
    """Of a trial that Tune has ended because of this error."""
    with tempfile.TemporaryDirectory() as folder:
        ended = TuneTrial("any", stub=True)
        ended.storage = SimpleNamespace(trial_driver_staging_path=folder)
        ended.handle_error(error)
        return read_failure(ended)


def raised(error: Exception) -> RayTaskError:
    """As it comes out of a worker."""
    lines = ["Traceback (most recent call last):", f"{type(error).__name__}: {error}"]
    return RayTaskError("step", "\n".join(lines), error)


def test_the_kinds_are_told_apart() -> None:
    error = failure_of(raised(ValueError("bad luck")))
    assert (error.kind, error.cause) == (Kind.RAISED, "ValueError: bad luck")
    assert "\x1b" not in error.traceback, "no colours in a file"
    assert failure_of(ActorDiedError()).kind is Kind.LOST
    assert failure_of(raised(torch.OutOfMemoryError("CUDA out of memory"))).kind is Kind.OUT_OF_MEMORY
    assert failure_of(HostOutOfMemoryError("of the machine")).kind is Kind.RAISED
    assert failure_of(TuneError("lost its folder")).cause == "lost its folder"


def test_a_full_disk_and_absent_storage_are_no_trials_fault() -> None:
    full = failure_of(raised(OSError(28, "No space left on device", "/store/a")))
    assert (full.kind, full.cause) == (
        Kind.BREAKDOWN,
        "no space left on the disk: /store/a; nothing half-written is kept",
    )
    away = failure_of(raised(StorageUnavailableError("storage s3://b has not answered for 120 s")))
    assert (away.kind, away.cause) == (Kind.BREAKDOWN, "storage s3://b has not answered for 120 s")
    assert failure_of(raised(FileNotFoundError(2, "No such file"))).kind is Kind.RAISED
    assert Failures(Recovery()).judge("k", full, 0) is Verdict.STOP


def test_each_trial_is_tried_again_as_often_as_set() -> None:
    failures = Failures(Recovery(retries=1))
    verdicts = [failures.judge(key, RAISED, 0) for key in ("a", "a", "b", "b")]
    assert verdicts == [Verdict.AGAIN, Verdict.GIVE_UP] * 2


def test_a_lost_worker_does_not_count_as_an_error_of_the_trial() -> None:
    failures = Failures(Recovery(retries=0))
    assert [failures.judge("k", LOST, 0) for _ in range(MOST_LOSSES)] == [Verdict.AGAIN] * MOST_LOSSES
    assert failures.judge("k", LOST, 0) is Verdict.GIVE_UP


def test_a_full_gpu_is_shared_by_fewer_until_the_trial_has_it_alone() -> None:
    failures = Failures(Recovery(retries=0))
    assert failures.judge("k", FULL, 0.25) is Verdict.WITH_MORE_OF_THE_GPU
    assert failures.judge("k", FULL, 0.5) is Verdict.WITH_MORE_OF_THE_GPU
    assert failures.judge("k", FULL, 1.0) is Verdict.GIVE_UP


def test_the_sweep_stops_after_the_same_error_in_a_row() -> None:
    failures = Failures(Recovery(stop_after=2))
    other = Failure(Kind.RAISED, "KeyError: 'another'", "")
    assert failures.given_up(RAISED) is None
    assert failures.given_up(other) is None
    failures.succeeded()
    assert failures.given_up(other) is None
    reason = failures.given_up(other)
    assert reason == "2 trials in a row failed with the same error: KeyError: 'another'"


def test_an_error_of_a_real_worker_is_read() -> None:
    """Ray wraps what a worker raises; its last line is the error's own."""
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        with pytest.raises(RayTaskError) as caught:
            ray.get(ray.remote(max_retries=0)(_fail).remote())
    finally:
        ray.shutdown()
    failure = failure_of(caught.value)
    assert failure.cause == "ValueError: bad luck"
    assert "in _fail" in failure.traceback


def _fail() -> None:
    raise ValueError("bad luck")


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
        "HIP out of memory. Tried to allocate 2.00 GiB",
    ],
)
def test_a_full_gpu_is_known_by_all_that_its_libraries_say(text: str) -> None:
    for error in (RuntimeError(text), torch.AcceleratorError(text), torch.OutOfMemoryError(text)):
        assert failure_of(raised(error)).kind is Kind.OUT_OF_MEMORY
    assert failure_of(raised(ValueError(text))).kind is Kind.RAISED, "a text of somebody else's"
    assert failure_of(raised(RuntimeError("CUDA error: an illegal memory access"))).kind is Kind.RAISED
