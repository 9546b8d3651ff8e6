"""A digest names a description by its content."""

import subprocess
import sys

import pytest

from ablation.plan.digest import digest_of


def test_the_order_of_keys_does_not_count() -> None:
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})


def test_the_order_of_a_list_counts() -> None:
    assert digest_of([1, 2]) != digest_of([2, 1])


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), ((1, 2), [1, 2]), (1e-3, 0.001), ({"a": (1.0,)}, {"a": [1]})]
)
def test_what_computes_the_same_has_the_same_digest(one: object, other: object) -> None:
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, None), (1, "1"), (0.1, 0.10000000000000002), ([], {}), ([[1], 2], [1, 2])],
)
def test_what_differs_has_another_digest(one: object, other: object) -> None:
    assert digest_of(one) != digest_of(other)


def test_a_number_that_is_none_cannot_be_described() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_of({"loss": float("nan")})


def test_another_process_gives_the_same_digest() -> None:
    program = "from ablation.plan.digest import digest_of; print(digest_of({'a': (1.0, None), 'b': 'x'}))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert other.stdout.strip() == digest_of({"b": "x", "a": [1, None]})
