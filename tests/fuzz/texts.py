"""Texts that users write, valid ones spoilt: search spaces, overrides, tables, JSON."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import yaml
from hypothesis import strategies as st

from t1t2core.presets import PRESETS

SETTINGS = [f"{group}.{name}" for group, values in asdict(PRESETS["demo"]).items() for name in values]

SPACE: dict[str, Any] = {
    "name": "mine",
    "arms": [
        {"strategy": "conservative", "tuned_layers": ["fc", 9]},
        {"strategy": "hybrid", "fusion": ["average"]},
        {"strategy": "open"},
    ],
    "t2_train_size": [1, 2],
    "learning_rate": [1e-3],
    "folds": [1],
    "seeds": [0],
    "training": {"max_steps": 2, "patch": [16, 24, 16], "stride": [16, 24, 16]},
    "preparation": {"grid": [32, 40, 32], "voxel_mm": [6.0, 6.0, 6.0]},
    "cohort": {"exclude": ["sub-01"]},
    "resources": {"cpus": 1, "gpus": "auto"},
    "search": {"method": "grid"},
}

SMALL_SPACE = """
arms: [{strategy: open}]
t2_train_size: 1
learning_rate: 1.0e-3
folds: 1
training: {max_steps: 1, patch: [16, 24, 16], stride: [16, 24, 16]}
pretraining: {max_steps: 1, patch: [16, 24, 16], stride: [16, 24, 16]}
preparation: {grid: [16, 24, 16], voxel_mm: [12.0, 12.0, 12.0]}
network: {width: 2}
cohort: {phantom_subjects: 5, phantom_t2w: 4, phantom_voxel_mm: 8.0}
"""

ODD_TEXTS = [
    *("", " ", "\0", "a\0b", "\ufeff", "\u202e", "é", "e\u0301", "💀", "\ud800", "\x1b[2J", "\r\n", "\t"),
    *("../../x", "/etc/passwd", "~", "~nobody-here/x", "~\0", "C:\\x", "CON", "nul", "x" * 300, "x" * 5000),
    *("null", "true", "no", "1e999", "-0", "01", "0x1F", "1_000", "1:30", ".nan", "*a", "&a", "!!int", "%"),
    *("sub-01", "sub-02", "T1", "training", "9" * 5000, "-1", "\u0661", "\uff11"),
]
TOKENS = [
    *("&a ", "*a", "<<: *a", "<<: [*a, *a]", "!!python/object/apply:os.system [id]", "!!set {a}", "---\n"),
    *("!!binary aGk=", "!!timestamp 2001-99-99", "!!int ", "!!float ", "!!omap [a: 1]", "!!pairs [a: 1]"),
    *("!x ", "%YAML 9.9\n", "...\n", "\t", "{", "}", "[", "]", ": ", "? ", "- ", "|\n", ">\n", '"', "'", "#"),
    *(
        '"\\ud800"',
        '"\\0"',
        "\0",
        "\x85",
        "\u2028",
        "\ufeff",
        "!!int 0x" + "f" * 5000,
        "1" * 5000,
        "? {a: b}",
    ),
    *("!!null x", "!!bool x", "!!map [a]", "!!seq {a: b}", "!!str [a]", "<<: 3", "=", "\n"),
]


def texts() -> st.SearchStrategy[str]:
    """Short texts and awkward ones."""
    return st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=8))


def scalars() -> st.SearchStrategy[Any]:
    """What a YAML or JSON value can be, at its edges."""
    special: list[Any] = [None, True, False, float("nan"), float("inf"), float("-inf"), [], {}]
    numbers = [0, 1, -1, 3, 2**31, 2**63, 10**30, 10**400, 0.0, 1e-320, 1e308, 0.5, -1e9]
    return st.one_of(st.sampled_from(numbers), st.sampled_from(special), texts(), st.integers(), st.floats())


def values() -> st.SearchStrategy[Any]:
    """Nested values."""
    keys = st.one_of(texts(), st.sampled_from(SETTINGS), st.integers(), st.none())
    return st.recursive(
        scalars(),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=3)),
        max_leaves=6,
    )


@st.composite
def spoilt_structures(draw: st.DrawFn) -> str:
    """The valid space with some of its parts replaced, renamed, added or taken away."""
    document = json.loads(json.dumps(SPACE))
    for _ in range(draw(st.integers(0, 2))):
        _spoil(draw, document)
    flow = draw(st.booleans())
    stream = io.StringIO()
    yaml.dump(document, stream, Dumper=_Dumper, default_flow_style=flow, allow_unicode=draw(st.booleans()))
    return stream.getvalue()


class _Dumper(yaml.SafeDumper):
    """Gives every value in full."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _spoil(draw: st.DrawFn, document: dict[str, Any]) -> None:
    """One change somewhere in the document."""
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or draw(st.booleans()):
            break
        place = place[key]
    change = draw(st.sampled_from(["replace", "delete", "rename", "add"]))
    if change == "replace":
        place[key] = draw(values())
    elif change == "delete":
        del place[key]
    elif isinstance(place, dict):
        name = draw(st.one_of(texts(), st.sampled_from([*SPACE, *SETTINGS, "arm", "fold", "strategy"])))
        place[name] = place.pop(key) if change == "rename" else draw(values())
    else:
        place.append(draw(values()))


