"""`python -m ablation.segment`: labels new scans with recorded networks."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import SimpleITK as sitk
import typer

from ablation import options
from ablation.encoder_store import EncoderStore
from ablation.ledger import open_record
from ablation.models import FORMS, find_model
from ablation.recorded_network import RecordedNetwork, load_network
from ablation.storage import Storage
from ablation.terminal import command, say, start
from t1t2core.cohort.names import given_name
from t1t2core.cohort.scan import examine_scan, read_scan, scan_notes
from t1t2core.errors import InputError
from t1t2core.labelling import label_scan, write_labels
from t1t2core.preparation.appearance import doubts
from t1t2core.preparation.labels import BONE
from t1t2core.settings import Sequence
from t1t2core.strategies import SCORED_ON_T1
from t1t2core.training.compute import Compute, device_here, resolve_precision

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
    sequence: Annotated[Sequence, typer.Option(help="what the scans are")] = "T2",
) -> int:
    """Label whole scans with a recorded model: 0 air, 1 soft tissue, 2 bone, on each scan's own grid."""
    targets = name_targets(scans, out)
    check_scans(scans, sequence)
    ledger = open_record(output, tracking_uri)
    found = find_model(ledger, model, sequence)
    say(f"{model}: {found.about}")
    warnings = list(found.warnings)
    strategies = {run.data.params["strategy"] for run in found.runs}
    if sequence == "T1" and not strategies <= SCORED_ON_T1:
        warnings.append(f"{', '.join(sorted(strategies))} learns T2w; it was never scored on T1w scans")
    for warning in warnings:
        say(f"warning: {model}: {warning}")
    encoders = EncoderStore(Storage(storage or str(output / "store")))
    networks = [load_network(ledger, encoders, run) for run in found.runs]
    check_agreement(networks, model)
    for scan, target in zip(scans, targets, strict=True):
        label(scan, target, networks, sequence)
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


def check_scans(scans: Iterable[Path], sequence: Sequence) -> None:
    """Opens each scan.

    Raises:
        InputError: names every scan that cannot be used.
    """
    findings = [f"{scan}: {d}" for scan in scans for d in examine_scan(scan, f"{sequence.lower()}w")[1]]
    if findings:
        raise InputError.collect("these scans cannot be labelled:", findings)


def check_agreement(networks: Iterable[RecordedNetwork], model: str) -> None:
    """Networks that label together must see a scan alike.

    Raises:
        InputError: they were trained on other voxels, intensities or patches.
    """
    if len({(one.preparation, one.training.patch, one.training.stride) for one in networks}) > 1:
        raise InputError(
            f"{model}: its networks were trained with different preparation or patches, so they cannot "
            "label together; name one of them by runs:/ID"
        )


def label(scan: Path, target: Path, networks: list[RecordedNetwork], sequence: Sequence) -> None:
    """Labels one scan, writes the labels, and says what is doubtful about it."""
    image = read_scan(scan)
    for warning in (*scan_notes(scan), *doubts(image, sequence)):
        say(f"warning: {scan}: {warning}")
    first = networks[0]
    device = device_here()
    precision = resolve_precision(first.training.precision, device, [first.training.patch])
    labels = label_scan(
        image,
        [one.network for one in networks],
        first.preparation,
        first.training,
        Compute(precision=precision, device=device.kind),
    )
    if not (sitk.GetArrayViewFromImage(labels) == BONE).any():
        say(f"warning: {scan}: no voxel was labelled bone")
    write_labels(labels, target, like=scan)


if __name__ == "__main__":
    start(app)
