"""Where the commands begin: `python -m ablation.run` and the console script `t1t2-run` alike."""

from importlib import import_module

from ablation import compat
from ablation.record.garbage import no_collection


def run() -> None:
    """Run every trial of a search space."""
    _enter("run")


def pretrain() -> None:
    """Train the pretrained network."""
    _enter("pretrain")


def report() -> None:
    """Rebuild a report from the record."""
    _enter("report")


def segment() -> None:
    """Label new scans."""
    _enter("segment")


def check() -> None:
    """Look at a cohort, or at a network of one's own."""
    _enter("check")


def doctor() -> None:
    """Look at machine, cluster, record and storage."""
    _enter("doctor")


def _enter(name: str) -> None:
    """Import a command and start it."""
    compat.set_up()
    with no_collection():
        command = import_module(f"ablation.commands.{name}")
        terminal = import_module("ablation.commands.terminal")
    terminal.start(command.app)
