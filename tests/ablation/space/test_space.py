"""A researcher writes search spaces: what they mean, and what they are told when something is wrong."""

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ablation.space.factors import DEFAULTS
from ablation.space.points import Point, expand
from ablation.space.space import read_space
from t1t2core.errors import InputError
from t1t2core.settings import Settings
from t1t2core.strategies import STRATEGIES, StrategyName
from tests.builders.spaces import read, refusal, write

SEARCH_SPACES = sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml"))


# What a search space means


def test_the_file_of_the_manual_is_63_trials(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        """
name: conservative
arms:
  - strategy: conservative
    tuned_layers: [fc, 3, 6, 9, 12, 15, 18]
t2_train_size: [8]
learning_rate: [1.0e-2, 1.0e-3, 1.0e-4]
folds: [1, 2, 3]
seeds: [0]
resources: {cpus: 1, gpus: auto}
search: {method: grid}
""",
    )
    points = expand(space, Settings())
    assert len(points) == len(set(points)) == 63
    assert points[0] == Point(
        strategy="conservative",
        tuned_layers="fc",
        fusion=None,
        t2_train_size=8,
        learning_rate=1e-2,
        fold=1,
        seed=0,
        pretraining_seed=0,
    )
    assert [(point.fold, point.pretraining_seed) for point in points[:3]] == [(1, 0), (2, 1), (3, 2)]
    assert [point.fold for point in points[:4]] == [1, 2, 3, 1]
    assert (space.name, space.resources.cpus, space.resources.gpus) == ("conservative", 1, "auto")


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    space = read(tmp_path, "arms: [{strategy: open}]")
    (arm,) = space.arms
    assert space.name == "mine"
    assert space.source == tmp_path / "mine.yaml"
    assert space.settings == {}
    assert (space.resources.cpus, space.resources.gpus, space.search.method) == (1, "auto", "grid")
    assert {key: getattr(arm, key) for key in DEFAULTS} == DEFAULTS
    assert DEFAULTS == {
        "t2_train_size": (8,),
        "learning_rate": (),
        "folds": (1, 2, 3),
        "seeds": (0,),
        "pretraining_seeds": ("by_fold",),
    }


def test_an_arm_overrides_the_top_and_the_top_the_default(tmp_path: Path) -> None:
    text = """
arms:
  - {strategy: open, learning_rate: [0.1]}
  - {strategy: scratch}
learning_rate: [0.01, 0.001]
folds: [2]
"""
    own, shared = read(tmp_path, text).arms
    assert own.learning_rate == (0.1,)
    assert shared.learning_rate == (0.01, 0.001)
    assert own.folds == shared.folds == (2,)
    assert own.seeds == (0,)


def test_a_factor_at_the_top_serves_the_arms_that_use_it(tmp_path: Path) -> None:
    text = """
arms: [{strategy: conservative}, {strategy: hybrid}, {strategy: open}]
tuned_layers: [3]
fusion: [average]
folds: 1
"""
    points = expand(read(tmp_path, text), Settings())
    assert [(p.tuned_layers, p.fusion) for p in points] == [(3, None), (None, "average"), (None, None)]


def test_a_strategy_may_stand_at_the_top(tmp_path: Path) -> None:
    space = read(tmp_path, "{strategy: conservative, arms: [{tuned_layers: 3}, {strategy: open}], folds: 1}")
    assert [(p.strategy, p.tuned_layers) for p in expand(space, Settings())] == [
        ("conservative", 3),
        ("open", None),
    ]


