"""One name, several files: a plan belongs to the file that it was made of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.names import PLAN_FILE, SPACE_FILE
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord, read_plan
from ablation.record.space_file import file_tags
from t1t2core.errors import InputError

NO_TRIALS = b"trial_key,t2_train_size,fold,seed\n"
ONE, OTHER = "arms: [{strategy: open}]\n", "arms: [{strategy: scratch}]\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def written(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"name: same\n{text}", encoding="utf-8")
        return file

    return written


def run(ledger: Ledger, file: Path, opened: int) -> str:
    """The parent run of a plan made of the file as it is now."""
    parent = ledger.open_plan(ledger.experiment("same"), f"plan {opened}", "same", file_tags(file))
    ledger.client.set_tag(parent, "opened", str(opened))
    ledger.keep_files(parent, {PLAN_FILE: NO_TRIALS, SPACE_FILE: file.read_bytes()})
    return parent


def parent_of(plan: PlanRecord) -> str:
    return str(plan.parent.info.run_id)


def test_the_plan_of_a_file_is_told_and_not_the_last_of_its_name(
    ledger: Ledger, write: Callable[[str, str], Path]
) -> None:
    a, b = write("a.yaml", ONE), write("b.yaml", OTHER)
    of_a, of_b = run(ledger, a, 2_000_000_001), run(ledger, b, 2_000_000_002)
    assert parent_of(read_plan(ledger, "same", a)) == of_a
    assert parent_of(read_plan(ledger, "same", b)) == of_b
    assert parent_of(read_plan(ledger, "same")) == of_b


def test_a_file_that_is_edited_or_copied_keeps_its_plan(
    ledger: Ledger, write: Callable[[str, str], Path]
) -> None:
    a = write("a.yaml", ONE)
    before = run(ledger, a, 2_000_000_001)
    after = run(ledger, write("a.yaml", f"{ONE}seeds: [1]\n"), 2_000_000_002)
    assert parent_of(read_plan(ledger, "same", a)) == after
    assert parent_of(read_plan(ledger, "same", write("a.yaml", f"{ONE}seeds: [2]\n"))) == after
    assert parent_of(read_plan(ledger, "same", write("elsewhere/copy.yaml", ONE))) == before
    with pytest.raises(InputError, match=rf"b\.yaml: same is the name of another .*{a}; give this one"):
        read_plan(ledger, "same", write("b.yaml", OTHER))


def test_of_plans_that_do_not_tell_their_file_the_one_with_its_content_else_the_last(
    ledger: Ledger, write: Callable[[str, str], Path]
) -> None:
    a, b = write("a.yaml", ONE), write("b.yaml", OTHER)
    of_a, of_b = run(ledger, a, 2_000_000_001), run(ledger, b, 2_000_000_002)
    for parent in (of_a, of_b):
        for tag in file_tags(a):
            ledger.client.delete_tag(parent, tag)
    assert parent_of(read_plan(ledger, "same", a)) == of_a
    assert parent_of(read_plan(ledger, "same", write("a.yaml", "arms: [{strategy: augmented}]\n"))) == of_b
