"""Patients, their roles and their scans."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from t1t2core.settings.classes import Classes, ClassRule
from t1t2core.settings.types import STRICT, Names, Positive, PositiveFloat, Selection, Whole, added

CT = "ct"
"""Suffix of computed tomography, which needs label maps where it is one of the two sequences."""


def _suffix(given: str) -> str:
    """Return a suffix as files have it: only that of CT is in small letters."""
    if not re.fullmatch("[A-Za-z0-9]+", given):
        raise ValueError("a suffix of file names has letters and digits only, as T1w or FLAIR")
    return CT if given.casefold() == CT else given


Suffix = Annotated[str, AfterValidator(_suffix)]


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
    source: Suffix = added(
        "T1w",
        "sequence that networks are pretrained on: a BIDS suffix, in small letters a column of the cohort's "
        "table; files and tables call it T1",
    )
    target: Suffix = added("T2w", "sequence that they are brought to, likewise; files and tables call it T2")
    classes: Mapping[str, ClassRule] | None = added(
        None,
        "2 to 16 classes in the order of tables, each with a value of the label maps ({value: 3}) or a range "
        "of CT ({above_hu: 600}, {below_hu: -500}; {}: all else); null: bone, soft_tissue and air, by "
        "preparation.bone_above_hu and air_below_hu",
    )
    others: str | None = added(
        None,
        "values of label maps that no class has: ignore leaves them out of training and scores, the name of "
        "a class makes them voxels of it; null: they are refused",
    )
    background: str | None = added(
        None, "class that is not among those whose mean score chooses; null: the mean is that of all"
    )
    labels: str | None = added(
        None,
        "folder of a BIDS derivative with the label maps (*_dseg.nii.gz) that tell the classes in place of "
        "CT; null: those of the cohort itself, where its classes have values or a subject has no CT",
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

    @property
    def told_apart(self) -> Classes:
        """Return the classes, resolved."""
        return Classes.of(self.classes, background=self.background, others=self.others)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source.casefold() == self.target.casefold():
            raise ValueError(f"source and target are both {self.source}")
        if self.classes is not None or self.others is not None or self.background is not None:
            _ = self.told_apart
        if unknown := [kind for kind in self.select if kind not in (self.source, self.target, CT)]:
            raise ValueError(
                f"select: {unknown[0]} is none of {', '.join(dict.fromkeys((self.source, self.target, CT)))}"
            )
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
