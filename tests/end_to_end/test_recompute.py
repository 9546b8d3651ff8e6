"""Numbers of a finished sweep are those that other code finds from its weights and tables."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.end_to_end.smoke import SMOKE, succeed
from tests.recompute import checks

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


@pytest.fixture(scope="module")
def swept(tiny_heads: Path, prepared_heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of five arms on three folds, each with its pretrained network; two test patients."""
    folder = tmp_path_factory.mktemp("recompute")
    shutil.copytree(prepared_heads, folder / "runs" / "store")
    space = folder / "space.yaml"
    _, after = SMOKE.read_text(encoding="utf-8").split("t2_train_size: [2]")
    arms = "  - {strategy: conservative, tuned_layers: [9]}\n  - strategy: hybrid\n"
    arms += "    fusion: [concatenation, multiplication, average, maximum]\n"
    after = after.replace("folds: [1]", "folds: [1, 2, 3]").replace(
        "cohort: {", f"cohort: {{split_file: {write_split(folder, tiny_heads)}, "
    )
    space.write_text(f"name: space\narms:\n{arms}t2_train_size: [1]{after}")
    succeed(folder / "runs", space)
    return folder / "runs"


def write_split(folder: Path, heads: Path) -> Path:
    """Of the four heads with T2w two are tested; the others of the six train and validate T1."""
    names = sorted(path.name for path in heads.glob("sub-*"))
    with_t2w = [name for name in names if list(heads.glob(f"{name}/anat/*_T2w.nii.gz"))]
    first, second, *tested = with_t2w
    t1_only = [name for name in names if name not in with_t2w]
    rows = ["subject,fold,sequence,role"]
    for fold in (1, 2, 3):
        roles = [("T1", "training", name) for name in t1_only] + [("T1", "validation", first)]
        roles += [("T2", "training", first), ("T2", "validation", second)]
        roles += [(sequence, "test", name) for sequence in ("T1", "T2") for name in tested]
        rows += [f"{name},{fold},{sequence},{role}" for sequence, role, name in roles]
    path = folder / "split.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


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
