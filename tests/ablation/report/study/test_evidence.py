"""The means behind the claims, the study's and ours under the same names."""

import pytest

from ablation.report.study.evidence import our_evidence, study_evidence
from tests.builders.results import patients_of, results_of, study_results, trial, untuned


def test_the_studys_choice_of_arms_is_that_of_its_tables() -> None:
    study = study_evidence()
    assert study.best["bone"] == ["no_fine_tuning", "open", "conservative 18", "hybrid multiplication"]
    assert study.best["air"][2:] == ["conservative 6", "hybrid concatenation"]


def test_the_studys_scores_are_corrected_and_as_exact_as_printed() -> None:
    scores = study_evidence().scores
    assert scores["hybrid concatenation", "T2", "soft_tissue", "dsc"] == 0.8103
    assert scores["no_fine_tuning", "T2", "bone", "dsc"] == 0.3841
    assert scores["no_fine_tuning", "T1", "bone", "dsc"] == 0.65
    assert scores["difference_percent", "T2", "bone", "dsc"] == 40.56


def test_ours_has_the_same_names_and_gives_the_studys_numbers_for_its_folds() -> None:
    study, ours = study_evidence().scores, our_evidence(own := study_results(), patients_of(own)).scores
    assert set(study) <= set(ours)
    transfers = [key for key in study if key[0] != "augmented" and "T2" in key and "percent" not in key[0]]
    assert [ours[key] for key in transfers] == pytest.approx([study[key] for key in transfers], abs=1.01e-4)


def test_names_are_the_same_when_strategies_have_different_sizes() -> None:
    results = results_of(
        untuned(0.3), trial("open", size=4, test=0.4), trial("conservative", "18", size=8, test=0.5)
    )
    ours = our_evidence(results, patients_of(results))
    assert ours.best["bone"] == ["no_fine_tuning", "open", "conservative 18"]
    assert ours.scores["conservative 18", "T2", "bone", "dsc"] == 0.5
    assert ours.times is not None
    assert list(ours.times["arm"]) == ["no_fine_tuning", "open", "conservative 18"]
