"""A cohort from a BIDS folder: `sub-*/[ses-*/]anat/*_T1w`, `anat/*_T2w`, `ct/*_ct` or `*_dseg` maps."""

import json
import re
import reprlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from t1t2core.cohort.entities import CT, BidsFile, find_files, folders_of
from t1t2core.cohort.label_maps import Found, LabelMaps
from t1t2core.cohort.names import LONGEST_NAME, check_excluded, exclude_line, given_name
from t1t2core.cohort.participants import read_participants
from t1t2core.cohort.scan_choice import Chosen, ScanChoice
from t1t2core.cohort.subject import Cohort, Sequences, Subject
from t1t2core.cohort.text import is_there, read_text, unfetched
from t1t2core.errors import InputError, SubjectsError
from t1t2core.settings import CohortSettings

MOST_BYTES = 1_000_000
"""Of `dataset_description.json`."""

LONGEST_TITLE = 200
"""Characters of the dataset's name that are kept."""

_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")


def read_bids(folder: Path, settings: CohortSettings | None = None) -> Cohort:
    """Read which scans a BIDS folder has; the scans themselves are not opened.

    Args:
        folder: the root of the dataset.
        settings: the sequences, the classes, who is excluded, and which scans to use where a subject has
            several: `session`, `run`, `select`. Subjects without those that are asked for are in
            `Cohort.left_out`.

    Raises:
        SubjectsError: subjects without a scan of the source sequence or without CT and label map, or with
            several of one kind, all named.
        InputError: no BIDS folder, or nobody with the target sequence.
    """
    own = settings or CohortSettings()
    name, simulated = _describe(folder)
    folders = {path.name: path for path in sorted(folder.glob("sub-*")) if _is_subject(path)}
    if not folders:
        raise InputError(f"{folder}: not a BIDS folder, it has no folders sub-*")
    check_excluded(own.exclude, folders)
    files = {name: find_files(path) for name, path in folders.items() if name not in own.exclude}
    reader = _Reader(folder, own, files)
    for subject in files:
        reader.read(subject, folders[subject])
    reader.check()
    cohort = Cohort(
        name=name,
        subjects=tuple(reader.subjects),
        simulated=simulated,
        left_out=reader.left_out,
        sequences=reader.sequences,
        classes=own.told_apart,
    )
    return _with_characteristics(cohort, folder, folders)


class _Reader:
    """Chooses the scans of one subject after the other."""

    def __init__(self, folder: Path, settings: CohortSettings, files: Mapping[str, list[BidsFile]]) -> None:
        self.sequences = Sequences(source=settings.source, target=settings.target)
        self.subjects: list[Subject] = []
        self.left_out: dict[str, str] = {}
        self._folder, self._files, self._classes = folder, files, settings.told_apart
        self._findings: dict[str, list[str]] = {}
        self._by_maps = settings.labels is not None or not self._classes.from_ct
        self._is_usual = self.sequences == Sequences()
        kinds = [settings.source, settings.target]
        if CT in kinds and not self._by_maps:
            raise InputError(
                "cohort.source or target is CT, which then cannot tell the classes: name a folder of label "
                "maps with --labels, or give cohort.classes values"
            )
        self._maps = LabelMaps(folder, Path(settings.labels) if settings.labels else None)
        every = [file for found in files.values() for file in found]
        self._choice = ScanChoice(
            settings.session,
            settings.run,
            settings.select,
            [file for file in every if file.kind in (*kinds, CT)],
            kinds if self._by_maps else [*kinds, CT],
        )

    def read(self, subject: str, folder: Path) -> None:
        """Find a subject's scans and label maps, or what is wrong with them."""
        chosen = self._choice.choose(self._files[subject])
        maps = self._maps_of(subject, chosen)
        needed = [self.sequences.source, *([] if self._by_maps else [CT])]
        lost = _lost_folders(folder, self._choice)
        if not lost and (reasons := [chosen.lacks[kind] for kind in needed if kind in chosen.lacks]):
            self.left_out[subject] = "; ".join(reasons)
        elif not self._is_usual and not any(f.kind == needed[0] for f in self._files[subject]):
            self.left_out[subject] = f"no {needed[0]}"
        elif defects := lost or [*_defects(subject, chosen), *chosen.defects, *maps.defects]:
            self._findings[subject] = defects
        else:
            self.subjects.append(self._subject(subject, chosen, maps))
            self.left_out |= {f"{kind} of {subject}": why for kind, why in chosen.lacks.items()}

    def check(self) -> None:
        """Refuse subjects that cannot be used, and cohorts without the target sequence."""
        if self._findings:
            raise _refusal(self._folder, self._findings)
        if not self.subjects or all(subject.t2w is None for subject in self.subjects):
            raise self._without_sequence()

    def _maps_of(self, subject: str, chosen: Chosen) -> Found:
        """Find the label maps of a subject; where CT may tell the classes, in its place."""
        missing = f"no {CT} ({CT}/*_{CT}.nii.gz)"
        if not self._by_maps and missing not in chosen.defects:
            return Found()
        source, target = (chosen.files.get(kind) for kind in (self.sequences.source, self.sequences.target))
        maps = self._maps.find(subject, source, target)
        if maps.source is None and maps.target is None and source is not None and self._by_maps:
            where = "*_dseg.nii.gz or *_space-" + self.sequences.source + "_dseg.nii.gz"
            return Found(defects=(*maps.defects, f"no label map ({where})"))
        if maps.source is not None or maps.target is not None:
            chosen.defects[:] = [defect for defect in chosen.defects if defect != missing]
        return maps

    def _subject(self, name: str, chosen: Chosen, maps: Found) -> Subject:
        paths = {kind: file.path for kind, file in chosen.files.items()}
        return Subject(
            name=name,
            t1w=paths[self.sequences.source],
            t2w=paths.get(self.sequences.target),
            ct=None if self._by_maps else paths.get(CT),
            labels_t1w=maps.source,
            labels_t2w=maps.target,
            sequences=self.sequences,
            classes=self._classes,
        )

    def _without_sequence(self) -> InputError:
        lines = [f"{name} is left out: {why}" for name, why in self.left_out.items()]
        is_source = not any(f.kind == self.sequences.source for found in self._files.values() for f in found)
        wanted = self.sequences.source if is_source else self.sequences.target
        number = len(self._files) if is_source else len(self.subjects)
        there = Counter(kind for found in self._files.values() for kind in {file.kind for file in found})
        listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(there.items()))
        headline = f"{self._folder}: none of {number} subjects has a {wanted} scan (anat/*_{wanted}.nii.gz)"
        return InputError.collect(f"{headline}; there are {listed or 'no scans'}", lines)


