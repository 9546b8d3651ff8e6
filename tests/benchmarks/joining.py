"""`python -m tests.benchmarks.joining --trials 500 --drivers 1 2 5 10 20`: many drivers on one sweep.

The trials compute nothing; all else is the product's own: each driver is a process that asks its feed what
is next, claims it in the record, leaves an outcome in storage and delivers it. The record is behind MLflow's
server, on SQLite and on PostgreSQL. Drivers, server and database are all on this machine.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psutil

from ablation import compat
from ablation.plan.plan import Trial
from ablation.plan.resources import Room, TrialResources
from ablation.record.ledger import Ledger
from ablation.record.pretraining import PretrainingRecord
from ablation.search.budget import Spending
from ablation.search.source import Listed
from ablation.space.search_settings import Budget
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from ablation.sweep.feed import Feed, Searcher
from ablation.sweep.networks import Networks
from tests.benchmarks.scale import leave_outcome, open_recorder, plan_of
from tests.faults.postgres import missing, postgres
from tests.faults.server import serving

PROCESSES = multiprocessing.get_context("forkserver")
LOG = "mlflow.log"
RECORDS = ("sqlite", "postgresql")
IDLE_SECONDS = 0.05
"""Before a feed that has nothing just now is asked again."""


@dataclass(frozen=True)
class Work:
    """What one driver did.

    Args:
        computed: keys of the trials that it ran.
        seconds: from the first claim to the end of the sweep.
        processor: seconds of its processor time in that.
    """

    computed: list[str]
    seconds: float
    processor: float


def work(address: str, folder: Path, trials: int, start: Barrier, done: "Queue[Work]") -> None:
    """Run trials until nothing is left to claim, as a driver with one slot does."""
    ledger, storage = Ledger(address, folder / "artifacts"), Storage(str(folder / "store"))
    plan = plan_of(trials)
    recorder = open_recorder(ledger, storage, plan)
    feed = make_feed(plan, recorder, ledger, storage)
    computed = []
    start.wait()
    began, before = time.perf_counter(), time.process_time()
    with recorder.beating():
        while (given := feed.suggest("")) != Searcher.FINISHED:
            if given is None:
                time.sleep(IDLE_SECONDS)
                continue
            assert isinstance(given, dict)
            trial = feed.item(given["key"])
            assert isinstance(trial, Trial)
            computed.append(trial.key)
            leave_outcome(storage, trial.key)
            feed.deliver(trial)
            feed.ended(trial.key)
    done.put(Work(computed, time.perf_counter() - began, time.process_time() - before))
    recorder.close("FINISHED", "", patient=True)


def make_feed(plan: list[Trial], recorder: Any, ledger: Ledger, storage: Storage) -> Feed:
    """As `ablation.sweep.sweep` makes it; no pretrained network is trained."""
    resources = TrialResources(cpus=1.0, gpus=0.0)
    networks = Networks(EncoderStore(storage), PretrainingRecord(ledger, {}, 0.0))
    room = Room(trial=resources, network=resources, slots=1)
    return Feed(Listed(plan), Spending(Budget()), recorder, networks, room, lambda *_: None)


@contextmanager
def server_on(kind: str, folder: Path) -> Iterator[tuple[str, int]]:
    """MLflow's server; gives its address and its process."""
    with database_of(kind, folder) as database:

        def arguments(port: int) -> list[str]:
            places = ["--backend-store-uri", database, "--no-serve-artifacts"]
            places += ["--default-artifact-root", (folder / "artifacts").as_uri()]
            address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
            return [sys.executable, "-m", "mlflow", "server", *places, *address]

        with serving(arguments, folder / LOG) as server:
            address = f"http://127.0.0.1:{server.port}"
            Ledger(address, folder / "artifacts").experiment("warm-up")
            yield address, server.pid


@contextmanager
def database_of(kind: str, folder: Path) -> Iterator[str]:
    """A database of MLflow's, its tables made."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'mlflow.db'}"
    else:
        with postgres() as address:
            yield address


def measure(kind: str, drivers: int, trials: int) -> None:
    """Run one sweep and print its line of the table."""
    with tempfile.TemporaryDirectory(prefix="joining-") as name:
        folder = Path(name)
        with server_on(kind, folder) as (address, server):
            before = processor_seconds(server)
            start, done = PROCESSES.Barrier(drivers), PROCESSES.Queue()
            given = (address, folder, trials, start, done)
            processes = [PROCESSES.Process(target=work, args=given) for _ in range(drivers)]
            for process in processes:
                process.start()
            works = [done.get() for _ in processes]
            for process in processes:
                process.join()
            by_server, asked = processor_seconds(server) - before, requests(folder)
            ledger = Ledger(address, folder / "artifacts")
            recorded = Counter(
                run.data.tags["trial_key"] for run in ledger.trials("attributes.status = 'FINISHED'")
            )
    computed = Counter(key for each in works for key in each.computed)
    seconds = max(each.seconds for each in works)
    figures = {
        "record": kind,
        "drivers": drivers,
        "trials": trials,
        "ms a trial": round(1000 * seconds / trials, 1),
        "requests": round(asked / trials, 1),
        "ms of the server's processor": round(1000 * by_server / trials, 1),
        "ms of the drivers'": round(1000 * sum(each.processor for each in works) / trials, 1),
        "computed twice": computed.total() - len(computed),
        "recorded twice": recorded.total() - len(recorded),
        "lost": trials - len(recorded),
    }
    print(json.dumps(figures), flush=True)


def processor_seconds(process: int) -> float:
    """Processor time of a process and of those under it."""
    family = psutil.Process(process)
    times = [one.cpu_times() for one in (family, *family.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def requests(folder: Path) -> int:
    """How many the server has answered, by what it has said."""
    return (folder / LOG).read_text(encoding="utf-8").count("/api/2.0/mlflow/")


def main() -> None:
    """Print a line a sweep."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.joining", description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--drivers", type=int, nargs="+", default=[1, 2, 5, 10, 20])
    parser.add_argument("--records", nargs="+", choices=RECORDS, default=RECORDS)
    given = parser.parse_args()
    if "postgresql" in given.records and missing():
        parser.error(missing())
    compat.set_up()
    # Processes of MLflow's that wait for work which nobody here gives them.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    PROCESSES.set_forkserver_preload(["tests.benchmarks.scale", "ablation.sweep.feed", "mlflow"])
    for kind in given.records:
        for drivers in given.drivers:
            measure(kind, drivers, given.trials)


if __name__ == "__main__":
    main()
