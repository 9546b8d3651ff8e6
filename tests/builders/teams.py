"""Two real processes that are a team: started once, then given one task after the other."""

import pickle
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

SIZE = 2
SECONDS = 60.0
"""Within which a task must end, however busy the machine."""


class Pair:
    """Two processes joined by gloo."""

    def __init__(self, members: list[ProcessPoolExecutor]) -> None:
        self._members = members

    def run(self, task: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What the task, a function of a module, gives in each process."""
        futures = [member.submit(_work, task, *arguments) for member in self._members]
        # What one raises is told at once, though the other waits for it.
        for future in as_completed(futures, SECONDS):
            future.result()
        return [pickle.loads(future.result()) for future in futures]


@contextmanager
def start_pair() -> Iterator[Pair]:
    """The two, until the end of the context."""
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        members = [
            ProcessPoolExecutor(1, get_context("spawn"), initializer=_join, initargs=(meeting, rank))
            for rank in range(SIZE)
        ]
        try:
            yield Pair(members)
        finally:
            for member in members:
                member.shutdown(wait=False, cancel_futures=True)


def _work(task: Callable[..., Any], *arguments: Any) -> bytes:
    """As bytes: tensors would be left behind in memory shared with a process that soon ends."""
    return pickle.dumps(task(*arguments))


def _join(meeting: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=SIZE,
        timeout=timedelta(seconds=SECONDS),
    )
