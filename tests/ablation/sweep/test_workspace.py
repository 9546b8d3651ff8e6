"""What a command was asked for becomes what it works with, all of it checked."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablation.plan.plan import make_plan, recipes_of
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from ablation.sweep.provenance import plan_tags
from ablation.sweep.workspace import Request, Workspace, open_workspace
from t1t2core.errors import InputError
from t1t2core.network.segmenter import Segmenter
from t1t2core.training.compute import Device, device_here
from tests.conftest import Record

SMOKE = Path(__file__).parents[3] / "search_spaces" / "smoke.yaml"
Open = Callable[..., Workspace]


@pytest.fixture
def open_it(tmp_path: Path, add_record: Callable[[Path], Record], tiny_heads: Path) -> Open:
    """Opens a workspace; what is not given is the smoke space on six heads."""

    def opened(output: str = "runs", **asked: Any) -> Workspace:
        add_record(tmp_path / output)
        given = {"space": SMOKE, "cohort": str(tiny_heads), "preset": "demo", "output": tmp_path / output}
        return open_workspace(Request(**given | asked))  # type: ignore[arg-type]

    return opened


def keys_of(workspace: Workspace) -> list[str]:
    """Of all trials, as if their pretrained networks were there."""
    recipes = recipes_of(workspace.points, workspace.study)
    plan = make_plan(workspace.points, workspace.study, dict.fromkeys(recipes, "encoder"))
    return [trial.key for trial in plan]


def test_it_has_the_trials_the_cohort_and_a_folder(open_it: Open, tmp_path: Path) -> None:
    workspace = open_it()
    assert len(workspace.points) == 3
    assert len(workspace.cohort.subjects) == 6
    assert workspace.folder == tmp_path / "runs" / "smoke"
    assert workspace.settings.network.width == 2
    assert workspace.storage.address == str(tmp_path / "runs" / "store")
    assert workspace.ledger.tracking_uri == f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
    assert workspace.study.precision in ("float32", "bfloat16")
    assert workspace.address == "local"


def test_who_is_left_out_is_said(
    tmp_path: Path,
    add_record: Callable[[Path], Record],
    tiny_heads: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "ablation")
    add_record(tmp_path / "runs")
    heads = shutil.copytree(tiny_heads, tmp_path / "heads")
    for scan in heads.glob("sub-*/anat/*_T1w.nii.gz"):
        has_t2w = scan.with_name(scan.name.replace("T1w", "T2w")).exists()
        scan.rename(scan.with_name(scan.name.replace("_T1w", f"_run-{1 if has_t2w else 2}_T1w")))
    asked = Request(
        space=SMOKE, cohort=str(heads), preset="demo", output=tmp_path / "runs", overrides=("cohort.run=1",)
    )
    workspace = open_workspace(asked)
    assert len(workspace.cohort.subjects) == 4
    assert len(workspace.cohort.left_out) == 2
    assert [line for line in caplog.messages if line.startswith("left out")] == [
        f"left out: {name}: no T1w of run 1 (has 2)" for name in workspace.cohort.left_out
    ]


def test_what_each_fold_tests_is_said_where_one_site_is_left_out(
    open_it: Open, tiny_heads: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A site of one patient is a fold all the same, with a warning."""
    caplog.set_level("INFO", "ablation")
    heads = shutil.copytree(tiny_heads, tmp_path / "heads")
    with_t2w = sorted(scan.parts[-3] for scan in heads.glob("sub-*/anat/*_T2w.nii.gz"))
    sites = {**{path.name: "Bern" for path in heads.glob("sub-*")}, "sub-99": "Graz"}
    sites |= dict.fromkeys(with_t2w[:2], "Graz") | {with_t2w[2]: "Doha"}
    rows = ["participant_id\tsite", *(f"{name}\t{site}" for name, site in sites.items())]
    (heads / "participants.tsv").write_text("\n".join(rows), encoding="utf-8")
    space = tmp_path / "sites.yaml"
    text = SMOKE.read_text(encoding="utf-8").replace("cohort: {", "cohort: {leave_one_out: site, ")
    space.write_text(
        text.replace("folds: [1]", "folds: [2]").replace("t2_train_size: [2]", "t2_train_size: [1]")
    )
    workspace = open_it(space=space, cohort=str(heads))
    assert workspace.study.split(2).t2.test == (with_t2w[2],)
    told = [line for line in caplog.messages if "fold" in line]
    assert told == [
        "participants.tsv has subjects without a folder: sub-99",
        "fold 1 would test Bern: it is not among the folds of the space",
        "fold 2 tests Doha: 1 patient, who weighs as much as a whole fold",
        "fold 3 would test Graz: it is not among the folds of the space",
    ]


