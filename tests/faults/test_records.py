"""The MLflow server goes away in the middle of a sweep: results wait on disk and are delivered later."""

import sys
from collections.abc import Iterator

import pytest

from tests.faults.bench import Bench, compare
from tests.faults.conftest import Undisturbed
from tests.faults.server import Server, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def server(bench: Bench) -> Iterator[Server]:
    """MLflow over the bench's database."""
    database, artifacts = bench.tracking_uri, bench.output / "artifacts"

    def arguments(port: int) -> list[str]:
        places = ["--backend-store-uri", database, "--artifacts-destination", artifacts.as_uri()]
        address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        return [sys.executable, "-m", "mlflow", "server", *places, *address]

    bench.environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    with serving(arguments, bench.folder / "mlflow.log") as mlflow:
        bench.tracking_uri = f"http://127.0.0.1:{mlflow.port}"
        yield mlflow


def test_a_server_that_comes_back_gets_everything(
    bench: Bench, undisturbed: Undisturbed, server: Server
) -> None:
    hold, later = bench.order("hold", "conservative 15", 2), bench.order("hold", "no_fine_tuning", 1)
    command = bench.start()
    bench.wait_for_hold(hold, command)
    server.kill()
    bench.release(hold)
    bench.wait_for_hold(later, command)
    server.start()
    bench.release(later)
    assert command.wait() == 0, command.said
    assert command.last_line == "4 trials: 4 finished (0 reused), 0 failed"
    assert compare(bench, undisturbed.results).passed
    assert bench.left_behind() == []


# `test_a_full_disk_under_the_record_loses_nothing` waits for a record, and delivers later, as well.
@pytest.mark.exhaustive
def test_a_server_that_stays_away_gets_it_from_the_next_command(
    bench: Bench, undisturbed: Undisturbed, server: Server
) -> None:
    bench.environment["FAULTS_DELIVERY"] = "3"
    hold = bench.order("hold", "conservative 15", 2)
    command = bench.start()
    bench.wait_for_hold(hold, command)
    server.kill()
    bench.release(hold)
    assert command.wait() == 1, command.said
    assert "Traceback" not in command.said
    assert "re-run the same command to record it" in command.said
    assert command.last_line == "4 trials: 0 finished (0 reused), 4 failed"
    server.start()
    assert bench.run().last_line == "4 trials: 4 finished (0 reused), 0 failed"
    assert bench.steps("conservative 15") == [1, 2, 3, 4], "nothing was trained again"
    assert compare(bench, undisturbed.results).passed


def test_a_server_that_goes_away_before_the_first_trial_is_one_message(bench: Bench, server: Server) -> None:
    bench.environment["FAULTS_PREFLIGHT"] = "yes"
    hold = bench.order("hold", "preflight")
    command = bench.start()
    bench.wait_for_hold(hold, command)
    server.kill()
    bench.release(hold)
    assert command.wait() == 2, command.said
    assert f"tracking address {bench.tracking_uri} cannot be written" in command.said
    assert "Traceback" not in command.said
