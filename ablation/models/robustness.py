"""Recorded networks on changed test scans: which networks, which patients, and where the scores are kept."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import pandas as pd

from ablation.models.find import check_asked, unfinished
from ablation.models.network import RecordedNetwork, load_network
from ablation.models.recorded_cohort import find_recorded_cohort
from ablation.names import PRECISION, ROBUSTNESS, ROBUSTNESS_FILE
from ablation.record.external import TESTED
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.record.results import results_frame
from ablation.record.robustness import AS_IT_IS, KEYS, finished_tests, read_robustness, robustness_frame
from ablation.record.selection import in_box
from ablation.record.trials import Record
from ablation.report.tables.robustness import robust_arms
from ablation.report.tables.summary import chosen
from ablation.space.factors import PRETRAINING_SEED
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from ablation.store.volumes import prepare_cohort
from ablation.sweep.progress import Show, clock
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.errors import InputError
from t1t2core.evaluation.robustness import Scale, TestPatient, TestScan, scale
from t1t2core.evaluation.scores import Counts
from t1t2core.settings import TARGET, EvaluationSettings, Precision, PreparationSettings
from t1t2core.training.compute import Compute, device_here, resolve_precision

SEED = 0
"""Of all that is random about the changes: every study is tested on the same ones."""

log = logging.getLogger(__name__)


def measure_robustness(
    ledger: Ledger,
    plan: PlanRecord,
    tissue: str,
    *,
    cohort: str | None,
    output: Path,
    storage: str | None,
    show: Show,
) -> PlanRecord:
    """Test networks of a plan on changed scans of their own test patients, and keep the scores in the record.

    Those are the networks of the arm that validation chose for a class, and of the arms that it is shown
    beside (`robust_arms`), each arm at its chosen learning rate, all folds and seeds. What is in the record
    already is not computed again; a test that was broken off goes on with the next patient.

    Args:
        cohort: as `--cohort` names it; that of the recorded command, unless given.
        output: of the command.
        storage: likewise the recorded one, or that in `output`.
        show: is given the line that tells how far it is.

    Returns:
        The plan, with what is now recorded.

    Raises:
        InputError: there is no such class, nothing is finished, the cohort is not the recorded one, or
            networks are missing.
    """
    check_asked(plan, tissue)
    for warning in unfinished(plan):
        log.warning(warning)
    arms = _arms(plan, tissue)
    found = find_recorded_cohort(ledger, plan, cohort=cohort, output=output, storage=storage)
    records = [record for record in plan.records if record.run_id in arms]
    test = _Test(ledger, found.storage, plan, arms, scale())
    test.run(records, found.subjects, show)
    asked = dict.fromkeys([*plan.tags.get(ROBUSTNESS, "").split(), tissue])
    parent = plan.parent.info.run_id
    ledger.tag(parent, {ROBUSTNESS: " ".join(asked)})
    files = {**plan.files, ROBUSTNESS_FILE: test.content}
    return replace(plan, files=files, parent=ledger.run(parent))


def _arms(plan: PlanRecord, tissue: str) -> dict[str, str]:
    """Return the arm of each run whose network is tested."""
    results = in_box(results_frame(plan.records, plan.design, plan.objectives))
    wanted = robust_arms(results, tissue)
    if not wanted:
        raise InputError(f"no arm of {plan.space} was scored on {plan.sequences.target} scans")
    rows = chosen(results)
    rows = rows[rows["arm"].isin(wanted)].drop_duplicates("mlflow_run_id")
    log.info("on changed scans: %s, %d networks", ", ".join(wanted), len(rows))
    return dict(zip(rows["mlflow_run_id"], rows["arm"], strict=True))


class _Test:
    """A test under way.

    Args:
        arms: of the runs whose networks are tested.
        changes: that are made.
    """

    def __init__(
        self, ledger: Ledger, storage: Storage, plan: PlanRecord, arms: Mapping[str, str], changes: Scale
    ) -> None:
        self._ledger, self._storage, self._plan = ledger, storage, plan
        self._arms, self._changes = arms, changes
        self._encoders = EncoderStore(storage)
        self._networks: dict[str, RecordedNetwork] = {}
        self._kept = read_robustness(plan.files)

    @property
    def content(self) -> bytes:
        """What is to be kept."""
        return self._kept.to_csv(index=False).encode()

    def run(self, records: Sequence[Record], subjects: Mapping[str, Subject], show: Show) -> None:
        """Test what is not tested yet, a patient after the other, and keep it whenever one is done."""
        done = finished_tests(self._kept, self._changes)
        waiting: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            for patient in _tested_patients(record):
                if (record.run_id, patient) not in done:
                    waiting[patient].append(record)
        # Whatever is missing is told before anything is spent.
        self._networks = {
            run_id: load_network(self._ledger, self._encoders, self._ledger.run(run_id))
            for run_id in {record.run_id for of_patient in waiting.values() for record in of_patient}
        }
        work = [
            (subjects[patient], group)
            for patient in sorted(waiting)
            for group in _by_preparation(waiting[patient], self._networks)
        ]
        progress = _Progress(len(work) * len(self._levels()), show)
        for subject, group in work:
            self._keep(robustness_frame(list(self._rows(subject, group, progress))))
        _tell_differences(self._kept, records)

    def _rows(
        self, subject: Subject, records: Sequence[Record], progress: "_Progress"
    ) -> Iterator[dict[str, object]]:
        """Score networks that see a scan alike on a patient's scan, changed in every way."""
        settings = self._networks[records[0].run_id].settings
        patient = self._patient(subject, settings.preparation, settings.evaluation)
        for kind, level in self._levels():
            scan = patient.scan(kind, level)
            unit, values = self._changes.get(kind, ("", ()))
            change = {
                "kind": kind,
                "level": level,
                "value": values[level - 1] if level else None,
                "unit": unit,
            }
            for record in records:
                for tissue, counts in self._count(record, scan).items():
                    yield {
                        **change,
                        **self._about(record),
                        "patient": subject.name,
                        "class": tissue,
                        **counts,
                    }
            progress.step()

    def _levels(self) -> list[tuple[str, int]]:
        levels = [(kind, n) for kind, (_, values) in self._changes.items() for n in range(1, len(values) + 1)]
        return [(AS_IT_IS, 0), *levels]

    def _patient(
        self, subject: Subject, preparation: PreparationSettings, evaluation: EvaluationSettings
    ) -> TestPatient:
        # From storage; made there if need be, as the sweep made them.
        alone = Cohort(name=self._plan.tags.get("cohort", ""), subjects=(subject,))
        prepared = prepare_cohort(alone, preparation, self._storage, lambda *_: None)[subject.name]
        return TestPatient(subject, TARGET, prepared.alignment[TARGET], preparation, evaluation, seed=SEED)

    def _count(self, record: Record, scan: TestScan | None) -> dict[str, dict[str, object]]:
        """Return score and counts of each class; none where a change does not apply."""
        recorded = self._networks[record.run_id]
        if scan is None:
            return {tissue: dict.fromkeys(("dsc", "tp", "fp", "fn")) for tissue in _counts_of(record)}
        counts = scan.count(recorded.network, recorded.training, _compute(record, recorded))
        return {
            tissue: {"dsc": one.dsc, "tp": one.tp, "fp": one.fp, "fn": one.fn}
            for tissue, one in counts.items()
        }

    def _about(self, record: Record) -> dict[str, object]:
        factors = {name: record.params.get(name) for name in ("fold", "seed", PRETRAINING_SEED)}
        whole = {name: None if text is None else int(text) for name, text in factors.items()}
        return {"arm": self._arms[record.run_id], **whole, "mlflow_run_id": record.run_id}

    def _keep(self, new: pd.DataFrame) -> None:
        """Add rows to the record, in place of what a test that was broken off left of the same."""
        old = self._kept.merge(new[KEYS].drop_duplicates(), on=KEYS, how="left", indicator=True)
        self._kept = pd.concat([old[old["_merge"] == "left_only"].drop(columns="_merge"), new])
        # An interrupt reaches the main thread only: what another has begun to write it writes to the end.
        with ThreadPoolExecutor(1) as writer:
            kept = {ROBUSTNESS_FILE: self.content}
            writer.submit(self._ledger.keep_files, self._plan.parent.info.run_id, kept).result()