def test_one_value_stands_for_a_list_of_it(tmp_path: Path) -> None:
    text = "arms: {arms}\nt2_train_size: 4\nlearning_rate: 0.01\nfolds: 2\nseeds: 5"
    space = read(tmp_path, text.format(arms="[{strategy: conservative, tuned_layers: fc}]"))
    (point,) = expand(space, Settings())
    assert (point.tuned_layers, point.t2_train_size, point.learning_rate) == ("fc", 4, 0.01)
    assert (point.fold, point.seed) == (2, 5)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1e-4", 1e-4), ("1.0e-4", 1e-4), ("1E-4", 1e-4), (".5", 0.5), ("1", 1.0), ("5.e-1", 0.5)],
)
def test_numbers_are_read_as_people_write_them(tmp_path: Path, written: str, meant: float) -> None:
    (arm,) = read(tmp_path, f"arms: [{{strategy: open}}]\nlearning_rate: [{written}]").arms
    assert arm.learning_rate == (meant,)
    assert isinstance(arm.learning_rate[0], float)


def test_settings_are_handed_on_as_they_are(tmp_path: Path) -> None:
    text = """
arms: [{strategy: open}]
cohort: {exclude: [01, no, 2024-01-31, sub-7], session: 02}
training: {max_epochs: null, weight_decay: 5e-4, patch: [16, 24, 16]}
evaluation: {surface_distances: false}
"""
    assert read(tmp_path, text).settings == {
        "cohort": {"exclude": ["01", "no", "2024-01-31", "sub-7"], "session": "02"},
        "training": {"max_epochs": None, "weight_decay": 5e-4, "patch": [16, 24, 16]},
        "evaluation": {"surface_distances": False},
    }


