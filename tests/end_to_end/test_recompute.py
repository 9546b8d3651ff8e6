"""Numbers of a finished sweep are those that other code finds from its weights and tables."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.end_to_end.smoke import SMOKE, succeed
from tests.recompute import checks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def swept(prepared_heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of five arms on three folds, each with its T1 network; two test patients."""
    folder = tmp_path_factory.mktemp("recompute")
    shutil.copytree(prepared_heads, folder / "runs" / "store")
    space = folder / "space.yaml"
    text = SMOKE.read_text(encoding="utf-8").split("arms:")[1].split("t2_train_size")[1]
    arms = "  - {strategy: conservative, tuned_layers: [9]}\n  - strategy: hybrid\n"
    arms += "    fusion: [concatenation, multiplication, average, maximum]\n"
    space.write_text(
        f"name: space\narms:\n{arms}t2_train_size{text}".replace("folds: [1]", "folds: [1, 2, 3]")
    )
    succeed(folder / "runs", space)
    return folder / "runs"


def test_each_number_is_found_again(swept: Path) -> None:
    found = list(checks(swept, "space"))
    assert [check.what for check in found if not check.agrees] == []
    assert {"Dice", "bone", "C2"} <= {check.what.split()[0].rstrip(",:") for check in found}


def test_a_wrong_number_is_seen(swept: Path, tmp_path: Path) -> None:
    shutil.copytree(swept, tmp_path / "runs")
    path = tmp_path / "runs" / "space" / "patients.csv"
    patients = pd.read_csv(path)
    patients["dsc"] += 0.001 * (patients["fold"] == 1)
    patients.to_csv(path, index=False)
    assert any(not check.agrees for check in checks(tmp_path / "runs", "space"))
