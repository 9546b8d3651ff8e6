"""What README.md and docs/ tell a reader to type works: every command, every setting, every search space."""

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import ablation
from ablation.commands.run import app as run_app
from ablation.space.configuration import resolve_settings
from ablation.space.space import read_space
from t1t2core.settings import Settings

ROOT = Path(__file__).parents[1]
TEXTS = [path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))]

NOT_RUN = (
    "cd",
    "mlflow server",
    "mlflow ui",
    "pip install",
    "pytest",
    "ray attach",
    "ray down",
    "ray exec",
    "ray get-auth-token",
    "ray rsync-down",
    "ray rsync-up",
    "ray symmetric-run",
    "ray up",
    "sbatch",
)
"""What these texts may name and no test here can run: it installs, serves, or needs a cluster."""

ELSEWHERE = ("--address", "--cohort", "--storage", "--tracking-uri")
"""Options whose values a reader has and a test has not."""

TINY = (
    *("cohort.phantom_voxel_mm=8.0", "network.width=2"),
    *("preparation.grid=[16, 24, 16]", "preparation.voxel_mm=[12, 12, 12]"),
    *(f"{g}.{name}=[16, 24, 16]" for g in ("training", "pretraining") for name in ("patch", "stride")),
)
"""Put over a command's own settings, so that its plan is made in a moment."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
_OPERATORS = re.compile(r"[;&|<>()]+")


def blocks(*languages: str) -> list[str]:
    return [body for text in TEXTS for language, body in _FENCE.findall(text) if language in languages]


def spans() -> list[str]:
    """What stands between backticks in the sentences, each on one line."""
    found = [span for text in TEXTS for span in re.findall(r"`([^`]+)`", _FENCE.sub("", text))]
    return [" ".join(span.split()) for span in found]


def words_of(line: str) -> Iterator[list[str]]:
    """The commands of a line of shell, a list of words each; what is quoted for another shell included."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    is_target = False
    for word in (*lexer, ";"):
        if _OPERATORS.fullmatch(word):
            is_target = ">" in word or "<" in word
            if words and not is_target:
                yield words
                words = []
        elif not is_target:
            words.append(word)
            if "python -m" in word:
                yield from words_of(word)
        else:
            is_target = False


def commands() -> list[str]:
    """Every command, written in one way, so that one that is there twice is tried once."""
    written = "\n".join(blocks("sh", "shell", "bash", "console")).replace("\\\n", " ").splitlines()
    lines = [line.removeprefix("$ ") for line in written if line.strip()]
    lines += [span for span in spans() if re.match(r"(python|pip|ray|mlflow|pytest) ", span)]
    return list(dict.fromkeys(shlex.join(words) for line in lines for words in words_of(line)))


def overrides() -> list[str]:
    """Settings that sentences give, as `--set GROUP.NAME=VALUE` or as `GROUP.NAME=VALUE` alone."""
    groups = "|".join(Settings.__annotations__)
    found = [re.sub(r"^--set ", "", span) for span in spans()]
    return list(dict.fromkeys(s.strip("'") for s in found if re.match(rf"'?({groups})\.\w+=.", s)))


def api_calls() -> list[ast.Call]:
    """Calls of functions of `ablation` in blocks of Python."""
    nodes = [node for block in blocks("python") for node in ast.walk(ast.parse(block))]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [call for call in calls if re.fullmatch(r"ablation\.\w+", ast.unparse(call.func))]


def is_listed(command: str) -> bool:
    return any(command == name or command.startswith(f"{name} ") for name in NOT_RUN)


def test_the_texts_have_commands_and_settings() -> None:
    """Lest a change of their form leaves nothing to try."""
    assert len([command for command in commands() if command.startswith("python -m ablation.")]) > 5
    assert len(overrides()) > 3
    assert len(api_calls()) > 2
    assert blocks("yaml")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, blank_record: Path) -> Path:
    """An output folder, one for all plans: its digital heads are made once."""
    folder = tmp_path_factory.mktemp("readme") / "runs"
    folder.mkdir()
    shutil.copy(blank_record, folder / "mlflow.db")
    return folder


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_texts_can_be_given(command: str, output: Path) -> None:
    words = shlex.split(command)
    if words[:2] != ["python", "-m"]:
        assert is_listed(command), f"{command}: nobody knows whether it works; try it here, or list it"
        return
    module, arguments = words[2], words[3:]
    assert find_spec(module), f"there is no {module}"
    if not module.startswith("ablation."):
        return
    if module == "ablation.run" and "--space" in arguments and not set(arguments) & set(ELSEWHERE):
        sets = [word for override in TINY for word in ("--set", override)]
        given = CliRunner().invoke(run_app, [*arguments, *sets, "--plan", "--output", str(output)])
        assert given.exit_code == 0, given.output
    else:
        parse(module, arguments)


def parse(module: str, arguments: list[str]) -> None:
    """Raises typer's error for an option that the command does not have or a value that it does not take."""
    app = import_module(f"ablation.commands.{module.removeprefix('ablation.')}").app
    with suppress(typer.Exit):  # as after --help
        typer.main.get_command(app).make_context(module, list(arguments))


@pytest.mark.parametrize("call", api_calls(), ids=ast.unparse)
def test_a_call_of_the_texts_fits_the_python_api(call: ast.Call) -> None:
    name = ast.unparse(call.func).removeprefix("ablation.")
    assert name in ablation.__all__
    signature(getattr(ablation, name)).bind(*call.args, **{str(one.arg): one.value for one in call.keywords})


@pytest.mark.parametrize("override", overrides())
def test_a_setting_of_the_texts_is_taken(override: str) -> None:
    assert resolve_settings("demo", {}, "", [override])
    assert resolve_settings("paper", {}, "", [override])


@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_a_search_space_of_the_texts_is_read(tmp_path: Path, number: int) -> None:
    text = blocks("yaml")[number]
    file = tmp_path / "mine.yaml"
    file.write_text(text if "arms:" in text else f"arms: [{{strategy: open}}]\n{text}", encoding="utf-8")
    space = read_space(file)
    assert resolve_settings("demo", space.settings, str(file), ())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "pip install -c c.txt -e '.[test]' && pytest -n 2",
            ["pip install -c c.txt -e '.[test]'", "pytest -n 2"],
        ),
        ("ray up a.yaml >/dev/null; nonsense 'x y'", ["ray up a.yaml", "nonsense 'x y'"]),
        ("ray exec 'cd ~ && python -m ablation.run'", ["cd '~'", "python -m ablation.run"]),
    ],
)
def test_a_line_of_shell_is_taken_apart(line: str, found: list[str]) -> None:
    words = [shlex.join(command) for command in words_of(line)]
    assert [command for command in words if command in found] == found
    assert not is_listed("nonsense 'x y'")
