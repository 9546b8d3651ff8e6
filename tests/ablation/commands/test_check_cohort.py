"""A cohort looked at from the command line, before anything is spent."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from ablation.commands.check import app
from tests.builders.parts import SHAPE, YAML, save, write_parts

pytestmark = pytest.mark.slow


def check(folder: Path, *options: str) -> Result:
    space = folder / "space.yaml"
    space.write_text(f"arms:\n  - strategy: open\nt2_train_size: [1]\n{YAML}", encoding="utf-8")
    words = ["--cohort", str(folder / "heads"), "--space", str(space), "--output", str(folder / "runs")]
    return CliRunner().invoke(app, [*words, "--preset", "demo", *options])


def test_who_can_be_used_and_who_not(tmp_path: Path) -> None:
    heads = write_parts(tmp_path / "heads")
    sound = check(tmp_path)
    assert sound.exit_code == 0, sound.output
    assert "4 of 4 subjects can be used; 3 folds" in sound.stdout
    folder = tmp_path / "runs" / "check"
    assert sound.stdout.splitlines()[-1] == str(folder / "index.html")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "All subjects can be used." in page
    for name in ("sub-01", "sub-02", "sub-03", "sub-04"):
        assert f'alt="Slices of {name} with its labels in outline: T1w and T2w' in page
    # Of the others one stays bad, and none is prepared anew.
    write_parts(heads, [5])
    save(heads / "sub-05/anat/sub-05_T2w.nii.gz", np.zeros(SHAPE, np.float32))
    broken = check(tmp_path)
    assert broken.exit_code == 1, broken.output
    assert "preparing" not in broken.stderr
    assert "sub-05: t2w (" in broken.stderr
    assert "to leave out who cannot be used: cohort: {exclude: [sub-05]}" in broken.stdout
    table = pd.read_csv(folder / "subjects.csv").set_index("subject")
    assert table["usable"].to_dict() == {**{f"sub-0{n}": "yes" for n in (1, 2, 3, 4)}, "sub-05": "no"}
    assert "empty: every voxel is 0" in table.loc["sub-05", "findings"]
    assert (table.loc["sub-01", ["T1_lesion_ml", "T2_lesion_ml"]] > 0).all()
    assert {"fold_1_T1", "fold_1_T2"} <= set(table.columns)
    # More than the folds have is asked for.
    many = check(tmp_path, "--set", "cohort.exclude=[sub-05, sub-04, sub-03]")
    assert many.exit_code == 2
    assert "the cohort cannot be used:" in many.stderr
    assert "at least 3 with T2w are needed" in many.stderr


def test_no_cohort_and_a_wrong_setting(tmp_path: Path) -> None:
    nowhere = check(tmp_path)
    assert (nowhere.exit_code, "there is no such cohort" in nowhere.stderr) == (2, True)
    wrong = check(tmp_path, "--labels", str(tmp_path / "none"))
    assert wrong.exit_code == 2
    write_parts(tmp_path / "heads", [1])
    wrong = check(tmp_path, "--labels", str(tmp_path / "none"))
    assert (wrong.exit_code, "is no folder of label maps" in wrong.stderr) == (2, True)
