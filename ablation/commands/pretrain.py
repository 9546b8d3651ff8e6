"""`python -m ablation.pretrain`: pretrains a network and publishes its weights in object storage."""

import logging
from pathlib import Path

import typer

from ablation.api import pretrain
from ablation.commands import options
from ablation.commands.terminal import FAILED, command
from ablation.sweep.pretraining import PretrainingFailedError
from ablation.sweep.workspace import PHANTOM, Request

log = logging.getLogger(__name__)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    space: options.SpaceFile = None,
    cohort: options.Cohort = PHANTOM,
    preset: options.Preset = None,
    overrides: options.Overrides = None,
    output: options.Output = Path("runs"),
    storage: options.StorageUri = None,
    tracking_uri: options.TrackingUri = None,
    address: options.Address = None,
    workers: options.Workers = 1,
) -> int:
    """Train the pretrained network that fits cohort, preset and settings, publish and record it.

    A search space adds its settings and narrows the folds; with rotated test patients each fold has a
    pretrained network of its own.
    """
    request = Request(
        space=space,
        cohort=cohort,
        preset=preset,
        overrides=tuple(overrides or ()),
        output=output,
        storage=storage,
        tracking_uri=tracking_uri,
        address=address,
    )
    try:
        addresses, unrecorded = pretrain(request, workers)
    except PretrainingFailedError as error:
        log.error(str(error))
        return FAILED
    for digest, address in addresses.items():
        print(f"{digest} {address}")
    return FAILED if unrecorded else 0
