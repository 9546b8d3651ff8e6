"""Values come out of YAML as they are written, and no text is too odd to be refused at once."""

from typing import Any

import pytest
import yaml

from ablation.space.yaml_loader import MOST_VALUES, PlainLoader


def load(text: str) -> Any:
    return PlainLoader(text).get_single_data()


def refusal(text: str) -> str:
    with pytest.raises(yaml.YAMLError) as caught:
        load(text)
    return str(caught.value)


def test_an_anchor_may_be_used_again() -> None:
    assert load("a: &sizes [2, 4]\nb: *sizes\nc: {<<: {d: 1}}") == {"a": [2, 4], "b": [2, 4], "c": {"d": 1}}


def test_what_is_at_the_place_of_a_text_stays_as_it_is_written() -> None:
    text = "a: {b: [1, 01, 1e5, true, null, {2.0: -0}], c: 1e5}\nb: 1.0"
    loaded = PlainLoader(text, texts=[("a", "b"), ("b",), ("nowhere", "b"), ("b", "c")]).get_single_data()
    assert loaded == {"a": {"b": ["1", "01", "1e5", "true", None, {"2.0": "-0"}], "c": 1e5}, "b": "1.0"}
    assert PlainLoader("7", texts=[()]).get_single_data() == "7"
    assert PlainLoader("", texts=[()]).get_single_data() is None


def test_few_lines_that_stand_for_billions_of_values_are_refused_at_once() -> None:
    lines = ["x0: &x0 [1]", *(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 40))]
    assert f"at most {MOST_VALUES:,}" in refusal("\n".join(lines))
    merged = ["x0: &x0 {a: 1}", *(f"x{n}: &x{n} {{<<: [{f'*x{n - 1}, ' * 9}]}}" for n in range(1, 40))]
    assert f"at most {MOST_VALUES:,}" in refusal("\n".join(merged))


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: {c: *a}}", "&a {<<: *a}"])
def test_a_value_that_contains_itself_is_refused_with_its_line(text: str) -> None:
    assert "line 1: a value that contains itself" in refusal(text)


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 2000, "- " * 3000, "[" * 900 + "]" * 900])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "nested too deeply" in refusal(text)


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, "!!int 0x" + "f" * 5000])
def test_a_whole_number_beyond_all_others_is_refused(text: str) -> None:
    assert "not a value of the type" in refusal(text)


def test_half_a_letter_is_no_text() -> None:
    assert "not a value of the type" in refusal(r'"\ud800"')
    assert "not a value of the type" in refusal('{"\\udfff": 1}')
