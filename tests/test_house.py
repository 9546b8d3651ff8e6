"""The promises that the repository makes about itself: commands, pins, links and what may import what."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from importlib.util import resolve_name
from pathlib import Path

import pytest

from ablation.commands import doors
from t1t2core.strategies import STRATEGIES

ROOT = Path(__file__).parents[1]
ROOMS = (
    "names",
    "compat",
    "space",
    "plan",
    "store",
    "worker",
    "record",
    "search",
    "sweep",
    "report",
    "models",
    "api",
    "commands",
)
"""Of the experiment system, the lowest first: a room imports those before it only."""
DOORS = (
    *("ablation.run", "ablation.pretrain", "ablation.segment", "ablation.doctor", "ablation.check"),
    "ablation.report.__main__",
)
"""`python -m` any of these: a few lines each."""
PACKAGES = ("ablation", "t1t2core")
OUTSIDE_SCIENCE = {"ablation", "mlflow", "pyarrow", "ray", "yaml"}
STEPS = (
    "cohort",
    "preparation",
    "network",
    "training",
    "evaluation",
    "experiment",
    "strategies",
    "trial",
)
"""Of the science, in the order in which data flows: a step imports earlier ones only. A strategy comes late
since it makes its own experiment out of networks, training and scores, none of which knows of strategies."""
GROUND = {"errors", "files", "presets", "seeds", "settings", "version"}
"""Under all steps: imports none of them."""
NAME_THE_STUDYS = {"ablation/sweep/workspace.py": "the folder of the phantom is named by what it simulates"}
"""Files of the experiment system that name the study's sequences or classes as defaults, and why."""
DOCUMENTS = sorted(path.relative_to(ROOT) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
MOST_LINES_OF_README = 200


def test_ci_runs_the_readmes_test_command() -> None:
    """What a reader is told to type is what is checked."""
    commands = [line.strip() for line in _shell_lines() if "&& pytest" in line]
    steps = [
        line.removeprefix("run ") for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    ]
    assert len(commands) == 1
    positions = [steps.index(command) for command in commands[0].split(" && ")]
    assert positions == sorted(positions)
    assert positions[-1] == len(steps) - 1


def test_readmes_search_spaces_are_there() -> None:
    spaces = re.findall(r"--space (\S+)", "\n".join(_shell_lines()))
    assert "search_spaces/conservative.yaml" in spaces
    assert [path for path in spaces if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_what_a_document_links_to_is_there(document: Path) -> None:
    links = [link for link in _links(document) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not _is_there(document, link)] == []


def test_the_readme_is_short_and_leads_to_every_document() -> None:
    assert len(_readme().splitlines()) <= MOST_LINES_OF_README
    documents = {str(path) for path in DOCUMENTS if path.name != "README.md"}
    assert {*documents, "LICENSE", "CITATION.cff"} <= set(_links(Path("README.md")))


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name != "PERFORMANCE.md"], ids=str)
def test_commits_are_named_in_performance_md_only(document: Path) -> None:
    """There each figure stands with the state of the code that it is of."""
    words = re.findall(r"\b[0-9a-f]{7,40}\b", _text(document))
    assert [word for word in words if re.search("[a-f]", word) and re.search("[0-9]", word)] == []


@pytest.mark.parametrize(("package", "rooms"), [("ablation", ROOMS), ("t1t2core", STEPS)])
def test_the_architecture_lists_the_rooms_in_the_order_of_imports(
    package: str, rooms: tuple[str, ...]
) -> None:
    text = _text(Path("docs/architecture.md"))
    listed = re.findall(rf"^\| \[[^]]+\]\(\.\./{package}/(\w+)(?:\.py)?\)", text, flags=re.MULTILINE)
    assert tuple(listed) == rooms


def test_what_contributing_says_to_change_is_there() -> None:
    named = re.findall(
        r"`((?:ablation|t1t2core|tests|docs|cluster)/[\w./]*)`", _text(Path("CONTRIBUTING.md"))
    )
    assert len(named) > 20
    assert [path for path in named if "NAME" not in path and not (ROOT / path).exists()] == []


