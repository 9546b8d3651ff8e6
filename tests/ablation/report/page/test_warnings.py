"""What the page says before anything is read: leaks, choices at an edge, machines."""

from ablation.names import GPUS, HARDWARE, SEARCH
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.results import results_frame
from ablation.report.figures.compute_time import draw_compute_time
from ablation.report.figures.pareto import draw_pareto
from ablation.report.page.warnings import edge_warnings, page_warnings
from ablation.report.tables.costs import compute_time
from tests.builders.recorded_sweeps import add_sweep, factors
from tests.builders.tables import sweep, trial

TAG = "t2_validation_in_t1_training"
LEAKED = {f"overlap.fold_1.{TAG}": "2", f"overlap.fold_2.{TAG}": "0"}


def told(record: PlanRecord) -> list[str]:
    return page_warnings(record, results_frame(record.records))


def test_who_validates_and_trained_the_t1_network_is_told_fold_by_fold(ledger: Ledger) -> None:
    arms = [factors(name, fold=fold) for name in ("open", "scratch") for fold in (1, 2)]
    (warning,) = told(add_sweep(ledger, arms, tags=LEAKED))
    assert warning == (
        "T2w validation patients whose T1w scans trained the pretrained network: 2 of 3 in fold 1, 0 of 3 in "
        "fold 2. This favours arms that start from it over scratch when validation chooses."
    )


def test_arms_that_start_alike_are_not_tilted_but_their_validation_is_too_good(ledger: Ledger) -> None:
    (warning,) = told(add_sweep(ledger, [factors("open"), factors("conservative", "9")], tags=LEAKED))
    assert warning.endswith("Validation scores are a little too good for it.")


def test_a_leak_is_told_by_the_sequences_own_names(ledger: Ledger) -> None:
    arms = [factors("open") | {"cohort.source": "PD", "cohort.target": "FLAIR"}]
    (warning,) = told(add_sweep(ledger, arms, tags=LEAKED))
    assert warning.startswith(
        "FLAIR validation patients whose PD scans trained the pretrained network: 2 of 3"
    )


def test_what_starts_from_no_network_has_no_leak(ledger: Ledger) -> None:
    assert told(add_sweep(ledger, [factors("scratch")], tags=LEAKED)) == []


def test_a_leak_into_the_test_is_told_too(ledger: Ledger) -> None:
    tags = {"overlap.fold_1.t2_test_in_t1_training": "1"}
    (warning,) = told(add_sweep(ledger, [factors("open")], tags=tags))
    assert warning.startswith("T2w test patients whose T1w scans trained the pretrained network: 1 of 3 ")


def test_different_machines_are_told_of(ledger: Ledger) -> None:
    record = add_sweep(ledger, [factors("open"), factors("open", fold=2), factors("scratch")])
    assert told(record) == []
    for run, machine in zip(record.records, ("x86", "x86", "arm"), strict=True):
        ledger.client.set_tag(run.run_id, HARDWARE, machine)
    (warning,) = told(read_plan(ledger, "sweep"))
    assert warning.startswith(
        "Trials ran on 2 kinds of machine: x86 (2 trials); arm (1 trial). Scores differ"
    )


def test_choices_at_the_edge_are_named_a_sentence_a_factor(ledger: Ledger) -> None:
    record = add_sweep(ledger, [factors("open")])
    results, _ = sweep(
        *(
            trial(name, rate=rate, validation=0.7 if rate == best else 0.5, test=[0.5])
            for name, best in (("open", 1e-2), ("scratch", 1e-2), ("augmented", 1e-4), ("hybrid", 1e-3))
            for rate in (1e-2, 1e-3, 1e-4)
        )
    )
    assert edge_warnings(record, results) == [
        "A better learning rate may lie outside of what was tried. Chosen at its edge: the highest (0.01) by "
        "open, scratch; the lowest (0.0001) by augmented."
    ]


def test_that_rotated_patients_also_validate_is_told_with_what_still_leaks(ledger: Ledger) -> None:
    record = add_sweep(ledger, [factors("open")])
    trials = [trial(test={name: 0.5}, fold=fold) for fold, name in ((1, "a"), (2, "b"))]
    (warning,) = (
        text for text in page_warnings(record, sweep(*trials, in_folds=True)[0]) if "rotate" in text
    )
    assert "tuned values are chosen inside each fold, by its own validation patients alone" in warning
    assert "best arm of a class is over all folds" in warning
    assert not any("rotate" in text for text in page_warnings(record, sweep(*trials)[0]))


def test_a_search_samples_by_all_folds_and_says_so_where_patients_rotate(ledger: Ledger) -> None:
    record = add_sweep(ledger, [factors("open")], tags={SEARCH: '{"objective": ["validation/mean/dsc"]}'})
    results, _ = sweep(trial(test=[0.5]), in_folds=True)
    assert any("of which candidates a search samples" in text for text in page_warnings(record, results))


def test_times_of_trials_that_shared_a_gpu_are_told_and_left_out(ledger: Ledger) -> None:
    arms = [factors("open"), factors("open", fold=2), factors("scratch")]
    record = add_sweep(ledger, arms)
    for run in record.records[:2]:
        ledger.client.set_tag(run.run_id, GPUS, "0.5")
    record = read_plan(ledger, "sweep")
    (warning,) = told(record)
    assert warning.startswith("2 trials of 3 had others beside them on a GPU.")
    results = results_frame(record.records)
    known = results.groupby("strategy")["standalone_seconds"].first()
    assert known.notna().to_dict() == {"open": False, "scratch": True}
    assert results["total_seconds"].notna().all(), "what they took is in the record"
    assert compute_time(results).set_index("arm")["standalone_seconds"].isna().to_dict()["open"]
    assert draw_pareto(results) is None, "of one arm alone the time is known"
    shown = draw_compute_time(results)
    assert shown is not None
    assert "open" not in shown.alt