class _Progress:
    """How far a test is, in one line."""

    def __init__(self, total: int, show: Show) -> None:
        self._total, self._show, self._done = total, show, 0
        self._started = time.monotonic()

    def step(self) -> None:
        """Show that one more scan is done."""
        self._done += 1
        passed = time.monotonic() - self._started
        left = clock(passed * (self._total / self._done - 1))
        self._show(f"robustness: {self._done} of {self._total} changed scans labelled, about {left} left")


def _by_preparation(records: Sequence[Record], networks: Mapping[str, RecordedNetwork]) -> list[list[Record]]:
    """Return the records in groups whose networks see a scan alike."""
    groups: dict[tuple[PreparationSettings, EvaluationSettings], list[Record]] = defaultdict(list)
    for record in records:
        settings = networks[record.run_id].settings
        groups[settings.preparation, settings.evaluation].append(record)
    return list(groups.values())


def _tested_patients(record: Record) -> list[str]:
    return [str(score["patient"]) for score in _test_scores(record)]


def _test_scores(record: Record) -> list[Mapping[str, object]]:
    """Return the scores of the box of each test patient."""
    return [
        score
        for score in record.scores
        if all(score[name] == value for name, value in TESTED.items()) and score.get("region", "box") == "box"
    ]


def _counts_of(record: Record) -> Mapping[str, Counts]:
    counts: Mapping[str, Mapping[str, int]] = _test_scores(record)[0]["counts"]  # type: ignore[assignment]
    return {tissue: Counts(**one) for tissue, one in counts.items()}


def _compute(record: Record, recorded: RecordedNetwork) -> Compute:
    """Return the arithmetic of the trial; where the record does not tell it, what it would be here."""
    device, settings = device_here(), recorded.settings
    patches = [recorded.training.patch, settings.pretraining.patch]
    here = resolve_precision(recorded.training.precision, device, patches)
    precision = cast(Precision, record.tags.get(PRECISION, here))
    compute = Compute(precision=precision, device=device.kind)
    compute.settle()
    return compute


def _tell_differences(kept: pd.DataFrame, records: Sequence[Record]) -> None:
    """Warn where scans as they are score otherwise than the record says."""
    recorded = {
        (record.run_id, str(score["patient"]), tissue): Counts(**counts).dsc
        for record in records
        for score in _test_scores(record)
        for tissue, counts in score["counts"].items()  # type: ignore[attr-defined]
    }
    rows = kept[kept["kind"] == AS_IT_IS]
    found = zip(rows["mlflow_run_id"], rows["patient"], rows["class"], rows["dsc"], strict=True)
    apart = [abs(dsc - recorded.get((run, patient, tissue), dsc)) for run, patient, tissue, dsc in found]
    other = [difference for difference in apart if difference > 0]
    if other:
        log.warning(
            "%d of %d scores of scans as they are differ from the recorded ones, by at most %.4f: the trials "
            "ran on another kind of processor, or with another version",
            *(len(other), len(apart), max(other)),
        )
