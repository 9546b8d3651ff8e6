"""`python -m tests.benchmarks.report_time --output runs --space FILE`: how long a large sweep's report takes.

Copies a recorded sweep, with all its files, into a new record as many times as it takes to get the number of
trials, each copy under a seed of its own, then runs `python -m ablation.report` on it.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from ablation.names import PLAN_FILE
from ablation.record.ledger import Ledger, open_record
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.trials import Record
from ablation.space.space import read_space


def enlarge(source: Ledger, sweep: PlanRecord, trials: int, target: Ledger) -> int:
    """Copies the sweep into `target` under the seeds 0, 1, ...; gives the number of trials."""
    copies = -(-trials // len(sweep.records))
    experiment = target.experiment(sweep.space)
    parent = target.open_plan(experiment, "enlarged", sweep.space, sweep.tags)
    plans = []
    for seed in range(copies):
        plan = sweep.plan.assign(seed=seed)
        plan["trial_key"] = plan["trial_key"] + f"-{seed}"
        plans.append(plan)
        for record in sweep.records:
            files = Path(source.client.download_artifacts(record.run_id, ""))
            _copy(record, seed, experiment, parent, files, target)
    text = io.StringIO()
    pd.concat(plans).to_csv(text, index=False)
    target.keep_files(parent, {**sweep.files, PLAN_FILE: text.getvalue().encode()})
    target.close_plan(parent, "FINISHED", "")
    return copies * len(sweep.records)


def _copy(record: Record, seed: int, experiment: str, parent: str, files: Path, target: Ledger) -> None:
    tags = {name: record.tags[name] for name in ("encoder_digest", "cohort_fingerprint", "stop_reason")}
    key = f"{record.tags['trial_key']}-{seed}"
    params = {**record.params, "seed": seed}
    run = target.start_trial(
        experiment, parent, f"{record.name} {seed}", params=params, tags={**tags, "trial_key": key}
    )
    target.finish_trial(run, record.metrics, {}, files, at=time.time())


def main() -> None:
    """Prints the seconds."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.report_time", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs"))
    parser.add_argument("--space", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="folder for the large record, to be used again")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="report-time-"))
    try:
        if not (folder / "mlflow.db").exists():
            folder.mkdir(parents=True, exist_ok=True)
            source = open_record(given.output, None)
            target = Ledger(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
            sweep = read_plan(source, read_space(given.space).name)
            print(f"{enlarge(source, sweep, given.trials, target)} trials", flush=True)
        started = time.perf_counter()
        command = [sys.executable, "-m", "ablation.report", "--space", given.space, "--output", folder]
        subprocess.run([*map(str, command)], check=True)
        print(f"{time.perf_counter() - started:.1f} s")
    finally:
        if given.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
