"""The folders of the report import each other downwards."""

import re
from pathlib import Path

import pytest

import ablation.report

ORDER = ("tables", "statistics", "study", "figures", "page", "checklist")
"""The lowest first."""
ROOM = Path(ablation.report.__file__).parent


@pytest.mark.parametrize("folder", ORDER)
def test_a_folder_imports_lower_folders_only(folder: str) -> None:
    allowed = {*ORDER[: ORDER.index(folder) + 1]}
    for file in sorted((ROOM / folder).glob("*.py")):
        imported = set(re.findall(r"ablation\.report\.(\w+)", file.read_text(encoding="utf-8")))
        assert imported <= allowed, f"{file.name} imports {imported - allowed}"


def test_the_report_names_its_folders_in_this_order() -> None:
    assert {path.name for path in ROOM.iterdir() if (path / "__init__.py").exists()} == set(ORDER)
    assert re.findall(r"`(\w+)`", str(ablation.report.__doc__).split("\n\n")[1]) == [*ORDER, "write"]
