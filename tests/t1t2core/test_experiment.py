"""A trial from the first epoch to its scores, on heads of a few thousand voxels."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.errors import InputError
from t1t2core.evaluation.counting import confusion
from t1t2core.evaluation.inference import cross_entropy
from t1t2core.evaluation.scores import Counts
from t1t2core.evaluation.surface import surface_distances
from t1t2core.evaluation.whole import class_probabilities
from t1t2core.experiment import (
    EpochResult,
    Experiment,
    Outcome,
    Scans,
    mean_dice,
    pool,
)
from t1t2core.network.segmenter import Segmenter
from t1t2core.preparation.prepare import PreparedScan, PreparedSubject
from t1t2core.seeds import generator
from t1t2core.settings import EvaluationSettings, NetworkSettings, Sequence, Settings, TrainingSettings
from t1t2core.settings.classes import STUDY_CLASSES
from t1t2core.strategies import STRATEGIES, Factors, StrategyName, TunedLayers
from t1t2core.trial import pretraining_experiment
from tests.builders.heads import (
    GRID,
    PLENTY,
    TINY,
    clone,
    count_classes,
    deep_of,
    different,
    make_subjects,
    make_training,
    pretrained_state,
)

SPLIT = FoldSplit(
    fold=1,
    t1=Roles(training=("P01", "P02"), validation=("P03",), test=("P06", "P07")),
    t2=Roles(training=("P04", "P01", "P02"), validation=("P05", "P03"), test=("P06", "P07")),
)
QUICK = EvaluationSettings(surface_distances=False, whole_scan=False)
Subjects = dict[str, PreparedSubject]


@pytest.fixture(scope="module")
def subjects() -> Subjects:
    return make_subjects(7)


@pytest.fixture(scope="module")
def pretrained() -> dict[str, Tensor]:
    return pretrained_state()


def scans_of(strategy: StrategyName, size: int, subjects: Subjects) -> dict[Sequence, Scans]:
    return STRATEGIES[strategy].scans(Factors(strategy=strategy, t2_train_size=size), SPLIT, subjects)


def start(
    subjects: Subjects,
    strategy: StrategyName,
    settings: TrainingSettings,
    pretrained: dict[str, Tensor] | None = None,
    *,
    tuned: TunedLayers | None = None,
    rate: float | None = None,
    evaluation: EvaluationSettings = QUICK,
    network: NetworkSettings = TINY,
) -> Experiment:
    size = None if strategy == "no_fine_tuning" else 2
    factors = Factors(strategy=strategy, tuned_layers=tuned, t2_train_size=size)
    return Experiment(
        STRATEGIES[strategy].build(factors, network, pretrained=pretrained),
        STRATEGIES[strategy].scans(factors, SPLIT, subjects),
        settings,
        evaluation,
        learning_rate=rate,
        seed=0,
        compute=PLENTY,
    )


def run(experiment: Experiment) -> list[EpochResult]:
    results = []
    while not experiment.finished:
        results.append(experiment.run_epoch())
    return results


def pooled(outcome: Outcome, weights: str, split: str) -> dict[str, Counts]:
    return pool([s.counts for s in outcome.scores if (s.weights, s.split) == (weights, split)])


def test_a_network_learns_air_from_two_patients(subjects: Subjects):
    settings = make_training(max_epochs=80, schedule="one_cycle", validate_every=40)
    network = NetworkSettings(width=8)
    untrained = start(subjects, "scratch", settings, network=network).score()
    experiment = start(subjects, "scratch", settings, rate=3e-2, network=network)
    results = run(experiment)
    outcome = experiment.score()
    for split in ("validation", "test"):
        assert pooled(untrained, "best", split)["air"].dsc < 0.85
        assert pooled(outcome, "best", split)["air"].dsc > 0.9
        assert pooled(outcome, "best", split)["bone"].dsc > 0.5
    assert results[-1].validation == pooled(outcome, "last", "validation")
    assert (outcome.epochs, outcome.stop_reason) == (80, "max_epochs")
    assert len(outcome.epoch_seconds) == 80


def test_best_weights_are_those_of_the_epoch_with_the_highest_mean_validation_dice(subjects: Subjects):
    settings = make_training(max_epochs=16)
    experiment = start(subjects, "scratch", settings, rate=1e-2)
    results: list[EpochResult] = []
    states: list[dict[str, Tensor]] = []
    while not experiment.finished:
        if len(results) == 12:  # From here on the network is ruined.
            assert experiment.fit is not None
            for group in experiment.fit.optimiser.param_groups:
                group["lr"] = 1.0
        results.append(experiment.run_epoch())
        states.append(clone(experiment.network.state_dict()))
    dice = [
        np.nanmean([r.validation[c].dsc for c in ("bone", "soft_tissue", "air")])
        for r in results
        if r.validation
    ]
    best = int(np.argmax(dice))
    assert best < 12
    assert dice[best] > dice[-1] + 0.1

    outcome = experiment.score()
    assert different(outcome.weights, states[best]) == set()
    assert different(clone(experiment.network.state_dict()), states[best]) == set()
    assert pooled(outcome, "best", "validation") == results[best].validation
    assert pooled(outcome, "last", "validation") == results[-1].validation
    assert pooled(outcome, "best", "test") != pooled(outcome, "last", "test")
    for (sequence, patient), labels in outcome.predictions.items():
        scan = subjects[patient].scan(sequence)
        [score] = [s for s in outcome.scores if (s.weights, s.patient) == ("best", patient)]
        assert count_classes(labels, scan.labels, scan.hull, deep_of(scan)) == score.counts


def test_best_weights_are_those_of_the_class_that_is_to_choose(subjects: Subjects):
    """An early epoch and the last score highest by the mean; by bone alone a third one does."""
    settings = make_training(max_epochs=16)
    kept = {}
    for choose_by in ("mean", "bone", "internal_air"):
        evaluation = EvaluationSettings(surface_distances=False, choose_by=choose_by)
        experiment = start(subjects, "scratch", settings, rate=1e-2, evaluation=evaluation)
        results = [result.validation for result in run(experiment) if result.validation]
        names = ("bone", "soft_tissue", "air") if choose_by == "mean" else (choose_by,)
        dice = [np.mean([np.nan_to_num(one[name].dsc) for name in names]) for one in results]
        kept[choose_by] = pooled(experiment.score(), "best", "validation")
        assert kept[choose_by] == results[int(np.argmax(dice))]
    assert kept["bone"]["bone"].dsc >= kept["mean"]["bone"].dsc
    assert kept["internal_air"] != kept["mean"]


def test_the_t1_network_is_chosen_by_the_mean_whatever_chooses_on_t2(subjects: Subjects):
    settings = Settings(
        network=TINY, pretraining=make_training(max_epochs=2), evaluation=EvaluationSettings(choose_by="bone")
    )
    experiment = pretraining_experiment(("P01",), ("P02",), subjects, settings, seed=0, compute=PLENTY)
    assert experiment.evaluation.choose_by == "mean"


def test_where_the_last_epoch_was_best_both_score_the_same(subjects: Subjects, pretrained: dict[str, Tensor]):
    experiment = start(subjects, "open", make_training(max_epochs=1), pretrained)
    run(experiment)
    outcome = experiment.score()
    assert {(s.weights, s.split, s.patient) for s in outcome.scores} == {
        (weights, split, patient)
        for weights in ("best", "last")
        for split, patient in [("validation", "P05"), ("validation", "P03"), ("test", "P06"), ("test", "P07")]
    }
    for split in ("validation", "test"):
        assert pooled(outcome, "best", split) == pooled(outcome, "last", split)


@pytest.mark.parametrize(("every", "measured"), [(1, {1, 2, 3, 4, 5, 6, 7}), (3, {3, 6, 7}), (10, {7})])
def test_validation_is_measured_every_so_many_epochs_and_after_the_last(
    subjects: Subjects, pretrained: dict[str, Tensor], every: int, measured: set[int]
):
    settings = make_training(max_epochs=7, validate_every=every)
    results = run(start(subjects, "conservative", settings, pretrained, tuned="fc"))
    assert {r.report.epoch for r in results if r.validation is not None} == measured


def test_measuring_changes_no_weight(subjects: Subjects, pretrained: dict[str, Tensor]):
    ends = []
    for every in (1, 5):
        experiment = start(subjects, "open", make_training(max_epochs=5, validate_every=every), pretrained)
        run(experiment)
        ends.append(clone(experiment.network.state_dict()))
    assert different(*ends) == set()


def test_without_fine_tuning_both_sequences_are_scored_and_nothing_is_trained(
    subjects: Subjects, pretrained: dict[str, Tensor]
):
    experiment = start(subjects, "no_fine_tuning", make_training(), pretrained)
    assert experiment.finished
    outcome = experiment.score()
    assert (outcome.stop_reason, outcome.epochs, outcome.weights) == ("not_trained", 0, {})
    assert {(s.sequence, s.split, s.patient) for s in outcome.scores if s.weights == "best"} == {
        ("T1", "validation", "P03"),
        ("T1", "test", "P06"),
        ("T1", "test", "P07"),
        ("T2", "validation", "P05"),
        ("T2", "validation", "P03"),
        ("T2", "test", "P06"),
        ("T2", "test", "P07"),
    }
    assert set(outcome.predictions) == {(s, p) for s in ("T1", "T2") for p in ("P06", "P07")}
    assert pooled(outcome, "best", "test") == pooled(outcome, "last", "test")


def test_each_score_is_that_of_its_own_scan(subjects: Subjects, pretrained: dict[str, Tensor]):
    outcome = start(subjects, "no_fine_tuning", make_training(), pretrained).score()
    segmenter = Segmenter(TINY, seed=0)
    segmenter.load_pretrained(pretrained)
    segmenter.eval()
    for score in outcome.scores:
        scan = subjects[score.patient].scan(score.sequence)
        with torch.no_grad():
            found = segmenter(torch.from_numpy(scan.image)[None, None]).argmax(1)[0]
        assert score.counts == count_classes(found.numpy(), scan.labels, scan.hull, deep_of(scan))


def test_test_patients_have_no_part_in_the_weights(subjects: Subjects, pretrained: dict[str, Tensor]):
    generator = np.random.default_rng(0)

    def spoilt(scan: PreparedScan) -> PreparedScan:
        image = generator.normal(0, 9, scan.image.shape).astype(np.float32)
        return replace(scan, image=image, labels=np.full_like(scan.labels, 2))

    other = subjects | {
        name: replace(subjects[name], t1=spoilt(subjects[name].t1), t2=spoilt(subjects[name].scan("T2")))
        for name in SPLIT.t2.test
    }
    outcomes = []
    for cohort in (subjects, other):
        experiment = start(cohort, "open", make_training(max_epochs=3), pretrained)
        run(experiment)
        outcomes.append(experiment.score())
    assert different(outcomes[0].weights, outcomes[1].weights) == set()
    assert pooled(outcomes[0], "best", "validation") == pooled(outcomes[1], "best", "validation")
    assert pooled(outcomes[0], "best", "test") != pooled(outcomes[1], "best", "test")


def test_only_the_trained_tensors_are_handed_over(subjects: Subjects, pretrained: dict[str, Tensor]):
    experiment = start(subjects, "conservative", make_training(), pretrained, tuned=3)
    run(experiment)
    names = experiment.score().weights.keys()
    assert names == {n for n in pretrained if n.startswith(("decoder.stages.2.", "decoder.stages.3."))}


def test_the_learning_rate_of_the_settings_serves_where_none_is_given(subjects: Subjects):
    for given, expected in ((None, 3e-3), (1e-4, 1e-4)):
        experiment = start(subjects, "scratch", make_training(learning_rate=3e-3), rate=given)
        assert experiment.run_epoch().report.learning_rate == expected


def test_a_trial_cut_short_says_so(subjects: Subjects, pretrained: dict[str, Tensor]):
    experiment = start(subjects, "open", make_training(max_epochs=5), pretrained)
    experiment.run_epoch()
    outcome = experiment.score()
    assert (outcome.stop_reason, outcome.epochs) == ("pruned", 1)


def test_the_validation_loss_can_end_training(subjects: Subjects, pretrained: dict[str, Tensor]):
    settings = make_training(max_epochs=50, monitor="validation_loss", stop_patience=2, min_delta=100.0)
    experiment = start(subjects, "conservative", settings, pretrained, tuned="fc")
    assert len(run(experiment)) == 3
    assert experiment.score().stop_reason == "converged"


def test_surface_distances_are_measured_in_test_patients_with_the_best_weights(
    subjects: Subjects, pretrained: dict[str, Tensor]
):
    outcome = start(
        subjects,
        "no_fine_tuning",
        make_training(),
        pretrained,
        evaluation=EvaluationSettings(whole_scan=False),
    ).score()
    measured = [s for s in outcome.scores if s.surface is not None]
    assert {(s.weights, s.split) for s in measured} == {("best", "test")}
    assert len(measured) == 4
    assert all(set(s.surface or {}) == {"bone", "soft_tissue", "air"} for s in measured)


def test_scores_are_pooled_by_adding_up_the_patients():
    one = {name: Counts(1, 2, 3) for name in STUDY_CLASSES.scored}
    other = {name: Counts(10, 20, 30) for name in STUDY_CLASSES.scored}
    assert pool([one, other]) == {name: Counts(11, 22, 33) for name in STUDY_CLASSES.scored}


def test_an_absent_class_counts_as_0_in_the_mean_dice():
    counts = {"bone": Counts(0, 0, 0), "soft_tissue": Counts(1, 0, 0), "air": Counts(1, 1, 1)}
    assert mean_dice(counts | {"internal_air": Counts(9, 0, 0)}) == pytest.approx((0 + 1 + 0.5) / 3)


def test_training_sets_are_nested(subjects: Subjects):
    names = [list(scans_of("open", size, subjects)["T2"].training) for size in (1, 2, 3)]
    assert names == [["P04"], ["P04", "P01"], ["P04", "P01", "P02"]]
    with pytest.raises(InputError, match=r"fold 1 has 3 T2w patients for training; found t2_train_size 4"):
        scans_of("open", 4, subjects)


def test_transfer_takes_t2w_scans(subjects: Subjects):
    scans = scans_of("conservative", 2, subjects)
    assert scans.keys() == {"T2"}
    assert scans["T2"].training["P04"] is subjects["P04"].t2
    assert list(scans["T2"].validation) == ["P05", "P03"]
    assert list(scans["T2"].test) == ["P06", "P07"]


WHOLE_AND_BOX = EvaluationSettings(surface_distances=True, whole_scan=True)


@pytest.fixture(scope="module")
def tall_subjects() -> Subjects:
    """Heads whose boxes are the middle 16 of 24 slices."""
    return {name: with_box(subject, GRID) for name, subject in make_subjects(7, shape=(16, 16, 24)).items()}


def with_box(subject: PreparedSubject, size: tuple[int, int, int]) -> PreparedSubject:
    assert subject.t2 is not None
    t1, t2 = (
        PreparedScan.of(replace(scan.whole, start=(0, 0, 4)), size) for scan in (subject.t1, subject.t2)
    )
    return replace(subject, t1=t1, t2=t2)


def test_test_patients_are_scored_as_a_whole_as_well(
    tall_subjects: Subjects, pretrained: dict[str, Tensor]
) -> None:
    """What is scored is what `class_probabilities` gives, the function that labels new scans."""
    experiment = start(tall_subjects, "open", make_training(), pretrained, evaluation=WHOLE_AND_BOX)
    run(experiment)
    outcome = experiment.score()
    whole = [s for s in outcome.scores if s.region == "whole"]
    assert [(s.weights, s.split, s.patient) for s in whole] == [
        ("best", "test", "P06"),
        ("best", "test", "P07"),
    ]
    for score in whole:
        scan = experiment.scans["T2"].test[score.patient]
        found = class_probabilities(scan.whole, GRID, [experiment.network], experiment.training, PLENTY)
        labels = found.argmax(axis=0).astype(np.uint8)
        table = confusion(*map(torch.from_numpy, (labels, scan.whole.labels)), 3)
        assert score.counts["bone"].tp == table[2, 2]
        assert score.counts["bone"].tp + score.counts["bone"].fn == (scan.whole.labels == 2).sum()
        assert score.surface == surface_distances(labels, scan.whole.labels, scan.voxel_mm)
        assert score.attenuation is not None
        assert score.attenuation["head"].voxels == scan.whole.hull.sum()


def test_the_score_of_the_box_is_the_same_with_and_without_the_rest(
    tall_subjects: Subjects, pretrained: dict[str, Tensor]
) -> None:
    scores = []
    for evaluation in (WHOLE_AND_BOX, replace(WHOLE_AND_BOX, whole_scan=False)):
        experiment = start(tall_subjects, "open", make_training(), pretrained, evaluation=evaluation)
        run(experiment)
        scores.append([s for s in experiment.score().scores if s.region == "box"])
    assert scores[0] == scores[1]


def test_probabilities_of_test_patients_are_compared_with_what_is_there(
    subjects: Subjects, pretrained: dict[str, Tensor]
) -> None:
    outcome = start(subjects, "no_fine_tuning", make_training(), pretrained).score()
    compared = [s for s in outcome.scores if s.calibration is not None]
    assert {(s.weights, s.split) for s in compared} == {("best", "test")}
    for score in compared:
        assert score.calibration is not None
        assert set(score.calibration) == {"bone", "soft_tissue", "air"}
        bone = score.counts["bone"]
        assert sum(score.calibration["bone"].true) == bone.tp + bone.fn


def test_sliding_patches_come_from_all_heights_and_resume_where_they_were(tall_subjects: Subjects) -> None:
    def sliding() -> Experiment:
        scans = scans_of("scratch", 2, tall_subjects)
        network = STRATEGIES["scratch"].build(Factors(strategy="scratch"), TINY, pretrained=None)
        return Experiment(
            network,
            scans,
            make_training(max_epochs=3),
            QUICK,
            learning_rate=None,
            seed=0,
            compute=PLENTY,
            sliding=True,
        )

    whole, first, resumed = sliding(), sliding(), sliding()
    run(whole)
    first.run_epoch()
    resumed.restore(first.state())
    run(resumed)
    assert different(whole.network.trained_state(), resumed.network.trained_state()) == set()
    assert whole.fit is not None
    patches = whole.fit.patches
    heights = {z for step in range(50) for _, _, _, z in patches.slid(generator(0, "any", step)).starts}
    assert heights == set(range(9)), "24 slices hold 16 in nine places"


def test_the_validation_loss_is_computed_where_training_goes_by_it(
    subjects: Subjects, pretrained: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
):
    computed = Mock(side_effect=cross_entropy)
    monkeypatch.setattr("t1t2core.experiment.cross_entropy", computed)
    for monitor, times in (("training_accuracy", 0), ("validation_loss", 2)):
        computed.reset_mock()
        run(start(subjects, "open", make_training(max_epochs=2, monitor=monitor), pretrained))
        assert computed.call_count == times * 2, "two patients, two epochs"
