"""What a run writes beside its results: the plan and the subjects."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ablation.plan.plan import PlannedTrial, Trial
from ablation.plan.tables import PLAN, plan_frame, read_plan_frame, subjects_frame, warning_lines, write_table
from ablation.space.points import Point
from t1t2core.cohort.roles import FoldSplit, Roles
from t1t2core.cohort.subject import Cohort, Subject
from t1t2core.preparation.alignment import Alignment
from t1t2core.settings import Settings
from tests.builders.heads import make_subjects

SPLITS = (
    FoldSplit(1, t1=Roles(("P01",), ("P02",), ("P03",)), t2=Roles(("P01",), ("P02",), ("P03",))),
    FoldSplit(2, t1=Roles(("P01",), ("P02",), ("P03",)), t2=Roles(("P02",), ("P01",), ("P03",))),
)


def planned(**factors: object) -> PlannedTrial:
    point = Point.canonical(**{"strategy": "no_fine_tuning", "fold": 1, **factors})  # type: ignore[arg-type]
    return PlannedTrial(point, SPLITS[0], Settings(), "float32", None)


def trial(key: str, **factors: object) -> Trial:
    return Trial(planned(**factors).point, SPLITS[0], Settings(), "float32", None, None, key)


TUNED = {"strategy": "conservative", "t2_train_size": 8, "learning_rate": 1e-4, "seed": 0}


def test_the_plan_has_a_row_a_trial(tmp_path: Path) -> None:
    plan = [
        trial("a"),
        trial("b", **TUNED, tuned_layers="fc"),
        planned(**TUNED, tuned_layers=9),
    ]
    write_table(plan_frame(plan, {"b"}, [1.04, 20, 30.06]), tmp_path / "mine" / "plan.csv")
    assert (tmp_path / "mine" / "plan.csv").read_text(encoding="utf-8").splitlines() == [
        ",".join(PLAN),
        "a,no_fine_tuning,,,,,1,,to_run,1.0,",
        "b,conservative,fc,,8,0.0001,1,0,recorded,20.0,",
        ",conservative,9,,8,0.0001,1,0,to_run,30.1,",
    ]


def test_a_plan_of_one_kind_of_trial_looks_the_same(tmp_path: Path) -> None:
    write_table(plan_frame([trial("a")], set(), [1.5]), tmp_path / "plan.csv")
    assert (tmp_path / "plan.csv").read_text(encoding="utf-8").splitlines()[
        1
    ] == "a,no_fine_tuning,,,,,1,,to_run,1.5,"


def test_a_plan_of_varied_settings_comes_back_as_it_was_written() -> None:
    varied = {
        "training.batch_size": 2,
        "training.gradient_clip": 0.5,
        "training.weight_decay": 1e-05,
        "training.loss": "dice",
        "training.augmentation": ("flips", "noise"),
        "training.patch": (16, 16, 8),
    }
    others = {**varied, "training.gradient_clip": None, "training.augmentation": ()}
    plan = [
        trial("a", settings=varied),
        planned(**TUNED, tuned_layers="fc", settings=varied),
        trial("b", **TUNED, tuned_layers=9, settings=others),
    ]
    frame = plan_frame(plan, {"b"}, [1.0, 2.0, 3.0], list(varied))
    written = frame.to_csv(index=False)
    assert [line.partition(",to_run,")[2] for line in written.splitlines()[1:3]] == [
        '1.0,,,,,,,"[16, 16, 8]"',
        '2.0,,2,0.5,1e-05,dice,"[flips, noise]","[16, 16, 8]"',
    ], "what does not count for a trial is empty"
    read = read_plan_frame(written.encode())
    assert read.to_csv(index=False) == written
    assert read["training.gradient_clip"].tolist() == ["", "0.5", "none"]
    assert read["trial_key"].isna().tolist() == [False, True, False]


UP_MM, SLICE_MM = -20.0, 3.0


def subjects(known: Mapping[str, Mapping[str, str]] | None = None) -> pd.DataFrame:
    """Three heads, of which the first has no T2w."""
    prepared = make_subjects(3)
    box = np.diag([2.0, 2.0, SLICE_MM, 1.0])
    box[2, 3] = UP_MM
    prepared["P02"] = replace(prepared["P02"], t1=replace(prepared["P02"].t1, affine=box))
    volumes = {"bone": 400.0, "soft_tissue": 2900.5, "internal_air": 50.0, "ignored": 0.0}
    alignment = Alignment(method="rigid", ok=True, reason="", to_ct=np.eye(4).tolist(), measures={"nmi": 0.1})
    prepared = {
        name: replace(
            subject,
            alignment={"T1": alignment, "T2": replace(alignment, measures={"nmi": 0.2})},
            volumes_ml={"T1": volumes, "T2": volumes},
        )
        for name, subject in prepared.items()
    }
    prepared["P01"] = replace(
        prepared["P01"], t2=None, alignment={"T1": alignment}, volumes_ml={"T1": volumes}
    )
    scans = {name: Subject(name=name, t1w=Path("t1w"), t2w=Path("t2w"), ct=Path("ct")) for name in prepared}
    scans["P01"] = replace(scans["P01"], t2w=None)
    scans = {name: replace(one, characteristics=(known or {}).get(name, {})) for name, one in scans.items()}
    left_out = {"P09": "has no session pre", "T2w of P01": "has no session pre"}
    cohort = Cohort(name="mine", subjects=tuple(scans.values()), left_out=left_out)
    warnings = {"P02": ["t1w: its header does not say which side is left", "T1w: it seems to have no skull"]}
    return subjects_frame(cohort, SPLITS, prepared, warnings).set_index("subject")


def test_subjects_show_their_sequences_and_their_role_in_each_fold() -> None:
    frame = subjects()
    assert list(frame["sequences"])[:3] == ["T1", "T1 T2", "T1 T2"]
    assert list(frame["fold_1_T1"])[:3] == ["training", "validation", "test"]
    assert list(frame["fold_2_T2"])[:3] == ["validation", "training", "test"]


def test_subjects_show_what_a_person_should_look_at_and_who_was_left_out() -> None:
    frame = subjects()
    assert frame["warnings"]["P02"] == (
        "t1w: its header does not say which side is left | T1w: it seems to have no skull"
    )
    assert frame["warnings"]["P01"] == "T2w left out: has no session pre"
    assert frame["warnings"]["P03"] == ""
    assert list(frame.index) == ["P01", "P02", "P03", "P09"]
    assert frame["warnings"]["P09"] == "left out: has no session pre"
    assert np.isnan(frame["sequences"]["P09"])


def test_what_else_is_known_of_the_patients_stands_last() -> None:
    frame = subjects({"P01": {"sex": "F", "age": "54"}, "P03": {"sex": "M"}})
    assert list(frame.columns) == [*subjects().columns, "participant_sex", "participant_age"]
    assert list(frame["participant_sex"])[:3] == ["F", "", "M"]


def test_a_warning_is_one_line_with_the_subjects_that_have_it() -> None:
    warnings = {f"P{n:02d}": ["t1w: no form"] for n in range(1, 8)} | {"P08": ["T1w: no skull"], "P09": []}
    assert warning_lines(warnings) == [
        "P01, P02, P03, P04, P05 and 2 more subjects: t1w: no form",
        "P08: T1w: no skull",
    ]


def test_subjects_show_how_well_their_ct_lies_and_how_much_tissue_they_have() -> None:
    rows = subjects().to_dict("index")
    assert rows["P02"]["T1_alignment_method"] == "rigid"
    assert rows["P02"]["T1_alignment_ok"]
    assert [rows["P02"][f"{sequence}_alignment_nmi"] for sequence in ("T1", "T2")] == [0.1, 0.2]
    assert (rows["P02"]["T1_bone_ml"], rows["P02"]["T2_soft_tissue_ml"]) == (400.0, 2900.5)
    assert np.isnan(rows["P01"]["T2_bone_ml"])


def test_subjects_show_between_which_slices_of_their_scan_they_were_cut() -> None:
    rows = subjects().to_dict("index")
    assert [rows["P02"][f"T1_{end}_slice_mm"] for end in ("first", "last")] == [UP_MM, UP_MM + 15 * SLICE_MM]
    assert np.isnan(rows["P01"]["T2_first_slice_mm"])


def test_a_role_that_nobody_gave_is_empty() -> None:
    stranger = Subject(name="P04", t1w=Path("t1w"), ct=Path("ct"))
    (head,) = (replace(subject, alignment={}) for subject in make_subjects(1).values())
    frame = subjects_frame(Cohort(name="mine", subjects=(stranger,)), SPLITS, {"P04": head}, {})
    assert frame["fold_1_T2"].tolist() == [""]
