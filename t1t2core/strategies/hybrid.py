"""The frozen T1 encoder beside a fresh one, and a decoder on both (Sec. 3.3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from t1t2core.network.architectures import ARCHITECTURES, architecture_of
from t1t2core.seeds import torch_seed
from t1t2core.settings import NetworkSettings, Settings, TrainingSettings
from t1t2core.strategies.base import CLASSES, OF_FRESH_CLASSIFIERS, OF_HYBRIDS, TRAINED, Strategy
from t1t2core.strategies.factors import Factors
from t1t2core.strategies.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from t1t2core.cohort.roles import FoldSplit
    from t1t2core.network.base import Network
    from t1t2core.network.hybrid import HybridSegmenter
    from t1t2core.preparation.prepare import PreparedSubject
    from t1t2core.strategies.staged import AnyExperiment
    from t1t2core.training.compute import Compute


class Hybrid(Strategy):
    """Takes the pretrained network's encoder, frozen, and trains a second encoder and the decoder."""

    name = "hybrid"
    factors = TRAINED | {"fusion"}
    training_settings = (*Strategy.training_settings, *OF_FRESH_CLASSIFIERS, *OF_HYBRIDS)
    freezes = True
    network_settings = ("hybrid_",)

    def own_training(self, factors: Factors, settings: Settings) -> TrainingSettings:
        """Return a multiple of the steps of tuning, and the batch size of concatenation (Sec. 4.3).

        A part of it starts from scratch, so it needs more steps.
        """
        training = settings.training
        size = training.batch_size_of_concatenation if factors.fusion == "concatenation" else None
        steps = None if training.max_steps is None else training.max_steps * training.hybrid_steps_factor
        return replace(training, batch_size=size or training.batch_size, max_steps=steps)

    def step_size(self, factors: Factors) -> tuple[int, int]:
        """Return more than for one network, and most for concatenation."""
        return 2, int(factors.fusion == "concatenation")

    def misfit(self, settings: Settings) -> str | None:
        """Return a message where the network has no encoder of which there could be two."""
        architecture = settings.network.architecture
        if architecture_of(architecture).encoder:
            return super().misfit(settings)
        able = ", ".join(name for name, known in ARCHITECTURES.items() if known.encoder)
        return f"hybrid: network.architecture: {architecture} has no encoder to double; allowed: {able}"

    def build(
        self,
        factors: Factors,
        network: NetworkSettings,
        *,
        pretrained: Mapping[str, Tensor] | None,
        classes: int = CLASSES,
    ) -> HybridSegmenter:
        """Build two encoders and a decoder; that of the pretrained network is frozen."""
        from t1t2core.network.build import build_hybrid

        if factors.fusion is None:
            raise ValueError("strategy hybrid needs a fusion operator")
        seed = torch_seed(factors.seed or 0, "initial weights")
        hybrid = build_hybrid(network, factors.fusion, classes=classes, seed=seed)
        hybrid.load_pretrained(self._required(pretrained))
        return hybrid

    def experiment(
        self,
        factors: Factors,
        split: FoldSplit,
        subjects: Mapping[str, PreparedSubject],
        settings: Settings,
        *,
        pretrained: Mapping[str, Tensor] | None,
        compute: Compute,
    ) -> AnyExperiment:
        """Make the experiment; with `hybrid_training: staged` one that trains the T2 encoder first."""
        from t1t2core.experiment import Experiment
        from t1t2core.strategies.staged import StagedExperiment

        classes = len(settings.classes)
        hybrid = self.build(factors, settings.network, pretrained=pretrained, classes=classes)
        scans = self.scans(factors, split, subjects)

        def experiment(network: Network) -> Experiment:
            return self._train(network, factors, scans, settings, compute)

        if settings.network.hybrid_training == "joint":
            return experiment(hybrid)
        alone = Scratch().build(factors, settings.network, pretrained=None, classes=classes)
        return StagedExperiment(experiment(alone), hybrid, experiment)
