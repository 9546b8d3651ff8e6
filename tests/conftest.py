"""What tests share: which of them run, a record that is opened once, and a tiny cohort that is made once."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ablation import compat
from ablation.record.ledger import Ledger
from t1t2core.cohort.phantom import write_phantom
from tests.builders.shared import made_once

compat.set_up()  # as a command does; MLflow is asked for its variables when it is used
# Ray gives its workers the least priority: beside tests that compute they would hardly get a processor.
os.environ.update(RAY_worker_niceness="0")
# Processes of MLflow's servers that wait for work which nobody here gives them: each takes seconds to import.
os.environ.update(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
# Tests run side by side, on networks so small that threads would spend their time waiting for each other.
torch.set_num_threads(1)

# A shell that starts the tests in the background has interrupts ignored: the commands under test would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SMOKE = Path(__file__).parents[1] / "search_spaces" / "smoke.yaml"
PHANTOM_HEADS, PHANTOM_WITH_T2W, PHANTOM_VOXEL_MM = 6, 4, 4.0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave exhaustive tests out unless `CI_ALL=1` or `-m exhaustive` asks for them; begin with slow files.

    What takes long and comes last would run on one core while the others have nothing to do.
    """
    if os.environ.get("CI_ALL") != "1" and "exhaustive" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@dataclass(frozen=True)
class Record:
    """A new MLflow database and the files of its runs."""

    uri: str
    artifacts: Path

    def open(self) -> Ledger:
        """As another command would."""
        return Ledger(self.uri, self.artifacts)


@pytest.fixture(autouse=True)
def _no_addresses_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As trials have."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def blank_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; making its tables takes seconds, copying it does not."""
    database = tmp_path_factory.mktemp("record") / "mlflow.db"
    Ledger(f"sqlite:///{database}", database.parent / "artifacts")
    return database


@pytest.fixture
def add_record(blank_record: Path) -> Callable[[Path], Record]:
    """Puts an empty record into an output folder, where commands look for it."""

    def add(output: Path) -> Record:
        output.mkdir(parents=True, exist_ok=True)
        shutil.copy(blank_record, output / "mlflow.db")
        return Record(f"sqlite:///{output / 'mlflow.db'}", output / "artifacts")

    return add


@pytest.fixture
def ledger(tmp_path: Path, add_record: Callable[[Path], Record]) -> Ledger:
    """An empty record."""
    return add_record(tmp_path).open()


@pytest.fixture(scope="session")
def tiny_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BIDS folder of six digital heads, four with T2w. Shared: copy it before you change it."""
    folder = tmp_path_factory.mktemp("cohort") / "heads"
    write_phantom(folder, subjects=PHANTOM_HEADS, with_t2w=PHANTOM_WITH_T2W, voxel_mm=PHANTOM_VOXEL_MM)
    return folder


@pytest.fixture(scope="session")
def prepared_heads(tiny_heads: Path, blank_record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Storage with the tiny heads as the smoke space has them prepared. Shared: copy it before you use it.

    Registration takes most of a minute.
    """

    def prepare(folder: Path) -> None:
        # Ray takes a second to import, which most tests need not wait for.
        from ablation.store.volumes import prepare_cohort
        from ablation.sweep.workspace import Request, open_workspace

        folder.mkdir()
        shutil.copy(blank_record, folder / "mlflow.db")
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        request = Request(space=SMOKE, cohort=str(tiny_heads), preset="demo", output=folder, tracking_uri=uri)
        opened = open_workspace(request)
        prepare_cohort(opened.cohort, opened.settings.preparation, opened.storage, lambda *_: None)

    return made_once(tmp_path_factory, "prepared-heads", prepare) / "store"
