"""Reading YAML as plain values, without its surprises.

ruamel.yaml, which knows YAML 1.2, would not replace this: it names the first repeated key only, reads 01 and
1_000 as numbers and 2001-01-01 as a date, follows aliases in a circle or to billions of values, takes halves
of letters, lets errors through that are not YAML's, and cannot keep what is at a place as text.
"""

import re
from collections.abc import Collection
from typing import Any

import yaml

MOST_VALUES = 100_000
"""Values that a text may have, counted again where aliases repeat them: few lines could be billions."""

MOST_DIGITS = 300
"""Of a whole number: more are beyond what a number with a point can be."""


class PlainLoader(yaml.SafeLoader):
    """Plain values by the rules of YAML 1.2, under which 1e-4 is a number, and 01 and no are texts.

    PyYAML keeps those of 1.1, and of a key given twice silently the last: such keys are in `repeated`.

    Args:
        stream: the document.
        texts: places of texts, each the keys that lead there from the top. What is written there stays as it
            is written, though it looks like a number or a truth value; null is still nothing.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - a class variable of PyYAML

    def __init__(self, stream: str, texts: Collection[tuple[str, ...]] = ()) -> None:
        super().__init__(stream)
        self._texts = texts
        self.repeated: list[str] = []

    def get_single_data(self) -> Any:
        """The document's values.

        Raises:
            YAMLError: not YAML, nested too deeply, or too large.
        """
        try:
            return super().get_single_data()
        except RecursionError:
            raise yaml.YAMLError("nested too deeply") from None

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None and (size := _size(node, {})) > MOST_VALUES:
            raise yaml.YAMLError(f"{size:,} values with what its aliases repeat; at most {MOST_VALUES:,}")
        for place in self._texts:
            _keep_texts(_at(node, place))
        return node

    def compose_mapping_node(self, anchor: dict[str, Any]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    self.repeated.append(f"line {line}: {key.value} again, first on line {lines[key.value]}")
                lines.setdefault(key.value, line)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
                raise ValueError("too large")
            if isinstance(value, str):
                value.encode()  # Halves of letters, as in "\\ud800", are no text.
            return value
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # PyYAML lets these through where a value does not fit the tag that it is given.
            problem = f"not a value of the type {node.tag}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    PlainLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first)
    )


_TAKEN_FOR_OTHERS = {f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float")}


def _at(node: yaml.Node | None, place: tuple[str, ...]) -> yaml.Node | None:
    """Return what is at a place, None where there is no such place."""
    for name in place:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if key.value == name), None)
    return node


def _keep_texts(node: yaml.Node | None) -> None:
    """Makes a text of each value under the node that is written like one of another type."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _TAKEN_FOR_OTHERS:
            node.tag = "tag:yaml.org,2002:str"
    elif node is not None:
        for part in node.value:
            for one in part if isinstance(part, tuple) else (part,):
                _keep_texts(one)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values under a node, itself included; `known` has those found already, by identity.

    Raises:
        YAMLError: the node contains itself.
    """
    if id(node) not in known:
        known[id(node)] = 0  # Under way: who meets it now has come in a circle.
        parts = [] if isinstance(node, yaml.ScalarNode) else node.value
        inner = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_size(one, known) for one in inner)
    elif known[id(node)] == 0:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a value that contains itself")
    return known[id(node)]
