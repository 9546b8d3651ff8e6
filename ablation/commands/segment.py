"""`python -m ablation.segment`: labels new scans with recorded networks."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ablation.api import load_model
from ablation.commands import options
from ablation.commands.terminal import command
from ablation.models.derivative import Derivative, check_folder
from ablation.models.find import FORMS
from ablation.models.labeller import check_scans
from t1t2core.cohort.names import given_name
from t1t2core.errors import InputError
from t1t2core.settings import TARGET, Sequence

ENDING = "_dseg.nii.gz"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=FORMS)],
    scans: Annotated[
        list[Path],
        typer.Argument(metavar="SCAN...", help="files that SimpleITK reads, or folders of one DICOM series"),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help=f"where SCAN_NAME{ENDING} is written")],
    output: options.Output = Path("runs"),
    storage: options.StorageUri = None,
    tracking_uri: options.TrackingUri = None,
    sequence: Annotated[Sequence, typer.Option(help="what the scans are")] = TARGET,
) -> int:
    """Label whole scans with a recorded model, by the values of its classes, on each scan's own grid."""
    targets = name_targets(scans, out)
    check_scans(scans, sequence)
    check_folder(out)
    labeller = load_model(model, output=output, storage=storage, tracking_uri=tracking_uri, sequence=sequence)
    derivative = Derivative(out, model, labeller.runs)
    derivative.describe(labeller.classes, scans)
    for scan, target in zip(scans, targets, strict=True):
        labeller.label(scan, target)
        derivative.add(scan, target)
        print(target, flush=True)
    return 0


def name_targets(scans: Iterable[Path], out: Path) -> list[Path]:
    """The file for each scan's labels.

    Raises:
        InputError: two scans have one name, or `out` cannot be written to.
    """
    names: dict[str, list[Path]] = {}
    for scan in scans:
        # Some file systems take a name in capitals for the same name.
        names.setdefault(scan_name(scan).casefold(), []).append(scan)
    repeated = [f"{name}: {', '.join(map(str, who))}" for name, who in names.items() if len(who) > 1]
    if repeated:
        raise InputError.collect("scans with one name would get one file; label them one by one:", repeated)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be made ({error.strerror})") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: cannot be written")
    return [out / f"{scan_name(scan)}{ENDING}" for scan in scans]


def scan_name(scan: Path) -> str:
    """The file's name without its ending, `.gz` included; a folder's whole name."""
    name = given_name(scan)
    if scan.is_dir():
        return name
    return Path(name[:-3] if name.lower().endswith(".gz") else name).stem
