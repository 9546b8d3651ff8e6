"""Everything that a command works with, checked before anything is spent."""

import logging
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ablation.compat import cores
from ablation.plan.plan import preparations_of, recipes_of
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.record.database import ARTIFACTS
from ablation.record.ledger import Ledger, asked_address, record_address
from ablation.record.pretraining import EXPERIMENT as PRETRAINING
from ablation.record.served import served_record
from ablation.record.space_file import plan_of_file
from ablation.search.candidates import candidates_of, check_candidates
from ablation.space.configuration import resolve_settings
from ablation.space.design import Design
from ablation.space.points import Point, expand, named_by_change
from ablation.space.resources import Recovery, Resources
from ablation.space.search_settings import Budget, Search, epoch_findings, objective_findings
from ablation.space.space import Space, read_space
from ablation.store.foreign import adopt_foreign
from ablation.store.pretrained import EncoderStore
from ablation.store.processes import helpers
from ablation.store.storage import Storage, public
from ablation.sweep.cluster import LOCAL
from ablation.sweep.variants import (
    check_given,
    check_number,
    check_overrides,
    check_primary,
    check_settings,
    check_variants,
)
from t1t2core.cohort.check import Examined, Task, check_cohort
from t1t2core.cohort.known_scans import KnownScans
from t1t2core.cohort.phantom import write_phantom
from t1t2core.cohort.read import read_cohort
from t1t2core.cohort.roles import FoldSplit
from t1t2core.cohort.split import check_request, draw_splits, held_out
from t1t2core.cohort.subject import Cohort
from t1t2core.errors import InputError
from t1t2core.presets import PresetName
from t1t2core.settings import CohortSettings, PreparationSettings, Settings
from t1t2core.training.compute import Device, device_here

PHANTOM = "phantom"
SCANS_FILE = "scans.json"
"""Under the output folder: which scans were checked before."""
SMALL_BYTES = 10_000_000
"""Of scans that are checked in less time than other processes take to start."""
NO_SPACE = Space(
    name=PRETRAINING,
    arms=(),
    settings={},
    design=Design(),
    resources=Resources(),
    recovery=Recovery(),
    search=Search(),
    budget=Budget(),
    source=Path(),
)
"""Where a command needs none."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command was asked for; the fields are its options (see README)."""

    space: Path | None
    cohort: str = PHANTOM
    preset: PresetName | None = None
    overrides: tuple[str, ...] = ()
    output: Path = Path("runs")
    storage: str | None = None
    encoder: str | None = None
    pretrained: Path | None = None
    tracking_uri: str | None = None
    address: str | None = None
    max_concurrent: int | None = None
    rerun: bool = False
    join: bool = False

    @property
    def command(self) -> str:
        """The command that asks for the same, without what is left at its default."""
        given = {
            "--space": self.space,
            "--cohort": None if self.cohort == PHANTOM else self.cohort,
            "--preset": self.preset,
            "--output": self.output,
            "--storage": self.storage,
            "--encoder": self.encoder,
            "--pretrained": self.pretrained,
            "--tracking-uri": self.tracking_uri,
            "--address": self.address,
            "--max-concurrent": self.max_concurrent,
        }
        words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        words += [word for override in self.overrides for word in ("--set", override)]
        words += ["--rerun"] if self.rerun else []
        words += ["--join"] if self.join else []
        return public(shlex.join(["python", "-m", "ablation.run", *words]))

    @property
    def is_served(self) -> bool:
        """Whether one of the drivers that share the output folder serves the record to all."""
        return self.join and not asked_address(self.tracking_uri)

    @property
    def ray_address(self) -> str:
        """Address of the Ray cluster: the given one, that of the environment, or this machine."""
        return self.address or os.environ.get("RAY_ADDRESS") or LOCAL


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A request, resolved: nothing in it is unchecked."""

    request: Request
    space: Space
    preset: PresetName
    settings: Settings
    storage: Storage
    ledger: Ledger
    cohort: Cohort
    study: Study
    points: tuple[Point, ...]

    @property
    def folder(self) -> Path:
        """Folder for the space's tables and report."""
        return self.request.output / self.space.name

    @property
    def address(self) -> str:
        """Address of the Ray cluster."""
        return self.request.ray_address

    def on(self, device: Device) -> "Workspace":
        """Return the same with trials computed on this device.

        Raises:
            InputError: it cannot compute what the settings ask for.
        """
        study = replace(self.study, device=device)
        check_variants(self.points, study, self.space.source)
        return replace(self, study=study)

    @property
    def preparations(self) -> list[PreparationSettings]:
        """Return the settings that volumes are needed of."""
        return preparations_of(self.points, self.study) or [self.settings.preparation]

    @cached_property
    def encoders(self) -> EncoderStore:
        """Pretrained networks in the run's storage."""
        return EncoderStore(self.storage)

    def given_encoder(self) -> str | None:
        """Return the digest of the pretrained network that the user chose, copied into storage if need be."""
        wanted = self.request.encoder
        return None if wanted is None else self.encoders.adopt(wanted, len(self.settings.classes))

    def known_encoders(self, recipes: list[EncoderRecipe]) -> dict[EncoderRecipe, str]:
        """Return the digests of the pretrained networks that are there already."""
        given = self.given_encoder()
        if given is not None:
            self._check(given)
            return dict.fromkeys(recipes, given)
        return {recipe: digest for recipe in recipes if (digest := self.encoders.find(recipe))}

    def _check(self, digest: str) -> None:
        """Refuse a pretrained network that does not fit, or has seen test patients though it must not."""
        seen = self.encoders.fetch(digest, self.settings.network, len(self.settings.classes)).seen
        if self.settings.cohort.overlap == "as_published":
            return
        folds = {point.fold for point in self.points}
        tested = {name for split in self.study.splits if split.fold in folds for name in split.t2.test}
        if leaked := sorted(seen & tested):
            raise InputError(
                f"--encoder {digest}: it was trained on or chosen by patients that are tested here: "
                f"{', '.join(leaked)}; use another, or `cohort: {{overlap: as_published}}` to allow it"
            )


