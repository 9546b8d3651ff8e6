"""PostgreSQL as the record: reached by its own address, and behind MLflow's server with several drivers."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablation.record.ledger import Ledger
from tests.faults.bench import TRIALS, Bench, compare
from tests.faults.conftest import Undisturbed
from tests.faults.postgres import missing, postgres
from tests.faults.server import serving

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture
def database() -> Iterator[str]:
    with postgres() as address:
        yield address


def test_a_trial_is_recorded_and_read_back(database: str, tmp_path: Path) -> None:
    """Without a server in between; its files are in the output folder."""
    ledger = Ledger(database, tmp_path / "artifacts")
    experiment = ledger.experiment("faults")
    plan = ledger.open_plan(experiment, "plan", "faults", {})
    run = ledger.start_trial(experiment, plan, "fc", params={"fold": 1}, tags={"trial_key": "a key"})
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "scores.json").write_text(json.dumps([{"patient": "P01"}]), encoding="utf-8")
    ledger.finish_trial(run, {"test/bone/dsc": 0.5}, {}, tmp_path / "files", at=time.time())

    again = Ledger(database, tmp_path / "artifacts")
    (record,) = again.records(again.finished().values())
    assert (record.run_id, record.tags["trial_key"]) == (run, "a key")
    assert (record.params, record.metrics) == ({"fold": "1"}, {"test/bone/dsc": 0.5})
    assert record.scores == [{"patient": "P01"}]
    assert (tmp_path / "artifacts" / "faults" / run / "artifacts" / "scores.json").exists()


@pytest.mark.exhaustive  # `test_two_drivers_share_the_trials` of test_drivers.py does the same in SQLite
def test_two_drivers_that_join_share_the_trials(
    database: str, bench: Bench, undisturbed: Undisturbed
) -> None:
    def arguments(port: int) -> list[str]:
        places = ["--backend-store-uri", database]
        places += ["--artifacts-destination", (bench.output / "artifacts").as_uri()]
        address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        return [sys.executable, "-m", "mlflow", "server", *places, *address]

    with serving(arguments, bench.folder / "mlflow.log") as mlflow:
        bench.tracking_uri = f"http://127.0.0.1:{mlflow.port}"
        drivers = [bench.start("--join"), bench.start("--join")]
        for driver in drivers:
            assert driver.wait() == 0, driver.said
            assert driver.last_line.startswith("4 trials: 4 finished")
        assert compare(bench, undisturbed.results).passed
        assert len(bench.runs()) == len(TRIALS)
        assert len(bench.ledger.plans("faults")) == 1
    assert bench.left_behind() == []
