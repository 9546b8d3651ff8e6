"""Recorded networks that label new scans."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
import SimpleITK as sitk

from ablation.models.find import find_model
from ablation.models.network import RecordedNetwork, load_network
from ablation.record.ledger import Ledger
from ablation.record.settings import setting_text
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from t1t2core.cohort.scan import examine_scan, read_scan, scan_notes
from t1t2core.errors import InputError
from t1t2core.evaluation.labelling import label_scan, write_labels
from t1t2core.preparation.appearance import doubts
from t1t2core.settings import SOURCE, Sequence
from t1t2core.settings.classes import Classes
from t1t2core.strategies import STRATEGIES, StrategyName

log = logging.getLogger(__name__)


class Labeller:
    """Networks that label a scan together, by the mean of their class probabilities.

    Args:
        networks: one or more, trained with the same preparation and patches.
        sequence: of the scans.
        runs: in MLflow, of the networks.
    """

    def __init__(
        self, networks: list[RecordedNetwork], sequence: Sequence, runs: tuple[str, ...] = ()
    ) -> None:
        self.networks, self._sequence, self.runs = networks, sequence, runs

    @property
    def classes(self) -> Classes:
        """What the labels mean."""
        return self.networks[0].settings.classes

    def label(self, scan: str | Path, target: str | Path | None = None) -> sitk.Image:
        """Label a whole scan; what is doubtful about it is logged.

        Args:
            scan: a file that SimpleITK reads, or a folder of one DICOM series.
            target: file for the labels, with the scan's forms; None writes none.

        Returns:
            On the scan's own grid, with the values of the classes.

        Raises:
            InputError: the scan cannot be used.
        """
        scan = Path(scan)
        first = self.networks[0]
        classes, cohort = first.settings.classes, first.settings.cohort
        suffix = cohort.source if self._sequence == SOURCE else cohort.target
        check_scans([scan], self._sequence)
        image = read_scan(scan)
        for warning in (*scan_notes(scan), *doubts(image, suffix, has_skull=classes.is_study)):
            log.warning("%s: %s", scan, warning)
        networks = [one.network for one in self.networks]
        labels = label_scan(image, networks, first.preparation, first.training, classes=classes)
        there = set(np.unique(sitk.GetArrayViewFromImage(labels)).tolist())
        for name in classes.foreground:
            if classes.values[classes.labels[name]] not in there:
                log.warning("%s: no voxel was labelled %s", scan, name.replace("_", " "))
        if target is not None:
            write_labels(labels, Path(target), like=scan)
        return labels


def load_labeller(ledger: Ledger, storage: Storage, name: str, sequence: Sequence) -> Labeller:
    """The networks that a name stands for (see `find_model`).

    Raises:
        InputError: there are none, or they cannot label together.
    """
    found = find_model(ledger, name, sequence)
    log.info("%s: %s", name, found.about)
    warnings = list(found.warnings)
    strategies = {run.data.params["strategy"] for run in found.runs}
    if sequence == SOURCE and not all(
        STRATEGIES[cast(StrategyName, name)].scored_on_t1 for name in strategies
    ):
        source, target = (
            setting_text(found.runs[0].data.params, f"cohort.{n}") for n in ("source", "target")
        )
        names = ", ".join(sorted(strategies))
        warnings.append(f"{names} learns {target}; it was never scored on {source} scans")
    for warning in warnings:
        log.warning("%s: %s", name, warning)
    encoders = EncoderStore(storage)
    networks = [load_network(ledger, encoders, run) for run in found.runs]
    check_agreement(networks, name)
    return Labeller(networks, sequence, tuple(run.info.run_id for run in found.runs))


def check_scans(scans: Iterable[Path], sequence: Sequence) -> None:
    """Open each scan to see whether it can be used.

    Raises:
        InputError: names every scan that cannot be used.
    """
    findings = [f"{scan}: {d}" for scan in scans for d in examine_scan(scan, f"{sequence.lower()}w")[1]]
    if findings:
        raise InputError.collect("these scans cannot be labelled:", findings)


def _sight(network: RecordedNetwork) -> tuple[object, ...]:
    """What networks that label together have in common."""
    own = network.training
    return network.preparation, own.patch, own.stride, network.settings.classes


def check_agreement(networks: Iterable[RecordedNetwork], model: str) -> None:
    """Networks that label together must see a scan alike.

    Raises:
        InputError: they were trained on other voxels, intensities or patches.
    """
    if len({_sight(one) for one in networks}) > 1:
        raise InputError(
            f"{model}: its networks were trained with different preparation or patches, so they cannot "
            "label together; name one of them by runs:/ID"
        )