def test_a_cohort_of_ones_own_gets_the_settings_of_the_study(open_it: Open) -> None:
    overrides = ("preparation.grid=[128, 128, 48]",)
    assert open_it(preset=None, overrides=overrides).settings.training.batch_size == 2
    assert open_it(preset=None, overrides=overrides).settings.training.schedule == "plateau"
    assert open_it(preset="demo").settings.training.schedule == "one_cycle"


def test_where_and_how_it_runs_does_not_change_what_a_trial_is_called(open_it: Open, tmp_path: Path) -> None:
    text = SMOKE.read_text(encoding="utf-8").replace("name: smoke", "name: another")
    renamed = tmp_path / "another.yaml"
    renamed.write_text(f"{text}\nresources: {{cpus: 0.5, gpus: 0}}\n")
    keys = keys_of(open_it())
    assert len({*keys}) == 3
    assert keys_of(open_it("elsewhere", space=renamed, max_concurrent=1, rerun=True)) == keys
    assert keys_of(open_it("elsewhere", storage=str(tmp_path / "bucket"))) == keys
    assert keys_of(open_it(overrides=("evaluation.pictures=0",))) == keys
    assert not set(keys_of(open_it(overrides=("cohort.split_seed=1",)))) & set(keys)


def test_addresses_are_taken_from_the_environment_where_none_is_given(
    open_it: Open, tmp_path: Path, add_record: Callable[[Path], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = add_record(tmp_path / "shared").uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shared)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert open_it().ledger.tracking_uri == shared
    assert open_it().address == "10.0.0.1:6379"
    own = add_record(tmp_path / "own").uri
    assert open_it(tracking_uri=own).ledger.tracking_uri == own
    assert open_it(address="local").address == "local"


def test_the_arithmetic_is_that_of_the_cluster_that_computes(open_it: Open) -> None:
    here = open_it()
    cluster = open_it(address="10.0.0.1:6379")
    old, new = (cluster.on(Device(kind="cuda", bfloat16=able)) for able in (False, True))
    assert (old.study.precision, new.study.precision) == ("float32", "bfloat16")
    assert keys_of(old) != keys_of(new), "other arithmetic, other trials"
    assert keys_of(here) == keys_of(here.on(device_here(kind="cpu")))


def test_small_patches_in_bfloat16_are_refused_by_the_cluster_without_gpus_only(open_it: Open) -> None:
    wanted = ("training.precision=bfloat16",)  # smoke.yaml has patches of 16 voxels
    with pytest.raises(InputError, match="at least 24 voxels"):
        open_it(overrides=wanted)
    cluster = open_it(overrides=wanted, address="10.0.0.1:6379")
    assert cluster.on(Device(kind="cuda", bfloat16=True)).study.precision == "bfloat16"
    with pytest.raises(InputError, match="at least 24 voxels"):
        cluster.on(Device(kind="cpu", bfloat16=True))


@pytest.mark.parametrize("name", ["smoke", "pretraining"])
def test_an_experiment_that_was_deleted_is_seen_before_anything_is_done(
    name: str, open_it: Open, tmp_path: Path, add_record: Callable[[Path], Record]
) -> None:
    ledger = add_record(tmp_path / "deleted").open()
    number = ledger.experiment(name)
    ledger.client.delete_experiment(number)
    refusal = rf"experiment {name} was deleted .*`MLFLOW_TRACKING_URI=.* --experiment-id {number}`"
    with pytest.raises(InputError, match=refusal):
        open_it("shared", tracking_uri=ledger.tracking_uri)
    ledger.client.restore_experiment(number)
    assert open_it("shared", tracking_uri=ledger.tracking_uri).points


def test_a_name_that_stands_for_another_space_is_refused(open_it: Open, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.yaml", tmp_path / "theirs.yaml"
    text = SMOKE.read_text(encoding="utf-8")
    theirs.write_text(text, encoding="utf-8")
    mine.write_text(text.replace("[fc, 9]", "[3]"), encoding="utf-8")
    workspace = open_it(space=theirs)
    number = workspace.ledger.experiment("smoke")
    workspace.ledger.open_plan(number, "plan", "smoke", plan_tags(workspace))
    again = {"tracking_uri": workspace.ledger.tracking_uri}
    with pytest.raises(InputError, match=rf"mine\.yaml: smoke is the name of another .*{theirs}"):
        open_it("other", space=mine, **again)
    assert not (tmp_path / "other" / "smoke").exists()
    assert open_it("other", space=SMOKE, **again).points, "the same content elsewhere"
    theirs.write_text(text.replace("[fc, 9]", "[fc, 9, 12]"), encoding="utf-8")
    assert open_it("other", space=theirs, **again).points, "the same file, edited"


@pytest.mark.parametrize("output", ["q?x=1", "a%20b"])
def test_an_output_folder_that_mlflow_would_misread_is_refused_and_not_made(
    output: str, tmp_path: Path, tiny_heads: Path
) -> None:
    request = Request(space=SMOKE, cohort=str(tiny_heads), output=tmp_path / "there" / output)
    with pytest.raises(InputError, match="the record cannot lie at"):
        open_workspace(request)
    assert not (tmp_path / "there").exists()


def test_digital_heads_are_made_once(
    tmp_path: Path, add_record: Callable[[Path], Record], caplog: pytest.LogCaptureFixture
) -> None:
    add_record(tmp_path)
    caplog.set_level("INFO", "ablation")
    overrides = ("cohort.phantom_subjects=6", "cohort.phantom_t2w=4", "cohort.phantom_voxel_mm=6")
    request = Request(space=SMOKE, output=tmp_path, overrides=overrides)
    first = open_workspace(request)
    assert caplog.messages == [
        f"making 6 digital heads in {tmp_path / 'phantom' / '6-heads-4-T2w-6-mm'}",
        "checking 16 scans of Digital head phantoms: simulated T1w, T2w and CT",
    ]
    assert first.cohort.simulated
    assert open_workspace(request).cohort.fingerprint == first.cohort.fingerprint
    assert len(caplog.messages) == 2


# A pretrained network that the user names


def publish(workspace: Workspace, storage: str, *, training: tuple[str, ...]) -> str:
    recipe = replace(workspace.study.recipe(1), training=training, validation=())
    weights = Segmenter(workspace.settings.network, seed=0).state_dict()
    return EncoderStore(Storage(storage)).publish(weights, recipe, {})


def test_a_named_encoder_serves_every_fold(open_it: Open, tmp_path: Path) -> None:
    workspace = open_it()
    digest = publish(workspace, workspace.storage.address, training=("somebody else",))
    recipes = recipes_of(workspace.points, workspace.study)
    assert workspace.known_encoders(recipes) == {}
    assert open_it(encoder=digest).known_encoders(recipes) == dict.fromkeys(recipes, digest)


def test_an_encoder_that_has_seen_the_test_patients_is_refused(open_it: Open) -> None:
    workspace = open_it()
    tested = workspace.study.split(1).t2.test[0]
    digest = publish(workspace, workspace.storage.address, training=("somebody else", tested))
    recipes = recipes_of(workspace.points, workspace.study)
    with pytest.raises(InputError, match=f"patients that are tested here: {tested}; use another, or"):
        open_it(encoder=digest).known_encoders(recipes)
    allowed = open_it(encoder=digest, overrides=("cohort.overlap=as_published",))
    assert list(allowed.known_encoders(recipes).values()) == [digest]


def test_a_request_tells_the_command_that_asks_for_the_same() -> None:
    """Whoever asked: a command, a notebook. Secrets in addresses are left out."""
    assert (
        Request(space=Path("a b.yaml")).command == "python -m ablation.run --space 'a b.yaml' --output runs"
    )
    request = Request(
        space=SMOKE,
        cohort="heads",
        preset="paper",
        overrides=("training.max_epochs=3", "network.width=2"),
        tracking_uri="http://me:secret@host",
        max_concurrent=2,
        rerun=True,
    )
    assert request.command == (
        f"python -m ablation.run --space {SMOKE} --cohort heads --preset paper --output runs "
        "--tracking-uri http://host --max-concurrent 2 "
        "--set training.max_epochs=3 --set network.width=2 --rerun"
    )