def _with_characteristics(cohort: Cohort, folder: Path, names: Collection[str]) -> Cohort:
    """The cohort with what its table of participants says."""
    known, warnings = read_participants(folder, names)
    subjects = tuple(replace(one, characteristics=known.get(one.name, {})) for one in cohort.subjects)
    return replace(cohort, subjects=subjects, warnings=warnings)


def _is_subject(path: Path) -> bool:
    """A folder; or a link to one that is not here, as git-annex leaves it."""
    return path.is_dir() or bool(_SUBJECT.fullmatch(path.name) and path.is_symlink() and unfetched(path))


def _describe(folder: Path) -> tuple[str, bool]:
    """The dataset's name and whether it says that it is simulated."""
    file = folder / "dataset_description.json"
    default = given_name(folder)
    if reason := unfetched(file):
        raise InputError(f"{file}: {reason}")
    if not file.is_file():
        return default, False
    try:
        description = json.loads(read_text(file, most_bytes=MOST_BYTES))
    except (InputError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not a JSON file ({error})") from None
    if not isinstance(description, dict):
        raise InputError(f"{file}: a JSON object is expected")
    name = description.get("Name") or default
    if not isinstance(name, str):
        raise InputError(f"{file}: Name is {reprlib.repr(name)}, where a text is expected")
    # Reports and messages have it on a line.
    plain = "".join(letter if letter.isprintable() else " " for letter in name).strip()
    return plain[:LONGEST_TITLE] or default, description.get("Simulated") is True


def _lost_folders(subject: Path, choice: ScanChoice) -> list[str]:
    """Folders in which the chosen scans may lie and that are links to nothing."""
    places = [place for session, place in folders_of(subject) if choice.may_use(session)]
    reasons = dict.fromkeys(reason for place in places if (reason := unfetched(place)))
    return [f"a folder of its scans is {reason}" for reason in reasons]


def _defects(subject: str, chosen: Chosen) -> list[str]:
    """A name that is not BIDS, and scans that are of another subject or not here."""
    defects = [] if _SUBJECT.fullmatch(subject) else ["not a BIDS label: sub- and then letters and digits"]
    if len(subject) > LONGEST_NAME:
        defects.append(f"a name has at most {LONGEST_NAME} characters")
    for file in chosen.files.values():
        reason = unfetched(file.path)
        if not is_there(file.path):
            reason = f"neither file nor folder{f' but {reason}' if reason else ''}"
        if reason:
            defects.append(f"{file.path.name} is {reason}")
        if file.astray:
            defects.append(f"{file.path.name} lies in {file.astray}")
    return defects


def _refusal(folder: Path, findings: dict[str, list[str]]) -> SubjectsError:
    lines = [f"{subject}: {'; '.join(defects)}" for subject, defects in findings.items()]
    way_out = f"to leave them out: `{exclude_line(findings)}`"
    headline = f"{folder}: {len(findings)} subjects cannot be used ({way_out}):"
    return SubjectsError.of(headline, findings, lines)