def test_arms_may_share_parts_by_yaml_anchors(tmp_path: Path) -> None:
    text = """
arms:
  - &tuned {strategy: conservative, tuned_layers: [3], folds: [1]}
  - {<<: *tuned, tuned_layers: [6]}
"""
    assert [point.tuned_layers for point in expand(read(tmp_path, text), Settings())] == [
        3,
        6,
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_factor_without_meaning_makes_no_trials_and_is_empty(
    tmp_path: Path, strategy: StrategyName
) -> None:
    own = {
        "conservative": ", tuned_layers: [fc, 3]",
        "first_layers": ", tuned_layers: [3, 6]",
        "hybrid": ", fusion: [average, maximum]",
    }
    text = f"""
arms:
  - {{strategy: {strategy}{own.get(strategy, "")}}}
  - {{strategy: open}}
t2_train_size: [2, 8]
learning_rate: [0.1, 0.01]
folds: [1, 2]
seeds: [0, 1]
"""
    points = [point for point in expand(read(tmp_path, text), Settings()) if point.strategy == strategy]
    varied = STRATEGIES[strategy].factors
    assert len(points) == 2 ** len(varied)
    for factor in ("tuned_layers", "fusion", "t2_train_size", "learning_rate", "fold", "seed"):
        counts = Counter(getattr(point, factor) for point in points)
        assert len(counts) == (2 if factor in varied else 1)
        assert (None in counts) == (factor not in varied)


def test_which_factors_mean_something() -> None:
    trained = {"t2_train_size", "learning_rate", "fold", "seed"}
    expected = {
        "no_fine_tuning": {"fold"},
        "norm_adaptation": {"t2_train_size", "fold"},
        "open": trained,
        "scratch": trained,
        "augmented": trained,
        "conservative": trained | {"tuned_layers"},
        "hybrid": trained | {"fusion"},
        "low_rank": trained,
        "gradual": trained,
        "first_layers": trained | {"tuned_layers"},
        "contrast_randomised": {"fold"},
    }
    assert expected == {name: strategy.factors for name, strategy in STRATEGIES.items()}


def test_all_21_layers_are_open_and_the_same_trial(tmp_path: Path) -> None:
    text = "arms: [{strategy: conservative, tuned_layers: [18, 21]}, {strategy: open}]\nfolds: [1]"
    assert [(p.strategy, p.tuned_layers) for p in expand(read(tmp_path, text), Settings())] == [
        ("conservative", 18),
        ("open", None),
    ]


def test_points_of_several_arms_are_there_once_and_in_the_order_given(tmp_path: Path) -> None:
    text = """
arms:
  - {strategy: scratch, seeds: [3, 1]}
  - {strategy: open, seeds: [1]}
  - {strategy: scratch, seeds: [2, 1]}
folds: [2]
"""
    points = expand(read(tmp_path, text), Settings())
    assert [(p.strategy, p.seed) for p in points] == [
        ("scratch", 3),
        ("scratch", 1),
        ("open", 1),
        ("scratch", 2),
    ]


def test_what_was_read_cannot_be_changed(tmp_path: Path) -> None:
    space = read(tmp_path, "arms: [{strategy: open}]")
    with pytest.raises(FrozenInstanceError):
        space.name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        space.arms[0].strategy = "scratch"  # type: ignore[misc]


@pytest.mark.parametrize("path", SEARCH_SPACES, ids=lambda path: path.stem)
def test_each_file_that_is_shipped_has_the_trials_that_its_comment_states(path: Path) -> None:
    stated = re.search(r"^# (\d+) trials", path.read_text(encoding="utf-8"), re.MULTILINE)
    space = read_space(path)
    if space.search.samples:
        assert stated is None, "it is the budget that tells"
        return
    assert stated is not None
    assert len(expand(space, Settings())) == int(stated[1])
    assert space.name == path.stem


def test_training_size_repeats_trials_of_conservative_and_open() -> None:
    points = {path.stem: set(expand(read_space(path), Settings())) for path in SEARCH_SPACES}
    with_eight = {point for point in points["training_size"] if point.t2_train_size == 8}
    assert len(with_eight) == 24
    assert with_eight < points["conservative"] | points["open"]


# What is refused, and with which words

OPEN = "arms: [{strategy: open}]\n"
RATE = "found {}; allowed: one or more numbers above 0 and at most 1"
SIZE = "found {}; allowed: one or more whole numbers of patients, 1 or more"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # Keys
        (
            OPEN + "learning_rates: [0.1]",
            ["learning_rates: unknown key; allowed: ", "did you mean learning_rate?"],
        ),
        (OPEN + "trainig: {}", ["trainig: unknown key", "did you mean training?"]),
        (OPEN + "7: 1", ["7: unknown key"]),
        ("arms: [{strategy: open, fold: 1}]", ["arms[0].fold: unknown key", "did you mean folds?"]),
        ("arms: [{strategy: open, training: 3}]", ["arms[0].training: found 3"]),
        (
            OPEN + "resources: {cpu: 1}",
            ["resources.cpu: unknown key; allowed: cpus, gpus, price_per_hour; did you mean cpus?"],
        ),
        (OPEN + "search: {methods: grid}", ["search.methods: unknown key", "did you mean method?"]),
        # Names
        (
            "arms: [{strategy: Consevative}]",
            ["arms[0].strategy: found 'Consevative'", "did you mean conservative?"],
        ),
        (
            "arms: [{strategy: no-fine-tuning}]",
            ["one of no_fine_tuning, open", "did you mean no_fine_tuning?"],
        ),
        (
            "arms: [{strategy: [open, scratch]}]",
            ["arms[0].strategy: found ['open', 'scratch']; allowed: one of"],
        ),
        (
            "arms: [{strategy: hybrid, fusion: avrage}]",
            ["arms[0].fusion: found 'avrage'", "did you mean average?"],
        ),
        (
            "arms: [{strategy: conservative, tuned_layers: [fc, 3, 0]}]",
            ["arms[0].tuned_layers[2]: found 0; allowed: one or more of fc and numbers of convolutions"],
        ),
        ("arms: [{strategy: conservative, tuned_layers: [FC]}]", ["found 'FC'", "did you mean fc?"]),
        ("arms: [{strategy: conservative, tuned_layers: [true]}]", ["tuned_layers[0]: found True"]),
        (OPEN + "search: {method: gird}", ["search.method: found 'gird'", "did you mean grid?"]),
        (OPEN + "resources: {gpus: Auto}", ["resources.gpus: found 'Auto'", "did you mean auto?"]),
        # Numbers
        (OPEN + "learning_rate: [0.1, -0.1]", ["learning_rate[1]: " + RATE.format("-0.1")]),
        (OPEN + "learning_rate: 0", ["learning_rate: " + RATE.format("0")]),
        (OPEN + "learning_rate: [2]", ["learning_rate[0]: " + RATE.format("2")]),
        (OPEN + "learning_rate: [.nan]", ["learning_rate[0]: " + RATE.format("nan")]),
        (OPEN + "learning_rate: [.inf]", ["learning_rate[0]: " + RATE.format("inf")]),
        (OPEN + "learning_rate: [true]", ["learning_rate[0]: " + RATE.format("True")]),
        (OPEN + "learning_rate: [small]", ["learning_rate[0]: " + RATE.format("'small'")]),
        (OPEN + "learning_rate: {low: 1}", ["learning_rate: found {'low': 1}; not a range of this factor"]),
        (OPEN + "t2_train_size: [2, 0]", ["t2_train_size[1]: " + SIZE.format("0")]),
        (OPEN + "t2_train_size: [2.5]", ["t2_train_size[0]: " + SIZE.format("2.5")]),
        (OPEN + "t2_train_size: true", ["t2_train_size: " + SIZE.format("True")]),
        (OPEN + "t2_train_size: eight", ["t2_train_size: " + SIZE.format("'eight'")]),
        (OPEN + "folds: [0]", ["folds[0]: found 0; allowed: one or more whole numbers, from 1"]),
        (OPEN + "folds:", ["folds: found None"]),
        (OPEN + "seeds: [-1]", ["seeds[0]: found -1"]),
        (OPEN + "seeds: [4294967296]", ["seeds[0]: found 4294967296; allowed: ", "from 0 to 4294967295"]),
        (OPEN + "resources: {cpus: 0}", ["resources.cpus: found 0; allowed: a number above 0"]),
        (OPEN + "resources: {cpus: .nan}", ["resources.cpus: found nan"]),
        (OPEN + "resources: {cpus: .inf}", ["resources.cpus: found inf"]),
        (OPEN + "resources: {gpus: .inf}", ["resources.gpus: found inf"]),
        (OPEN + "resources: {gpus: -1}", ["resources.gpus: found -1; allowed: auto, or a number, 0 or more"]),
        # Lists and mappings
        (OPEN + "seeds: []", ["seeds: found []; allowed: one or more"]),
        ("arms: []", ["arms: found []; allowed: a list of one or more arms"]),
        ("arms: {strategy: open}", ["arms: found {'strategy': 'open'}; allowed: a list of one or more arms"]),
        ("arms: [open]", ["arms[0]: found 'open'; allowed: a list", "such as `- strategy: open`"]),
        ("name: x", ["arms: missing; allowed: a list of one or more arms"]),
        (OPEN + "training: 5", ["training: found 5; allowed: settings with their values"]),
        (OPEN + "training:", ["training: found None; allowed: settings with their values"]),
        (OPEN + "training: {2: 3}", ["training.2: a key that is not text"]),
        (OPEN + "cohort: {run: !!binary aGk=}", ["cohort.run: found b'hi'; allowed: names with texts"]),
        (OPEN + "cohort: &a {run: *a}", ["line 2: a value that contains itself"]),
        (
            OPEN + "resources: 2",
            ["resources: found 2; allowed: a mapping with the keys cpus, gpus and price_per_hour"],
        ),
        # Factors and strategies
        ("arms: [{folds: 1}]", ["arms[0].strategy: missing; allowed: one of no_fine_tuning, open"]),
        ("arms: [{strategy: conservative}]", ["arms[0].tuned_layers: missing, conservative needs it"]),
        ("arms: [{strategy: hybrid}]", ["arms[0].fusion: missing, hybrid needs it", "concatenation, mult"]),
        (
            "arms: [{strategy: open}, {strategy: open, fusion: average}]",
            ["arms[1].fusion: open has no use for it; it is for hybrid"],
        ),
        ("arms: [{strategy: no_fine_tuning, seeds: 1}]", ["arms[0].seeds: no_fine_tuning has no use for it"]),
        (
            "arms: [{strategy: norm_adaptation, learning_rate: 1}]",
            ["arms[0].learning_rate: norm_adaptation has"],
        ),
        (
            OPEN + "tuned_layers: [3]",
            ["tuned_layers: no arm has a use for it; it is for conservative, first_layers"],
        ),
        # Names of the space
        (OPEN + "name: a/b", ["name: found 'a/b'; allowed: up to 100 of letters, digits, '.', '_' and '-'"]),
        (OPEN + "name: ..", ["name: found '..'"]),
        (OPEN + "name: ''", ["name: found ''"]),
        (OPEN + 'name: "x\\n"', [r"name: found 'x\n'"]),
        (OPEN + "name: [2024]", ["name: found ['2024']"]),
        (OPEN + "name: Store", ["name: found 'Store'; ", "none of store, artifacts, mlflow.db"]),
        (OPEN + "name: " + "x" * 101, ["name: found 'xxxx"]),
        # YAML
        ("arms: [{strategy: open}\nfolds: 1", ["is not YAML", "line 2"]),
        ("arms: !!int x", ["is not YAML", "line 1", "type tag:yaml.org,2002:int"]),
        ("arms: !!python/name:os.system", ["is not YAML", "line 1"]),
        ("a: 1\n---\nb: 2", ["is not YAML", "line 2"]),
        ("[" * 5000, ["nested too deeply"]),
        ("", ["found nothing; allowed: keys and values, at least `arms`"]),
        ("[1, 2]", ["found [1, 2]; allowed: keys and values, at least `arms`"]),
        ("\0", ["is not YAML"]),
        (OPEN + "folds: 1\n\nfolds: 2", ["line 4: folds again, first on line 2"]),
        ("arms: [{strategy: open, strategy: scratch}]", ["line 1: strategy again, first on line 1"]),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    message = refusal(tmp_path, text)
    for words in told:
        assert words in message
    if "cannot be used" in message:
        assert message.count("\n  - ") == 1, "one mistake is one finding"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(
        tmp_path,
        """
arms:
  - strategy: consevative
  - strategy: hybrid
    seeds: []
  - strategy: open
    fusion: average
learning_rate: [1, 2, 3]
tranining: {}
folds: 1
folds: 2
training: 3
""",
    )
    findings = message.splitlines()[1:]
    places = [finding.removeprefix("  - ").split(":")[0] for finding in findings]
    assert sorted(places) == [
        "arms[0].strategy",
        "arms[1].fusion",
        "arms[1].seeds",
        "arms[2].fusion",
        "learning_rate[1]",
        "learning_rate[2]",
        "line 11",
        "training",
        "tranining",
    ]


def test_a_search_method_that_does_not_exist_is_one_finding(tmp_path: Path) -> None:
    message = refusal(tmp_path, OPEN + "search: {method: hyperband, steps: 50}")
    assert message.splitlines()[1:] == [
        "  - search.method: found 'hyperband'; allowed: grid, which tries every point, or optuna, which "
        "samples arms"
    ]


@pytest.mark.parametrize("name", ["2024", "1e5", "true", "2024.10"])
def test_a_name_may_look_like_a_number(tmp_path: Path, name: str) -> None:
    assert read_space(write(tmp_path, OPEN + f"name: {name}")).name == name


def test_a_file_name_that_cannot_name_a_folder_needs_a_name_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, OPEN, "my space.yaml")
    with pytest.raises(InputError, match="name: found 'my space'"):
        read_space(path)
    path.write_text(OPEN + "name: my-space", encoding="utf-8")
    assert read_space(path).name == "my-space"


