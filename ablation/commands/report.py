"""`python -m ablation.report`: rebuilds tables, figures and the page from what is recorded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ablation.api import export_model, export_nnunet, write_report
from ablation.commands import options
from ablation.commands.progress import progress_line
from ablation.commands.terminal import command
from t1t2core.errors import InputError

NEEDS_SCANS = "for --robustness, --external, --export"
Register = Annotated[
    str | None, typer.Option(metavar="CLASS", help="register the arm that is best for a class")
]
Robustness = Annotated[
    str | None,
    typer.Option(metavar="CLASS", help="first test the arm that is best for a class on changed scans"),
]
External = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=DIR",
        help="label maps of the test patients that something else made, as one more arm; repeatable",
    ),
]
Export = Annotated[
    tuple[str, Path] | None,
    typer.Option(
        metavar="nnunet|bundle|onnx DIR",
        help="write scans and folds as a dataset of nnU-Net v2, or the best arm's networks as a bundle of "
        "MONAI or as ONNX, and stop",
    ),
]
BestFor = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS", help="for --export bundle, onnx: of which the arm is best  [the first one]"
    ),
]
Cohort = Annotated[
    str | None, typer.Option(metavar="phantom|DIR|FILE.csv", help=f"{NEEDS_SCANS}: the scans  [as recorded]")
]
StorageUri = Annotated[
    str | None, typer.Option(metavar="URI", help=f"{NEEDS_SCANS}: object storage  [as recorded]")
]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    space: Annotated[Path, typer.Option("--space", metavar="FILE", help="the search space (YAML)")],
    output: options.Output = Path("runs"),
    tracking_uri: options.TrackingUri = None,
    register: Register = None,
    robustness: Robustness = None,
    external: External = None,
    export: Export = None,
    best_for: BestFor = None,
    cohort: Cohort = None,
    storage: StorageUri = None,
) -> int:
    """Write the report of a search space from the record alone; an unfinished sweep is told as it stands."""
    if not (robustness or external or export) and (cohort is not None or storage is not None):
        raise InputError(
            "--cohort and --storage are for --robustness, --external and --export; a report needs the record "
            "alone"
        )
    where: dict[str, Any] = {
        "output": output,
        "tracking_uri": tracking_uri,
        "cohort": cohort,
        "storage": storage,
    }
    if export is not None:
        return _export(space, *export, best_for, where)
    if best_for is not None:
        raise InputError("--best-for is for --export bundle and --export onnx")
    with progress_line() as line:
        page, address = write_report(
            space, register=register, robustness=robustness, external=external or (), **where, show=line
        )
    if address:
        print(address)
    print(page)
    return 0


def _export(space: Path, form: str, folder: Path, best_for: str | None, where: Mapping[str, Any]) -> int:
    """Write a plan's scans and folds, or its best networks, for another program."""
    if form == "nnunet":
        if best_for is not None:
            raise InputError("--best-for is for --export bundle and --export onnx")
        with progress_line() as line:
            export_nnunet(space, folder, **where, show=line)
        print(folder)
        return 0
    if where["cohort"] is not None:
        raise InputError(f"--export {form}: no --cohort is needed")
    places = {name: where[name] for name in ("output", "tracking_uri", "storage")}
    match form:
        case "bundle" | "onnx":
            print(export_model(space, folder, form, best_for=best_for, **places))
        case _:
            raise InputError(f"--export {form}: nnunet, bundle or onnx is expected, and a folder")
    return 0