@st.composite
def spoilt_texts(draw: st.DrawFn, valid: st.SearchStrategy[str], tokens: list[str]) -> str:
    """A text with tokens put in, cut out, or lines given twice."""
    text = draw(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 12))
        change = draw(st.sampled_from(["put in", "replace", "cut", "twice"]))
        if change in ("put in", "replace"):
            token = draw(st.sampled_from(tokens))
            text = text[:at] + token + text[at + (length if change == "replace" else 0) :]
        elif change == "cut":
            text = text[:at] + text[at + length :]
        else:
            lines = text.splitlines(keepends=True)
            if lines:
                number = draw(st.integers(0, len(lines) - 1))
                text = "".join([*lines[: number + 1], *lines[number:]])
    return text


@st.composite
def bombs(draw: st.DrawFn) -> str:
    """Small files that grow: aliases of aliases, deep nesting, long lists, long words, and circles."""
    size = draw(st.integers(1, 60))
    make: list[Callable[[int], str]] = [
        _alias_bomb,
        lambda n: _alias_bomb(n, opening="{a: ", closing="}", joint=", b"),
        lambda n: "arms: " + "[" * n * 100 + "]" * n * 100,
        lambda n: "training: " + "{a: " * n * 50 + "1" + "}" * n * 50,
        lambda n: "arms:\n" + "".join(" " * i + "- \n" for i in range(n * 20)),
        lambda n: "- " * n * 100,
        lambda n: (
            "arms: [{strategy: open}]\n"
            + "".join(f"{key}: {list(range(1, n * n))}\n" for key in ("t2_train_size", "folds", "seeds"))
            + f"learning_rate: {[1 / i for i in range(1, n * n)]}\n"
        ),
        lambda n: "arms: [" + "{strategy: open}, " * n * 20 + "]",
        lambda n: f"{'k' * n * 1000}: {'v' * n * 1000}\narms: [{{strategy: {'s' * n * 1000}}}]",
        lambda _: "arms: &a [{strategy: open, tuned_layers: *a}, *a]",
        lambda _: "training: &a {patch: *a, loss: [*a]}\narms: [{strategy: open}]",
        lambda _: "&a {<<: *a, arms: [{strategy: open}]}",
        lambda _: "a: &a {b: &b {<<: *a}, <<: *b}\narms: *a",
        lambda n: "".join(f"x{i}: &x{i} {{<<: [{', '.join([f'*x{i - 1}'] * 9)}]}}\n" for i in range(1, n)),
        lambda n: "preparation: {grid: [" + "9" * n * 80 + ", 1, 1]}\narms: [{strategy: open}]",
        lambda n: "\n".join(f"key{i}: {i}" for i in range(n * 50)),
    ]
    return draw(st.sampled_from(make))(size)


def _alias_bomb(depth: int, *, opening: str = "[", closing: str = "]", joint: str = ",") -> str:
    lines = ["training: {max_steps: &x0 [1]}", "arms: [{strategy: open}]", "network:"]
    for level in range(1, depth):
        inner = (
            f"{joint}: ".join([f"*x{level - 1}"] * 9) if ":" in opening else ", ".join([f"*x{level - 1}"] * 9)
        )
        lines.append(f"  a{level}: &x{level} {opening}{inner}{closing}")
    return "\n".join(lines)


