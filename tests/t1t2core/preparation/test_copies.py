"""A patient who is there under two names is found, however the scan was saved anew."""

from dataclasses import replace

import numpy as np
import pytest

from t1t2core.preparation.copies import find_copies
from t1t2core.preparation.prepare import PreparedSubject
from tests.builders.heads import make_subjects


def with_t1(subject: PreparedSubject, image: np.ndarray) -> PreparedSubject:
    return replace(subject, t1=replace(subject.t1, image=image.astype(np.float32)))


def test_different_patients_are_no_copies() -> None:
    subjects = make_subjects(3)
    noise = np.random.default_rng(0)
    apart = [with_t1(s, s.t1.image + noise.normal(0, 2.0, s.t1.image.shape)) for s in subjects.values()]
    apart = [replace(subject, t2=None) for subject in apart]
    assert find_copies(apart) == []


@pytest.mark.parametrize("change", ["quantised", "rescaled", "noisy"])
def test_a_scan_that_was_saved_anew_is_found_though_no_voxel_is_the_same(change: str) -> None:
    first, second = make_subjects(2).values()
    image = first.t1.image
    changed = {
        "quantised": np.round(image * 8) / 8,
        "rescaled": 3.7 * image + 12,
        "noisy": image + np.random.default_rng(1).normal(0, 0.05, image.shape),
    }[change]
    alone = [replace(subject, t2=None) for subject in (first, with_t1(second, changed))]
    assert find_copies(alone) == [("P02", "P01", "T1")]


def test_a_copy_of_only_the_t2w_scan_is_found() -> None:
    first, second, third = make_subjects(3).values()
    noise = np.random.default_rng(0)
    apart = [with_t1(s, noise.normal(0, 1.0, s.t1.image.shape)) for s in (first, second, third)]
    without_t2w = replace(apart[0], t2=None)
    assert find_copies([without_t2w, apart[1], replace(apart[2], t2=apart[1].t2)]) == [("P03", "P02", "T2")]