def test_a_file_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, OPEN, "depths.yaml")
    with pytest.raises(InputError, match=r"is not there; did you mean .*depths\.yaml\?"):
        read_space(tmp_path / "depth.yaml")
    with pytest.raises(InputError, match=r"did you mean .*search_spaces/conservative\.yaml\?"):
        read_space(Path("conservativ"))
    with pytest.raises(InputError, match=r"there are .*depths\.yaml"):
        read_space(tmp_path / "zzz")


def test_what_is_not_a_text_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_space(tmp_path)
    binary = tmp_path / "head.nii"
    binary.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="cannot be read"):
        read_space(binary)


# Whatever the file holds, the answer is a space or a message

KEYS = st.sampled_from(
    ["name", "arms", "strategy", "tuned_layers", "fusion", *DEFAULTS, "resources", "search", "training", "<<"]
)
WORDS = KEYS | st.sampled_from(
    [*STRATEGIES, "fc", "average", "cpus", "gpus", "method", "auto", "grid", "1e-4"]
)
SCALARS = (
    WORDS
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=3)
)
STRUCTURES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | SCALARS, inner, max_size=5),
    max_leaves=20,
)
ARMS = st.lists(st.dictionaries(KEYS, STRUCTURES, max_size=3) | STRUCTURES, max_size=3)
SPACES = st.dictionaries(WORDS | SCALARS, STRUCTURES | ARMS, max_size=6) | STRUCTURES