def test_every_test_that_the_reproduction_names_is_there() -> None:
    """A reviewer can run what is said to show a point."""
    text = (ROOT / "docs/reproduction.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+\.py)(?:::(\w+))?`", text))
    assert len(named) > 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not any(f"def {name}" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file))
    ]
    assert missing == ["test_labels.py::test_x"]  # the example


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no checkout")
def test_only_what_belongs_here_is_kept() -> None:
    """What a run leaves in the working tree is easily added by mistake."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {name.partition("/")[0] for name in listed.splitlines() if "/" in name}
    assert folders == {".ci", "ablation", "cluster", "docs", "search_spaces", "t1t2core", "tests"}


def test_every_pin_is_one_exact_version() -> None:
    assert [pin for pin in _pins() if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    names = [_canonical(pin) for pin in _pins()]
    assert len(names) == len(set(names))


def test_every_direct_dependency_is_pinned() -> None:
    assert _declared("dependencies") | _declared("test") <= {_canonical(pin) for pin in _pins()}


def test_each_command_is_a_console_script_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commands = [door.removesuffix(".__main__").rpartition(".")[2] for door in DOORS]
    assert project["scripts"] == {f"t1t2-{name}": f"ablation.commands.doors:{name}" for name in commands}
    assert [name for name in commands if not callable(getattr(doors, name))] == []


def test_every_import_of_a_library_is_declared() -> None:
    """Nothing is used that is only there because another library brings it."""
    code = {name for package in PACKAGES for path in _files(package) for name in _top_levels(path)}
    tests = {name for path in _files("tests") for name in _top_levels(path)}
    assert _undeclared(code, _declared("dependencies") | _declared("onnx")) == set()
    assert _undeclared(tests, _declared("dependencies") | _declared("test")) == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_in_no_circle(package: str) -> None:
    graph = {module: imported & set(_graph(package)) for module, imported in _graph(package).items()}
    assert any(graph.values())
    TopologicalSorter(graph).prepare()  # raises CycleError and names the circle


def test_the_science_knows_nothing_of_the_experiment_system() -> None:
    findings = {
        str(path.relative_to(ROOT)): sorted(found)
        for path in _files("t1t2core")
        if (found := _top_levels(path) & OUTSIDE_SCIENCE)
    }
    assert findings == {}


def test_the_science_imports_earlier_steps_only() -> None:
    findings = [
        f"{module} imports {imported}"
        for module, all_imported in _graph("t1t2core").items()
        for imported in all_imported & set(_graph("t1t2core"))
        if module != "t1t2core" and _step(imported) > _step(module)
    ]
    assert findings == []


def test_only_strategies_and_the_studys_tables_name_a_strategy() -> None:
    """What differs between strategies is asked of them. `open` is a word of its own and cannot be told."""
    names = set(STRATEGIES) - {"open"}
    findings = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for package in PACKAGES
        for path in _files(package)
        if not path.is_relative_to(ROOT / "t1t2core/strategies")
        and not path.is_relative_to(ROOT / "ablation/report")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert findings == []


def test_the_system_says_what_a_cohorts_sequences_and_classes_are_called() -> None:
    """The study's are defaults: their names stand with its tables and claims, and where nothing else can be.

    Elsewhere they are `SOURCE` and `TARGET`, `Sequences.suffix`, and the names of `Classes`.
    """
    findings = [
        f"{place}:{number} {line.strip()}"
        for path in _files("ablation")
        if not path.is_relative_to(ROOT / "ablation/report/study")
        if (place := path.relative_to(ROOT).as_posix()) not in NAME_THE_STUDYS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\b(T1|T2|T1w|T2w|bone|air|soft_tissue)\b", line)
    ]
    assert findings == []


def test_a_room_imports_lower_rooms_only() -> None:
    graph = _graph("ablation")
    findings = [
        f"{module} imports {imported}"
        for module, all_imported in graph.items()
        for imported in all_imported & set(graph)
        if module not in ("ablation", *DOORS) and _room(imported) > _room(module)
    ]
    assert findings == []


def test_folders_of_a_room_import_each_other_in_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for module, all_imported in {**_graph("ablation"), **_graph("t1t2core")}.items():
        for imported in all_imported & (set(_graph("ablation")) | set(_graph("t1t2core"))):
            if _folder(imported) != _folder(module):
                graph.setdefault(_folder(module), set()).add(_folder(imported))
    graph = {folder: found for folder, found in graph.items() if folder not in PACKAGES}
    TopologicalSorter(graph).prepare()  # raises CycleError and names the circle


def test_no_test_imports_a_test() -> None:
    """What tests share is in `tests/builders`."""
    graph = _graph("tests").items()
    found = {module: [name for name in imported if ".test_" in f".{name}"] for module, imported in graph}
    assert {module: tests for module, tests in found.items() if tests} == {}


def test_each_room_says_what_it_is_for() -> None:
    for folder in sorted({path.parent for package in PACKAGES for path in _files(package)}):
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert text, f"{folder}/__init__.py has no sentence"


def test_a_stranger_maps_each_package_in_ten_minutes() -> None:
    most = {"ablation": 20, "t1t2core": 16}
    for package, number in most.items():
        entries = [path.name for path in (ROOT / package).iterdir() if path.name != "__pycache__"]
        assert len(entries) <= number, sorted(entries)


def test_files_and_functions_are_short() -> None:
    """A function fits on a screen; the compiled kernels are told in one piece."""
    kernels = ROOT / "t1t2core/network/kernels.py"
    paths = [path for package in PACKAGES for path in _files(package) if path != kernels]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    assert [path for path, text in texts.items() if text.count("\n") > 400] == []
    assert [
        f"{path}: {node.name}"
        for path, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 45
    ] == []


def test_a_worker_imports_no_mlflow() -> None:
    """It would take each of them two seconds, and some hundred megabytes."""
    modules = ", ".join(_module(path) for path in _files("ablation/worker"))
    look = f"import sys, {modules}; print('mlflow' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_changes_no_environment_variable_and_loads_no_library(package: str) -> None:
    look = (
        f"import os, sys; before = dict(os.environ); import {package}; "
        "print(dict(os.environ) == before, {'torch', 'ray', 'mlflow', 'pandas', 'numpy'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "True set()"


def test_what_draws_a_report_imports_no_torch() -> None:
    """It would take a report's second process two seconds before it draws anything."""
    look = "import sys, ablation.report.figures.all; print({'torch', 'ray', 'mlflow'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def _readme() -> str:
    """Without its comments, which wait for what is not there yet."""
    return re.sub(r"<!--.*?-->", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def _text(document: Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def _links(document: Path) -> list[str]:
    text = _text(document)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)


def _is_there(document: Path, link: str) -> bool:
    """Whether a document's link leads to a file, and to a heading in it if it names one."""
    file, _, anchor = link.partition("#")
    target = (ROOT / document).parent / file if file else ROOT / document
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(file: Path) -> set[str]:
    """Names that a file's headings have in links."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _shell_lines() -> list[str]:
    blocks = re.findall(
        r"^```(?:sh|shell|bash|console)\n(.*?)^```", _readme(), flags=re.DOTALL | re.MULTILINE
    )
    return [line for block in blocks for line in block.splitlines()]


def _pins() -> list[str]:
    return [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]


def _declared(group: str) -> set[str]:
    """Names of the direct dependencies: those of the product, or of one of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {_canonical(line) for line in project.get(group) or project["optional-dependencies"][group]}


def _canonical(requirement: str) -> str:
    """The library's name alone, spelt as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def _undeclared(imported: set[str], declared: set[str]) -> set[str]:
    owners = packages_distributions()
    ours = {*PACKAGES, "tests", *sys.stdlib_module_names}
    return {
        name
        for name in imported - ours
        if not {_canonical(owner) for owner in owners.get(name, [name])} & declared
    }


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _graph(package: str) -> dict[str, set[str]]:
    """Every module of a package and all that it imports, wherever in the file."""
    return {_module(path): set(_imports(path)) - {_module(path)} for path in _files(package)}


def _imports(path: Path) -> Iterator[str]:
    """Dotted names: for `from a.b import c` the module `a.b.c` if there is one, else `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = _module(path) if path.name == "__init__.py" else _module(path).rpartition(".")[0]
            source = resolve_name("." * node.level + (node.module or ""), here)
            for alias in node.names:
                yield f"{source}.{alias.name}" if _is_module(f"{source}.{alias.name}") else source


def _is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def _top_levels(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in _imports(path)}


def _room(module: str) -> int:
    """Place of a module of the experiment system in the order of `ROOMS`."""
    parts = module.split(".")
    assert len(parts) > 1, f"{module} is imported from inside"
    assert parts[1] in ROOMS, f"{module} has no place among the rooms {ROOMS}"
    return ROOMS.index(parts[1])


def _folder(module: str) -> str:
    """The folder that a module lies in, as a dotted name; a package lies in itself."""
    is_package = (ROOT.joinpath(*module.split(".")) / "__init__.py").is_file()
    return module if is_package else module.rpartition(".")[0]


def _step(module: str) -> int:
    """Place of a module of the science in the order of `STEPS`, -1 under them all."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] in GROUND:
        return -1
    assert parts[1] in STEPS, f"{module} has no place among the steps {STEPS}"
    return STEPS.index(parts[1])
