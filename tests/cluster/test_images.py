"""What the Dockerfile and `cluster/apptainer.def` rely on is there, and holds."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from ablation.sweep.provenance import COMMIT_OF_IMAGE
from tests.cluster.files import CLUSTER, ROOT

DOCKERFILE, APPTAINER, SCRIPT = ROOT / "Dockerfile", CLUSTER / "apptainer.def", CLUSTER / "image.sh"
RECIPES = (DOCKERFILE, APPTAINER)


def text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def instructions_of_docker() -> list[list[str]]:
    """Words of each instruction; a line that ends in a backslash goes on."""
    lines = text_of(DOCKERFILE).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip() and not line.startswith("#")]


def section_of_apptainer(name: str) -> list[str]:
    sections = re.split(r"^%(\w+)\n", text_of(APPTAINER), flags=re.MULTILINE)[1:]
    lines = dict(zip(sections[::2], sections[1::2], strict=True))[name].splitlines()
    return [line.strip() for line in lines if line.strip()]


def copied(recipe: Path) -> list[str]:
    """What of the working tree gets into the image."""
    if recipe == APPTAINER:
        return [line.split()[0] for line in section_of_apptainer("files")]
    return [name for word, *names in instructions_of_docker() if word == "COPY" for name in names[:-1]]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_what_is_copied_is_there_and_kept(recipe: Path) -> None:
    assert "cluster/image.sh" in copied(recipe)
    for name in copied(recipe):
        assert (ROOT / name).exists()
        if (ROOT / ".git").exists():
            asked = subprocess.run(
                ["git", "ls-files", "--", name], cwd=ROOT, capture_output=True, text=True, check=True
            )
            assert asked.stdout, f"{name} is not tracked"


def test_both_have_the_same() -> None:
    assert set(copied(DOCKERFILE)) == set(copied(APPTAINER))


def test_only_that_is_sent_to_docker() -> None:
    """Scans and results in the working tree stay where they are."""
    lines = [line for line in text_of(ROOT / ".dockerignore").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(copied(DOCKERFILE))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_both_install_by_one_script_with_the_pins(recipe: Path) -> None:
    assert re.findall(r"^ *(?:RUN )?sh image.sh (\w+)$", text_of(recipe), re.MULTILINE) == [
        "libraries",
        "project",
    ]
    installs = [line.strip() for line in text_of(SCRIPT).splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all(" -c constraints.txt " in line for line in installs)
    assert subprocess.run(["sh", "-n", SCRIPT], check=False).returncode == 0


def test_it_refuses_another_word(tmp_path: Path) -> None:
    ended = subprocess.run(["sh", SCRIPT, "all"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "image.sh: libraries or project, not all\n")


def test_the_libraries_are_those_of_the_project_and_its_extra(tmp_path: Path) -> None:
    """As the script reads them from pyproject.toml."""
    program = re.search(r"python3 -c '\n(.*?)' > requirements.txt", text_of(SCRIPT), re.DOTALL)
    assert program
    ended = subprocess.run(
        ["python3", "-c", program[1]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"torch", "mlflow", "boto3"} <= {
        re.split(r"[^\w-]", line)[0] for line in ended.stdout.splitlines()
    }
    assert any(line.startswith("ray[default]") for line in ended.stdout.splitlines())


def test_docker_has_an_init_and_a_user_without_rights() -> None:
    """The user by number, as Kubernetes' `runAsNonRoot` needs it."""
    last = {word: rest for word, *rest in instructions_of_docker()}
    number, _, group = last["USER"][0].partition(":")
    assert int(number) > 0
    assert int(group) > 0
    assert f"useradd --uid {number} " in text_of(DOCKERFILE)
    assert re.search(r'^ENTRYPOINT \["tini", "--"\]$', text_of(DOCKERFILE), re.MULTILINE)
    assert re.search(r"apt-get .*install .*\btini\b", text_of(SCRIPT))


def test_docker_needs_no_home() -> None:
    words = [word for instruction, *rest in instructions_of_docker() if instruction == "ENV" for word in rest]
    environment = dict(word.split("=", 1) for word in words)
    for name in ("HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"):
        assert environment[name].startswith("/tmp")
    assert environment["USER"]
    assert environment["PYTHONNOUSERSITE"] == "1"
    # With it the container of a pod that asks for no GPU would see all of the machine.
    assert "NVIDIA_VISIBLE_DEVICES" not in environment


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_pytorch_and_the_commit_are_arguments(recipe: Path) -> None:
    text = text_of(recipe)
    assert re.search(r"^(ARG TORCH_INDEX=| +torch_index=usual)$", text, re.MULTILINE)
    assert re.search(r"^(ARG COMMIT=| +commit=)unknown$", text, re.MULTILINE)
    assert COMMIT_OF_IMAGE in text
    assert "${TORCH_INDEX:+--extra-index-url" in text_of(SCRIPT)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_commands_at_the_top_are_ours(recipe: Path) -> None:
    """Modules, search spaces and options of `docker build` are there."""
    head = text_of(recipe).partition("\n\n")[0]
    modules = re.findall(r"python -m ([\w.]+)", head)
    assert len(modules) == 2
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in modules)
    spaces = re.findall(r"--space (\S+)", head)
    assert len(spaces) == 2
    assert all((ROOT / space).exists() for space in spaces)
    for name in re.findall(r"--build-arg (\w+)=", head):
        assert re.search(rf"^(ARG | +){name}=", text_of(recipe), re.MULTILINE)


@pytest.mark.parametrize("recipe", [*RECIPES, SCRIPT], ids=lambda recipe: recipe.name)
def test_python_is_the_one_of_the_pins(recipe: Path) -> None:
    for version in re.findall(r"python:(\d\.\d+)", text_of(recipe)):
        assert f"Python {version}" in text_of(ROOT / "constraints.txt").splitlines()[0]
