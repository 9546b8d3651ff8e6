"""The commands that run the smoke space, and what comes of them."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.entities import Run
from typer.testing import CliRunner

from ablation.commands.run import app
from tests.faults.commands import Command

SMOKE = Path(__file__).parents[2] / "search_spaces" / "smoke.yaml"


@dataclass(frozen=True)
class Output:
    """What a command printed and the folder that it wrote."""

    status: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def last_line(self) -> str:
        return self.stdout.splitlines()[-1]

    def table(self, name: str, space: str = "smoke") -> pd.DataFrame:
        return pd.read_csv(self.folder / space / name)

    @property
    def runs(self) -> dict[str, list[Run]]:
        """All runs that the record has, by experiment."""
        client = mlflow.MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")
        experiments = {e.name: e.experiment_id for e in client.search_experiments() if e.name != "Default"}
        return {name: list(client.search_runs([number])) for name, number in experiments.items()}


def arguments(folder: Path, space: Path) -> list[str]:
    return ["--space", str(space), "--output", str(folder)]


def run_program(folder: Path) -> Output:
    """As a user gives it."""
    ended = subprocess.run(
        [sys.executable, "-m", "ablation.run", *arguments(folder, SMOKE)],
        capture_output=True,
        encoding="utf-8",
        timeout=500,
    )
    return succeeded(Output(ended.returncode, ended.stdout, ended.stderr, folder))


def succeed(folder: Path, space: Path = SMOKE) -> Output:
    command = Command(arguments(folder, space), folder.parent)
    return succeeded(Output(command.wait(), command.printed, command.said, folder))


def succeeded(output: Output) -> Output:
    assert output.status == 0, output.stderr
    assert "Traceback" not in output.stderr
    return output


def plan(folder: Path, *options: str) -> Output:
    """What `--plan` prints; given in this process, since it starts none of its own."""
    given = CliRunner().invoke(app, ["--space", str(SMOKE), "--output", str(folder), "--plan", *options])
    assert given.exit_code == 0, given.output
    return Output(given.exit_code, given.stdout, given.stderr, folder)


def trials_of(runs: list[Run]) -> dict[str, Run]:
    """The nested runs by name."""
    found = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def parent_of(runs: list[Run]) -> Run:
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return parent


def files_of(run: Run) -> dict[str, Path]:
    """The files of a run, by their path below it."""
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
