"""Patients, their roles and their scans."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from t1t2core.settings.types import STRICT, Names, Positive, PositiveFloat, Selection, Whole, added


@dataclass(kw_only=True, frozen=True, config=STRICT)
class CohortSettings:
    """Patients that take part, and their roles."""

    exclude: Names = Field(default=(), description="subjects to leave out, by name")
    session: str | None = Field(default=None, description="BIDS session to use where a subject has several")
    run: str | None = Field(default=None, description="BIDS run to use where a scan has several")
    select: Selection = Field(
        default_factory=dict,
        description="BIDS entities of the scan to use where a subject has several of a kind, such as "
        "{T1w: {acquisition: mprage}, ct: {session: ct}}; null: without that entity",
    )
    split_file: str | None = Field(
        default=None, description="CSV with subject,fold,sequence,role in place of the drawn split"
    )
    split_seed: Whole = Field(default=0, description="seed of the draw of patients into roles (ours)")
    overlap: Literal["test_disjoint", "strict", "as_published"] = Field(
        default="test_disjoint",
        description="may a patient have different roles in T1 and T2? test_disjoint: T2 test patients "
        "have no other T1 role; strict: one role in both; as_published: no guard (ours; Sec. 3.1)",
    )
    test_patients: Literal["fixed", "rotated"] = Field(
        default="fixed",
        description="fixed: one test set for all folds (as the study's own numbers show); rotated: each "
        "fold tests other patients and has an encoder that never saw them (ours)",
    )
    leave_one_out: str | None = added(
        None,
        "column of participants.tsv, or of the cohort's table, such as site: each fold tests the patients of "
        "one of its values, and neither they nor anybody with that value trains or validates, T1 or T2; in "
        "place of test_patients (ours)",
    )
    phantom_subjects: Positive = Field(default=20, description="digital heads in the built-in phantom cohort")
    phantom_t2w: Positive = Field(default=14, description="how many of them have a T2w scan")
    phantom_voxel_mm: PositiveFloat = Field(default=2.0, description="MR voxel size of the phantom, mm")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.leave_one_out is None:
            return self
        others = {
            "test_patients: rotated": self.test_patients == "rotated",
            "split_file": self.split_file is not None,
            "overlap: as_published": self.overlap == "as_published",
        }
        if given := [name for name, is_given in others.items() if is_given]:
            raise ValueError(f"leave_one_out settles who is tested: it goes with no {' or '.join(given)}")
        return self