def answer(path: Path) -> None:
    with suppress(InputError):
        assert expand(read_space(path), Settings())


@hypothesis_settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=SPACES)
def test_any_structure_is_read_or_refused(tmp_path: Path, document: Any) -> None:
    answer(write(tmp_path, yaml.safe_dump(document, allow_unicode=True)))


MARKS = st.sampled_from("-[]{},:&*?|>'\"#%@`!~. \n\t\0\u2028")
TAGS = st.sampled_from(["!!int ", "!!float ", "!!bool ", "!!null ", "!!set ", "!!timestamp ", "!!omap "])
PHRASES = st.sampled_from(
    ["&a ", "*a ", "a: ", "- ", "\n  ", "---\n", "1e9", ".nan", "<<: ", "arms: ", "open"]
)


@hypothesis_settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.lists(MARKS | TAGS | PHRASES, max_size=25).map("".join))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    answer(write(tmp_path, text))


# Files and values that are no search space


def test_more_combinations_than_anyone_can_run_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    values = list(range(1, 100))
    text = f"arms: [{{strategy: open}}]\nt2_train_size: {values}\nfolds: {values}\nseeds: {values}"
    assert "arms: 970,299 combinations of factors; at most 100,000" in refusal(tmp_path, text)


def test_a_file_too_large_to_be_a_space_is_not_parsed(tmp_path: Path) -> None:
    assert "more than 200,000 bytes" in refusal(tmp_path, OPEN + "# " + "x" * 200_000)


def test_hundreds_of_wrong_keys_are_counted_and_long_ones_shortened(tmp_path: Path) -> None:
    message = refusal(tmp_path, OPEN + "".join(f"key{number}: 1\n" for number in range(400)))
    assert message.endswith("and 350 more")
    assert len(refusal(tmp_path, OPEN + f"{'k' * 900}: 1\n")) < 1000
    assert "'a\\x1b[2Jb': unknown key" in refusal(tmp_path, OPEN + '"a\\x1b[2Jb": 1\n')


@pytest.mark.parametrize("name", ["mlflow.db-wal", "MLFLOW.DB-journal", "con", "Nul.txt", "lpt1", "a."])
def test_a_name_that_is_taken_or_no_folder_everywhere_is_refused(tmp_path: Path, name: str) -> None:
    assert f"name: found '{name}'; allowed: up to 100" in refusal(tmp_path, OPEN + f"name: {name}\n")


def test_pipes_and_circles_of_links_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name in ("pipe.yaml", "loop.yaml", "x" * 300, "zzz.yaml"):
        with pytest.raises(InputError, match="is not there"):
            read_space(tmp_path / name)
