"""A researcher asks what worse scans do to the networks of a sweep, and finds it in every later report."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from ablation.commands.report import app
from ablation.models.robustness import measure_robustness
from ablation.names import ROBUSTNESS, ROBUSTNESS_FILE
from ablation.record.ledger import Ledger
from ablation.record.plan_record import read_plan
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from ablation.store.volumes import prepare_cohort
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.experiment import PatientScore
from t1t2core.settings import CohortSettings, PreparationSettings
from t1t2core.strategies import Factors, StrategyName, TunedLayers
from t1t2core.trial import make_experiment
from tests.builders.experiments import run
from tests.builders.heads import FLOAT32, make_training
from tests.builders.records import SMALL, publish_encoder, record_trial
from tests.conftest import Record

PATCH = (16, 24, 16)
TRAINING = make_training(patch=PATCH, stride=PATCH)
SETTINGS = replace(
    SMALL,
    preparation=PreparationSettings(grid=PATCH, voxel_mm=(11.0, 10.0, 11.0)),
    training=TRAINING,
    pretraining=TRAINING,
)
"""The preparation is that of the smoke space: its volumes are there."""
ARMS: dict[str, tuple[StrategyName, TunedLayers | None]] = {
    "no_fine_tuning": ("no_fine_tuning", None),
    "open": ("open", None),
    "conservative 9": ("conservative", 9),
}
CLASSES = ("bone", "soft_tissue", "air", "internal_air")


@dataclass(frozen=True)
class Bench:
    """An output folder with a sweep of three arms, whose trials were trained and scored on two patients."""

    folder: Path
    record: Record

    @property
    def output(self) -> Path:
        return self.folder / "runs"

    def report(self, *options: str | Path, output: Path | None = None) -> Result:
        space = self.folder / "small.yaml"
        space.write_text("name: small\narms:\n  - strategy: open\n", encoding="utf-8")
        words = ["--space", space, "--output", output or self.output, "--tracking-uri", self.record.uri]
        return CliRunner().invoke(app, [str(word) for word in (*words, *options)])

    def kept(self) -> pd.DataFrame:
        return pd.read_csv(self.output / "small" / ROBUSTNESS_FILE)


@pytest.fixture
def bench(
    tmp_path: Path, add_record: Callable[[Path], Record], tiny_heads: Path, prepared_heads: Path
) -> Bench:
    bench = Bench(tmp_path, add_record(tmp_path / "runs"))
    shutil.copytree(prepared_heads, bench.output / "store")
    shutil.copytree(tiny_heads, tmp_path / "heads")
    fill(bench.record.open(), Storage(str(bench.output / "store")), tmp_path / "heads")
    return bench


def fill(ledger: Ledger, storage: Storage, heads: Path) -> None:
    """Train a trial of each arm and record it as a sweep does."""
    cohort = read_cohort(heads, CohortSettings())
    prepared = prepare_cohort(cohort, SETTINGS.preparation, storage, lambda *_: None)
    first, second, third, fourth = (subject.name for subject in cohort.with_t2w)
    split = FoldSplit(1, t1=Roles((), (), ()), t2=Roles((first,), (second,), (third, fourth)))
    encoders = EncoderStore(storage)
    digest = publish_encoder(encoders, settings=SETTINGS)
    pretrained = encoders.fetch(digest, SETTINGS.network).weights
    for strategy, layers in ARMS.values():
        size = None if strategy == "no_fine_tuning" else 1
        factors = Factors(
            strategy=strategy, tuned_layers=layers, t2_train_size=size, learning_rate=1e-2, seed=0
        )
        experiment = make_experiment(
            factors, split, prepared, SETTINGS, pretrained=pretrained, compute=FLOAT32
        )
        outcome = run(experiment)
        record_trial(
            ledger,
            experiment.network,
            space="small",
            strategy=strategy,
            tuned_layers=layers,
            encoder=digest,
            settings=SETTINGS,
            fingerprint=cohort.fingerprint,
            command=f"python -m ablation.run --space small.yaml --cohort {heads}",
            scores=[scored(score, strategy == "conservative") for score in outcome.scores],
        )


def scored(score: PatientScore, is_best: bool) -> dict[str, Any]:
    """As `scores.json` has it, with such a bone on validation that everybody knows which arm is best."""
    content = asdict(score)
    if score.split == "validation":
        content["counts"]["bone"] = {"tp": 90 if is_best else 10, "fp": 10, "fn": 10}
    return content


@pytest.mark.exhaustive  # the changes, the scores and the table have tests of their own
def test_changed_scans_are_scored_once_and_every_later_report_has_them(bench: Bench) -> None:
    asked = bench.report("--robustness", "bone")
    assert asked.exit_code == 0, asked.output
    assert "changed scans labelled" in asked.stderr
    assert "differ from the recorded ones" not in asked.stderr
    kept = bench.kept()
    assert list(dict.fromkeys(kept["arm"])) == list(ARMS)
    levels = kept.groupby("kind")["level"].unique().map(sorted)
    assert levels.pop("as_it_is") == [0]
    assert len(levels) == 9
    assert all(found == [1, 2, 3] for found in levels)
    as_it_is = kept[kept["kind"] == "as_it_is"]
    assert len(as_it_is) == len(ARMS) * 2 * len(CLASSES)
    recorded = {
        (record.run_id, score["patient"], name, *counts.values())
        for record in read_plan(bench.record.open(), "small").records
        for score in record.scores
        if (score["split"], score["weights"], score["region"]) == ("test", "best", "box")
        for name, counts in score["counts"].items()
    }
    found = as_it_is[["mlflow_run_id", "patient", "class", "tp", "fp", "fn"]]
    assert {tuple(row) for row in found.itertuples(index=False)} == recorded
    # Elsewhere, with neither scans nor networks.
    for folder in (bench.folder / "heads", bench.output / "store"):
        shutil.rmtree(folder)
    later = bench.report(output=bench.folder / "elsewhere")
    assert later.exit_code == 0, later.output
    reports = [folder / "small" / "report" for folder in (bench.output, bench.folder / "elsewhere")]
    for name in ("tables/robustness.csv", "figures/robustness_bone.svg"):
        assert (reports[0] / name).read_bytes() == (reports[1] / name).read_bytes()
    page = (reports[1] / "index.html").read_text(encoding="utf-8")
    assert "Robustness at test: bone on changed scans" in page
    assert "Test Dice on changed scans, and how much it fell" in page


@pytest.mark.exhaustive  # minutes of labelling
def test_a_test_that_is_broken_off_goes_on_with_the_next_patient(bench: Bench) -> None:
    ledger = bench.record.open()
    shown: list[str] = []

    def interrupt(line: str) -> None:
        shown.append(line)
        if len(shown) == 40:  # of 28 scans a patient
            raise KeyboardInterrupt

    def measure(show: Callable[[str], None]) -> None:
        plan = read_plan(ledger, "small")
        measure_robustness(ledger, plan, "bone", cohort=None, output=bench.output, storage=None, show=show)

    with pytest.raises(KeyboardInterrupt):
        measure(interrupt)
    parent = read_plan(ledger, "small").parent
    content = ledger.read_file(parent.info.run_id, ROBUSTNESS_FILE)
    assert content is not None
    assert ROBUSTNESS not in parent.data.tags
    patients = {line.split(",")[8] for line in content.decode().splitlines()[1:]}
    assert len(patients) == 1
    again: list[str] = []
    measure(again.append)
    assert len(again) == 28
    plan = read_plan(ledger, "small")
    assert plan.tags[ROBUSTNESS] == "bone"
    assert plan.files[ROBUSTNESS_FILE].startswith(content)
    measure(again.append)
    assert len(again) == 28


def test_a_class_that_there_is_not(bench: Bench) -> None:
    refused(bench.report("--robustness", "bones"), "'bones' is no class", "did you mean 'bone'?")


def test_another_cohort_and_scans_that_have_changed(bench: Bench) -> None:
    subject = bench.folder / "heads" / "sub-06"
    assert subject.exists()
    shutil.rmtree(subject)
    for options in ((), ("--cohort", bench.folder / "heads")):
        result = bench.report("--robustness", "bone", *options)
        refused(result, "not the cohort that small was recorded with", "say with --cohort")


@pytest.mark.exhaustive  # test_another_cohort_and_scans_that_have_changed is much like it
def test_scans_that_have_moved(bench: Bench) -> None:
    moved = (bench.folder / "heads").rename(bench.folder / "archive")
    refused(bench.report("--robustness", "bone"), "there is no such cohort", "say with --cohort")
    found = bench.report("--robustness", "bone", "--cohort", moved)
    assert found.exit_code == 0, found.output


def test_a_space_without_trials(bench: Bench) -> None:
    ledger = bench.record.open()
    for trial in list(ledger.trials("attributes.status = 'FINISHED'")):
        ledger.remove(trial.info.run_id)
    refused(bench.report("--robustness", "bone"), "no trial of small is finished")


def test_a_cohort_that_nothing_is_tested_on(bench: Bench) -> None:
    refused(bench.report("--cohort", bench.folder / "heads"), "are for --robustness, --external and --export")


def refused(result: Result, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    assert all(part in result.stderr for part in parts), result.stderr
    assert "Traceback" not in result.stderr