def open_workspace(request: Request) -> Workspace:
    """Read and check all that the request names, the cheap things first.

    Raises:
        InputError: something cannot be used.
    """
    space = read_space(request.space) if request.space else NO_SPACE
    preset: PresetName = request.preset or ("demo" if request.cohort == PHANTOM else "paper")
    settings = resolve_settings(preset, space.settings, str(space.source), request.overrides)
    space = replace(space, search=space.search.going_by(settings.evaluation.choose_by, settings.classes))
    space = named_by_change(space, settings)
    check_settings(settings)
    check_overrides(space, request.overrides)
    _check_search(space, settings)
    address = _record_of(request)
    check_output(request.output)
    if (folder := request.output / space.name).exists():
        check_output(folder)
    storage = _open_storage(request)
    request = _with_foreign(request, settings, storage)
    ledger = Ledger(address, request.output / ARTIFACTS, shares_files=request.is_served)
    _check_names(ledger, space)
    cohort = _read_cohort(request, settings.cohort)
    splits = draw_splits(cohort, settings.cohort)
    points = expand(space, settings, pretrained=request.encoder is not None)
    check_folds(cohort, settings.cohort, splits, points)
    cohort = examine_cohort(cohort, request.output)
    study = Study(
        settings=settings,
        device=_first_device(request, space.resources),
        cohort_fingerprint=cohort.fingerprint,
        splits=splits,
    )
    _check_points(points, study, space, request)
    return Workspace(
        request=request,
        space=space,
        preset=preset,
        settings=settings,
        storage=storage,
        ledger=ledger,
        cohort=cohort,
        study=study,
        points=points,
    )


def _open_storage(request: Request) -> Storage:
    storage = Storage(request.storage or str(request.output / "store"))
    storage.check()
    return storage


def _with_foreign(request: Request, settings: Settings, storage: Storage) -> Request:
    """Return the request with the digest of the weights that the user brought, which are stored."""
    if request.pretrained is None:
        return request
    if request.encoder is not None:
        raise InputError("--pretrained and --encoder both give the pretrained network; leave out one")
    classes = len(settings.classes)
    digest = adopt_foreign(EncoderStore(storage), request.pretrained, settings.network, classes)
    log.warning(f"--pretrained {request.pretrained}: whom it was trained on is not known; it is {digest}")
    return replace(request, encoder=digest, pretrained=None)


def _record_of(request: Request) -> str:
    """Return MLflow's address; that of a record which many drivers share is served by one of them."""
    address = record_address(request.output, request.tracking_uri)
    if request.is_served:
        check_output(request.output)
        return served_record(request.output).address
    return address


def check_folds(
    cohort: Cohort, settings: CohortSettings, splits: Sequence[FoldSplit], points: Sequence[Point]
) -> None:
    """Refuse folds and training sizes that there are not, and tell what each fold tests if it is a value."""
    tested, folds = list(held_out(cohort, settings)), {point.fold for point in points}
    check_request(splits, sorted(folds), [p.t2_train_size for p in points if p.t2_train_size], tested=tested)
    for split, value in zip(splits, tested, strict=False):
        number = len(split.t2.test)
        if folds and split.fold not in folds:
            log.warning(f"fold {split.fold} would test {value}: it is not among the folds of the space")
        elif number == 1:
            log.warning(f"fold {split.fold} tests {value}: 1 patient, who weighs as much as a whole fold")
        else:
            log.info(f"fold {split.fold} tests {value}: {number} patients")