def spaces() -> st.SearchStrategy[bytes]:
    """Search spaces as the bytes of a file."""
    written = st.one_of(
        spoilt_structures(), spoilt_structures(), spoilt_texts(spoilt_structures(), TOKENS), bombs()
    )
    return encoded(written)


def encoded(written: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Texts in the right encoding most of the time, and bytes that are no text."""
    encodings = ["utf-8"] * 12 + ["utf-8-sig", "utf-16", "latin-1", "utf-32"]
    in_files = st.builds(lambda text, code: text.encode(code, "replace"), written, st.sampled_from(encodings))
    return st.one_of(*[in_files] * 9, st.binary(max_size=60))


def overrides() -> st.SearchStrategy[str]:
    """What may stand behind `--set`."""
    keys = st.one_of(st.sampled_from(SETTINGS), st.sampled_from(SETTINGS), texts())
    dumped = values().map(
        lambda value: yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10**9)
    )
    deep = st.integers(1, 30).map(lambda n: "[" * n * 100)
    spoilt = spoilt_texts(dumped, TOKENS)
    inside = st.one_of(dumped, dumped, texts(), deep, spoilt, bombs())
    right = st.sampled_from([f"{name}={value}" for name, value in _right_values().items()])
    numbers = st.one_of(
        st.integers(-2, 2**70), st.floats(), st.tuples(*[st.integers(1, 2**20)] * 3).map(list)
    )
    fitting = st.builds("{}={}".format, st.sampled_from(SETTINGS), numbers)
    return st.one_of(right, fitting, fitting, st.builds("{}={}".format, keys, inside), texts())


def selections() -> st.SearchStrategy[dict[str, Any]]:
    """What may be asked for of BIDS scans, as the group `cohort` of a search space."""
    label = st.one_of(
        st.none(), st.sampled_from(["01", "1", "a", "run-1", "null", "1e5"]), texts(), scalars()
    )
    entity = st.one_of(
        st.sampled_from(["session", "ses", "run", "acq", "acquisition", "part", "sub"]), texts()
    )
    kind = st.one_of(st.sampled_from(["T1w", "T2w", "ct"]), st.sampled_from(["t1w", "FLAIR"]))
    select = st.dictionaries(kind, st.dictionaries(entity, label, max_size=2), max_size=2)
    asked = st.one_of(st.none(), st.sampled_from(["01", "1", "a"]), texts())
    return st.fixed_dictionaries({}, optional={"session": asked, "run": asked, "select": select})


def preparations() -> st.SearchStrategy[str]:
    """Overrides of settings by which scans are prepared, values of the right type and any size."""
    sizes = [1e-300, 1e-9, 1e-3, 0.1, 0.5, 1.0, 3.0, 7.0, 20.0, 49.0, 1e3, 1e9, 1e300]
    lengths = st.sampled_from(sizes)
    counts = st.sampled_from([1, 7, 8, 9, 32, 100, 2000, 10**5, 10**18])
    values = {
        "voxel_mm": st.tuples(lengths, lengths, lengths).map(list),
        "grid": st.tuples(counts, counts, counts).map(list),
        "normalisation_sigma_mm": lengths,
        "normalisation": st.sampled_from(["z_score", "local_contrast"]),
        "bone_above_hu": st.one_of(st.sampled_from([-1e4, 1e300, -600.0]), st.floats()),
        "air_below_hu": st.one_of(st.sampled_from([-1e4, 1e300, 2000.0]), st.floats()),
        "label_resampling": st.sampled_from(["threshold", "nearest"]),
        "outside_ct": st.sampled_from(["ignore", "air"]),
    }
    named = [st.tuples(st.just(name), value) for name, value in values.items()]
    return st.one_of(named).map(lambda pair: f"preparation.{pair[0]}={json.dumps(pair[1])}")


def _right_values() -> dict[str, str]:
    groups = asdict(PRESETS["demo"])
    plain = {f"{group}.{name}": value for group in groups for name, value in groups[group].items()}
    return {name: json.dumps(value) for name, value in plain.items()}


CELLS = [
    *(
        "p01",
        "p02",
        "p03",
        "p04",
        "t1.nii",
        "t2.nii",
        "ct.nii",
        "labels.nii",
        "",
        "",
        "folder",
        "loop",
        "pipe",
    ),
    *("n/a", "NA", "-", "\u00a0", "pointer.nii", "dangling.nii/t1.nii"),
    *("nowhere.nii", "1", "2", "T1", "T2", "training", "validation", "test", "none", "dangling.nii", "dicom"),
]
MANIFEST = """subject,t1w,t2w,ct
p01,t1.nii,t2.nii,ct.nii
p02,t1.nii,t2.nii,ct.nii
p03,t1.nii,t2.nii,ct.nii
p04,t1.nii,,ct.nii
"""
SPLIT = "subject,fold,sequence,role\n" + "".join(
    f"p0{number},{fold},{sequence},{role}\n"
    for fold in (1, 2)
    for sequence in ("T1", "T2")
    for number, role in enumerate(("training", "validation", "test"), start=1)
)


@st.composite
def tables(draw: st.DrawFn, valid: str) -> str:
    """A table with cells, columns, lines, delimiters and quotes changed."""
    rows = [line.split(",") for line in valid.splitlines()]
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.sampled_from(rows))
        change = draw(st.sampled_from(["cell", "cell", "cell", "more", "fewer", "twice", "drop", "long"]))
        column = draw(st.integers(0, len(row) - 1)) if row else 0
        if change == "cell" and row:
            row[column] = draw(st.one_of(st.sampled_from(CELLS), texts()))
        elif change == "more":
            row.insert(column, draw(st.one_of(texts(), st.sampled_from(["ct", "labels_t1w", "T1W", "fold"]))))
        elif change == "fewer" and row:
            del row[column]
        elif change == "twice":
            rows.append(list(row))
        elif change == "drop" and len(rows) > 1:
            rows.remove(row)
        elif change == "long" and row:
            row[column] = "x" * draw(st.sampled_from([256, 5000, 140_000]))
    delimiter = draw(st.sampled_from([","] * 12 + [";", "\t", "|", ", "]))
    end = draw(st.sampled_from(["\n"] * 9 + ["\r\n", "\r", "\n\n"]))
    empty = delimiter * draw(st.sampled_from([0] * 9 + [1, 3]))
    told = draw(
        st.sampled_from([""] * 9 + [f"sep={delimiter}{end}", "sep=;\n", '"sep=,"\r\n', "sep=", "sep=\0\n"])
    )
    return told + end.join(delimiter.join(row) + empty for row in rows)


@st.composite
def long_tables(draw: st.DrawFn) -> str:
    """Tables of many lines or columns."""
    count = draw(st.sampled_from([1000, 20_000]))
    columns = ",".join(f"c{number}" for number in range(count))
    return draw(
        st.sampled_from(
            [
                f"subject,t1w,t2w,ct,fold,sequence,role,{columns}\n{'x,' * (count + 6)}x\n",
                "subject,t1w,t2w,ct\n" + "".join(f"q{n},a,b,c\n" for n in range(count)),
                "subject,fold,sequence,role\n" + "".join(f"p01,{n},T1,training\n" for n in range(1, count)),
                "subject,fold,sequence,role\n" + "".join(f"q{n},1,T1,training\n" for n in range(1, count)),
                "subject,t1w,t2w,ct\n" + "p01,t1.nii,t2.nii,ct.nii\n" * count,
            ]
        )
    )


def files_of_tables(valid: str) -> st.SearchStrategy[bytes]:
    """Tables as the bytes of a file."""
    marks = ['"', '""', ",", ";", "\n", "\r", "\0", "\ufeff", "~", "../", "'", "\\", "p01", "x" * 300]
    some = tables(valid)
    return encoded(st.one_of(*[some] * 12, *[spoilt_texts(some, marks)] * 6, long_tables()))


def descriptions() -> st.SearchStrategy[bytes]:
    """`dataset_description.json`."""
    known = st.fixed_dictionaries({"Name": values()}, optional={"Simulated": values(), "Phantom": values()})
    plain = st.recursive(scalars(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)
    dumped = st.one_of(known, plain).map(lambda value: json.dumps(value, default=str))
    marks = ["{", "}", "[", "]", ",", ":", '"', "NaN", "1" * 5000, "\\ud800", "\0"]
    deep = st.integers(1, 30).map(lambda n: '{"Name": ' + "[" * n * 1000)
    return encoded(st.one_of(*[dumped] * 6, *[spoilt_texts(dumped, marks)] * 3, deep))
