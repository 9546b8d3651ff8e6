"""A recorded sweep whose best arm has a network in each of two folds."""

from pathlib import Path

from ablation.record.ledger import Ledger
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from tests.builders.records import publish_encoder, record_trial, tuned_network
from tests.conftest import Record


class RecordedSweep:
    """An output folder with a sweep of two folds, each with a pretrained network of its own."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder = folder
        self.encoders = EncoderStore(Storage(str(folder / "runs" / "store")))
        self.ledger: Ledger = record.open()
        self.digests = [publish_encoder(self.encoders, seed=seed) for seed in (5, 6)]
        self.networks = [
            tuned_network(self.encoders, digest, "conservative", 9, seed=fold)
            for fold, digest in enumerate(self.digests, start=1)
        ]
        self.runs = [
            record_trial(self.ledger, network, encoder=digest, fold=fold, dice=0.6)
            for fold, (network, digest) in enumerate(zip(self.networks, self.digests, strict=True), start=1)
        ]