def _check_points(points: Sequence[Point], study: Study, space: Space, request: Request) -> None:
    """Refuse settings that do not go together, and more pretrained networks than can be meant."""
    study.precision_of(study.settings)  # also where no point is asked for, as by pretraining without a space
    check_variants(points, study, space.source)
    check_primary(points, space, study.settings.classes)
    if request.encoder is not None:
        check_given(space, study.settings)
    check_number(recipes_of(points, study), space)


def _check_names(ledger: Ledger, space: Space) -> None:
    """Refuse experiments that were deleted, and one that belongs to another file."""
    for name in (space.name, PRETRAINING):
        ledger.check_experiment(name)
    if space is not NO_SPACE and (plans := ledger.plans(space.name)):
        plan_of_file(ledger, plans, space.source)


def _first_device(request: Request, resources: Resources) -> Device:
    """Return what trials are computed on; of a cluster the most able, until it is joined and asked."""
    if request.ray_address != LOCAL:
        return Device(kind="cuda", bfloat16=True)
    return device_here(kind="cpu" if resources.gpus == 0 else None)


def _check_search(space: Space, settings: Settings) -> None:
    """Refuse a search whose settings do not fit its space."""
    if not space.search.samples:
        return
    findings = objective_findings(space.search, settings.classes)
    if findings := findings + epoch_findings(space.search, settings, [arm.strategy for arm in space.arms]):
        raise InputError.collect("invalid search settings:", findings)
    candidates = candidates_of(space, settings)
    check_candidates(candidates, space.search, space.search.trials or space.budget.trials)


def check_output(output: Path) -> None:
    """Refuse an output folder that cannot be made or written to."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be made ({error.strerror})") from error
    if not os.access(output, os.W_OK | os.X_OK):
        raise InputError(f"--output {output}: cannot be written")


def examine_cohort(cohort: Cohort, output: Path) -> Cohort:
    """Return the cohort once all its scans are known to be sound; what was read before is not read again.

    Args:
        output: folder that keeps which scans were read.

    Raises:
        InputError: names every scan that cannot be used.
    """

    def each(examine: Callable[[Task], Examined], tasks: Sequence[Task]) -> Iterator[Examined]:
        log.info(f"checking {len(tasks)} scans of {cohort.name}")
        if _are_small(task.path for task in tasks):
            yield from map(examine, tasks)
            return
        with helpers(min(len(tasks), cores())) as pool:
            yield from pool.map(examine, tasks)

    try:
        return check_cohort(cohort, KnownScans(output / SCANS_FILE), each=each)
    except BrokenProcessPool as error:
        raise InputError(
            f"checking the scans of {cohort.name}: a process was killed, most likely for lack of memory"
        ) from error


def _are_small(scans: Iterable[Path]) -> bool:
    """Whether these are files, no folders of DICOM series, that are read within a second or two."""
    sizes = [scan.stat().st_size if scan.is_file() else SMALL_BYTES for scan in scans]
    return sum(sizes) < SMALL_BYTES


def _read_cohort(request: Request, settings: CohortSettings) -> Cohort:
    cohort = find_cohort(request.cohort, request.output, settings)
    for name, reason in cohort.left_out.items():
        log.info(f"left out: {name}: {reason}")
    for warning in cohort.warnings:
        log.warning(warning)
    return cohort


def find_cohort(source: str, output: Path, settings: CohortSettings) -> Cohort:
    """Return which scans a cohort has; they are not opened.

    Args:
        source: as `--cohort` names it.
        output: folder where digital heads are made.

    Raises:
        InputError: there is no such cohort, or it cannot be used as it is.
    """
    if source != PHANTOM:
        return read_cohort(Path(source), settings)
    heads, with_t2w, voxel_mm = settings.phantom_subjects, settings.phantom_t2w, settings.phantom_voxel_mm
    labelled = not settings.told_apart.from_ct or "FLAIR" in (settings.source, settings.target)
    name = f"{heads}-heads-{with_t2w}-T2w-{voxel_mm:g}-mm{'-FLAIR-labels' if labelled else ''}"
    folder = output / "phantom" / name
    if not folder.exists():
        log.info(f"making {heads} digital heads in {folder}")
    write_phantom(folder, subjects=heads, with_t2w=with_t2w, voxel_mm=voxel_mm, labelled=labelled)
    return read_cohort(folder, settings)
