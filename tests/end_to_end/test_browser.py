"""The page and MLflow's own pages, as a reader sees them in a browser."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.runs_view import view_address
from ablation.report.write import PAGE, write_report
from tests.builders.recorded_sweeps import add_sweep, factors
from tests.end_to_end.browser import LAPTOP, PHONE, Browser, open_browser
from tests.faults.server import free_port

pytestmark = pytest.mark.slow

ARMS = [factors("no_fine_tuning"), *(factors("conservative", layers) for layers in ("fc", "9", "18"))]
PATIENCE = 90
"""Seconds until a server must answer, or a page must show something, on a busy machine."""


@pytest.fixture(scope="module")
def output(blank_record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a finished sweep and its report."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copy(blank_record, folder / "mlflow.db")
    ledger = Ledger(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
    write_report(ledger, add_sweep(ledger, ARMS), folder / "sweep")
    return folder


@pytest.fixture(scope="module")
def plan(output: Path) -> PlanRecord:
    return read_plan(Ledger(f"sqlite:///{output / 'mlflow.db'}", output / "artifacts"), "sweep")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_the_page_needs_no_network_fits_the_screen_and_can_be_read_by_all(
    browser: Browser, output: Path, width: int
) -> None:
    _ = browser.errors, browser.requests
    browser.open((output / "sweep" / "report" / PAGE).as_uri(), width)
    assert browser.ask("document.querySelector('h2').innerText") == "Answer"
    assert browser.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.errors == []
    assert {address.split(":")[0] for address in browser.requests} <= {"file", "data"}
    assert browser.violations() == []


@pytest.fixture(scope="module")
def mlflow(output: Path) -> Iterator[str]:
    """Address of MLflow's pages on this record."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--backend-store-uri", f"sqlite:///{output / 'mlflow.db'}"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (
        (output / "server.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, cwd=output, env=environment, stdout=log, stderr=log, start_new_session=True
        ) as server,
    ):
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: answers(address))
            yield address
        finally:
            server.terminate()


def test_mlflow_shows_the_answer_the_report_and_the_trials_by_factor(
    browser: Browser, mlflow: str, plan: PlanRecord
) -> None:
    info = plan.parent.info
    run = f"{mlflow}/#/experiments/{info.experiment_id}/runs/{info.run_id}"
    browser.open(run, LAPTOP)
    wait_for(lambda: "is best on validation" in text_of(browser))
    browser.open(f"{mlflow}/{view_address(info.experiment_id)}", LAPTOP)
    wait_for(lambda: "test/bone/dsc" in text_of(browser) and "learning_rate" in text_of(browser))


def text_of(browser: Browser) -> str:
    return str(browser.ask("document.body.innerText"))


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.5)
