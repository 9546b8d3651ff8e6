"""What a strategy (Sec. 3.3) decides; what it leaves as it is here is that of `open`.

Search spaces ask for names, factors and settings only, so torch is imported where a network is made.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from t1t2core.network.architectures import STUDY, architecture_of, settings_of
from t1t2core.seeds import torch_seed
from t1t2core.settings import SOURCE, TARGET, NetworkSettings, Settings, TrainingSettings, identity
from t1t2core.settings.classes import STUDY_CLASSES
from t1t2core.strategies.factors import Factors, StrategyName, TunedLayers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from t1t2core.cohort.roles import FoldSplit
    from t1t2core.experiment import Experiment, Scans
    from t1t2core.network.base import Network
    from t1t2core.network.staged import StagedNetwork
    from t1t2core.preparation.prepare import PreparedSubject
    from t1t2core.settings import Fusion, Sequence
    from t1t2core.strategies.staged import AnyExperiment
    from t1t2core.training.compute import Compute

TRAINED = frozenset({"t2_train_size", "learning_rate", "fold", "seed"})
"""Factors that count wherever weights are trained on T2."""
OF_TRANSFER = ("hybrid_", "frozen_", "lora_", "gradual_")
"""Network settings that begin so are about the transfer: the pretrained network has no part in them."""
CLASSES = len(STUDY_CLASSES)
OF_ALL_NETWORKS = ("architecture", "width")
"""Network settings that count for every architecture."""
OF_HYBRIDS = ("batch_size_of_concatenation", "hybrid_steps_factor")
"""Training settings that only a hybrid has a use for."""
MATCH = "match"
"""The training setting by which all arms get the budget of tuning."""
OF_FRESH_CLASSIFIERS = ("initial_bias",)
"""Training settings that mean nothing to the classifier of the pretrained network."""
OF_MACHINES = ("micro_batch", "deterministic")
"""Training settings that change a result by no more than another machine would."""
COUNTED_ELSEWHERE = ("learning_rate", "precision", MATCH, *OF_HYBRIDS, *OF_MACHINES)
"""Training settings that a key has not, or by other means: the factor's rate, the precision that was
resolved, and the batch size and the steps that `Strategy.training` gives."""
BUDGET = (f"training.{MATCH}", "training.max_steps")
"""By which arms that have another budget of their own may get that of tuning."""


def counted_network(network: NetworkSettings, kept: tuple[str, ...] = ()) -> NetworkSettings:
    """Return the settings with those as usual that mean nothing to the architecture or are of the transfer.

    What is left is all that the pretrained network depends on.

    Args:
        kept: beginnings of names of the transfer that stay as they are.
    """
    usual = NetworkSettings()
    names = [f.name for f in fields(network) if not counts_for(network.architecture, f.name, kept)]
    return replace(network, **{name: getattr(usual, name) for name in names})


def counts_for(architecture: str, setting: str, kept: tuple[str, ...] = ()) -> bool:
    """Return whether a network setting may change what such a network does; those of the transfer if kept.

    Args:
        kept: beginnings of names of the transfer that do.
    """
    if setting.startswith(OF_TRANSFER):
        return setting.startswith(kept)
    return setting in OF_ALL_NETWORKS or setting in settings_of(architecture)


class Strategy:
    """A way to bring the pretrained network to T2.

    Attributes:
        name: as files and tables have it.
        factors: that count for it; the others are None in its trials.
        starts_pretrained: from the pretrained network.
        trains: a weight.
        freezes: a part of what it trains, whose features trials may share.
        needs_stages: of the network; without them it trains the whole or nothing.
        trains_on_t1: on T1 scans beside the T2 scans.
        scored_on_t1: on T1 as well as on T2 (Table 9).
        training_group: of the settings, by which it is trained.
        training_settings: of that group, names of those that count; the rate and the precision beside them.
        network_settings: beginnings of the names of those settings of the transfer that count for it.
        imposing: dotted names of settings that have to be as it says.
    """

    name: ClassVar[StrategyName]
    factors: ClassVar[frozenset[str]] = TRAINED
    starts_pretrained: ClassVar[bool] = True
    trains: ClassVar[bool] = True
    freezes: ClassVar[bool] = False
    needs_stages: ClassVar[bool] = False
    trains_on_t1: ClassVar[bool] = False
    scored_on_t1: ClassVar[bool] = False
    training_group: ClassVar[Literal["training", "pretraining"]] = "training"
    training_settings: ClassVar[tuple[str, ...]] = tuple(
        f.name for f in fields(TrainingSettings) if f.name not in (*COUNTED_ELSEWHERE, *OF_FRESH_CLASSIFIERS)
    )
    network_settings: ClassVar[tuple[str, ...]] = ()
    imposing: ClassVar[tuple[str, ...]] = ()

    def counts(self, name: str, architecture: str = STUDY) -> bool:
        """Return whether a factor, or a setting by its dotted name, may change its result.

        The learning rate's setting never does: trials have that of their factor.

        Args:
            architecture: of its network; the study's has every setting that any network has.
        """
        group, _, setting = name.partition(".")
        if not setting:
            return name in self.factors or (name == "pretraining_seed" and self.starts_pretrained)
        if group == "network":
            return counts_for(architecture, setting, self.network_settings)
        if name in BUDGET:
            return self.trains
        if group == "pretraining" and self.starts_pretrained:
            return setting not in (MATCH, *OF_HYBRIDS, *OF_MACHINES)
        if group == self.training_group and setting in self.training_settings:
            return True
        return group == "preparation" or name == "training.precision"

    def misfit(self, settings: Settings) -> str | None:
        """Return why it cannot be done with these settings, as a message; None where it can."""
        architecture = settings.network.architecture
        if not self.needs_stages or architecture_of(architecture).convolutions:
            return None
        return f"{self.name} needs a network with stages; network.architecture: {architecture} has none"

    def refusal(self, tuned_layers: TunedLayers | None, architecture: str = STUDY) -> str | None:
        """Return why it cannot tune these layers of a network, as a message; None where it can."""
        return None

    def impose(self, name: str, value: Any) -> Any:
        """Return what the value of a setting, by its dotted name, becomes in its trials."""
        return value

    def imposed(self, settings: Settings) -> tuple[tuple[str, Any], ...]:
        """Return the settings that become others in its trials, by dotted name, with their values there."""
        groups = ((name, *name.split(".")) for name in self.imposing)
        values = ((name, getattr(getattr(settings, group), setting)) for name, group, setting in groups)
        return tuple((name, own) for name, value in values if (own := self.impose(name, value)) != value)

    def resolve(self, tuned_layers: TunedLayers | None, architecture: str = STUDY) -> StrategyName:
        """Return the name of what this strategy is when so many layers of a network are tuned."""
        return self.name

    def training(self, factors: Factors, settings: Settings) -> TrainingSettings:
        """Return how it is trained, with the budget of all arms where they are to have one."""
        own = self.own_training(factors, settings)
        match, steps = settings.training.match, settings.training.max_steps
        if match == "none" or not self.trains:
            return own
        assert steps is not None, "the settings see to it"
        if match == "seconds":
            network, tuning = settings.network, settings.training
            whole = _step_flops(None, None, None, network, tuning.patch, tuning.batch_size)
            fusion = factors.fusion
            step = _step_flops(self, factors.tuned_layers, fusion, network, own.patch, own.batch_size)
            steps = max(1, round(steps * whole / step))
        return replace(own, max_steps=steps, max_epochs=None, stop_patience=None)

    def own_training(self, factors: Factors, settings: Settings) -> TrainingSettings:
        """Return how it is trained where each arm has a budget of its own."""
        training: TrainingSettings = getattr(settings, self.training_group)
        return training

    def learning_rate(self, settings: Settings) -> float:
        """Return the rate of trials whose factors name none."""
        training: TrainingSettings = getattr(settings, self.training_group)
        return training.learning_rate

    def counted_training(self, factors: Factors, settings: Settings) -> dict[str, Any]:
        """Return the training settings that change its result, by name."""
        training = identity(self.training(factors, settings))
        return {name: value for name, value in training.items() if name not in COUNTED_ELSEWHERE}

    def counted_network(self, network: NetworkSettings) -> NetworkSettings:
        """Return the network settings that change its result, the others as usual."""
        return counted_network(network, self.network_settings)

    def step_size(self, factors: Factors) -> tuple[int, int]:
        """Return a rank by the memory that a training step needs."""
        return 1, 0

    def build(
        self,
        factors: Factors,
        network: NetworkSettings,
        *,
        pretrained: Mapping[str, Tensor] | None,
        classes: int = CLASSES,
    ) -> Network:
        """Build the network as training starts: weights loaded, the frozen part frozen.

        Args:
            pretrained: weights of the pretrained network, for a strategy that starts from it.
            classes: that it tells apart.
        """
        from t1t2core.network.build import build_network

        seed = torch_seed(factors.seed or 0, "initial weights")
        built = build_network(network, classes=classes, seed=seed)
        if self.starts_pretrained:
            built.load_pretrained(self._required(pretrained))
        built.freeze(self.frozen_stages(factors, network, len(built.stages)))
        return self.altered(built, factors, network)

    def altered(self, built: StagedNetwork, factors: Factors, network: NetworkSettings) -> Network:
        """Return the network that is trained in the place of the one that was built; usually that."""
        return built

    def rebuild(
        self,
        factors: Factors,
        network: NetworkSettings,
        *,
        pretrained: Mapping[str, Tensor] | None,
        classes: int = CLASSES,
    ) -> Network:
        """Build the network that takes the tensors which a finished trial trained."""
        return self.build(factors, network, pretrained=pretrained, classes=classes)

    def frozen_stages(self, factors: Factors, network: NetworkSettings, stages: int) -> int:
        """Return how many of the first stages are frozen, of all those of the network."""
        return 0 if self.trains else stages

    def scans(
        self, factors: Factors, split: FoldSplit, subjects: Mapping[str, PreparedSubject]
    ) -> dict[Sequence, Scans]:
        """Return the scans that it trains on, is chosen by and is tested on."""
        from t1t2core.experiment import Scans

        size = factors.t2_train_size
        training = () if size is None else split.t2_training(size)
        scans: dict[Sequence, Scans] = {
            TARGET: Scans.of(TARGET, replace(split.t2, training=training), subjects)
        }
        if self.scored_on_t1:
            t1 = split.t1 if self.trains_on_t1 else replace(split.t1, training=())
            scans[SOURCE] = Scans.of(SOURCE, t1, subjects)
        return scans

    def prepare(self, network: Network, scans: Scans, training: TrainingSettings, compute: Compute) -> None:
        """Do what comes before training.

        Args:
            scans: of T2.
        """

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
        """Make the experiment that computes a trial; for the arguments see `make_experiment`."""
        scans = self.scans(factors, split, subjects)
        network = self.build(factors, settings.network, pretrained=pretrained, classes=len(settings.classes))
        self.prepare(network, scans[TARGET], self.training(factors, settings), compute)
        return self._train(network, factors, scans, settings, compute)

    def _train(
        self,
        network: Network,
        factors: Factors,
        scans: dict[Sequence, Scans],
        settings: Settings,
        compute: Compute,
    ) -> Experiment:
        from t1t2core.experiment import Experiment

        return Experiment(
            network,
            scans,
            self.training(factors, settings),
            settings.evaluation,
            learning_rate=factors.learning_rate,
            seed=factors.seed or 0,
            compute=compute,
            sliding=settings.preparation.slices == "sliding",
        )

    def _required(self, pretrained: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
        if pretrained is None:
            raise ValueError(f"strategy {self.name} starts from a pretrained network; none was given")
        return pretrained


@lru_cache(maxsize=256)
def _step_flops(
    strategy: Strategy | None,
    tuned_layers: TunedLayers | None,
    fusion: Fusion | None,
    network: NetworkSettings,
    patch: tuple[int, int, int],
    batch_size: int,
) -> int:
    """Return the operations of a step of a strategy; if None, of one that trains the whole network."""
    from t1t2core.network.build import build_network
    from t1t2core.strategies.work import step_flops

    def build() -> Network:
        whole = build_network(network, seed=0)
        if strategy is None:
            return whole
        factors = Factors(strategy=strategy.name, tuned_layers=tuned_layers, fusion=fusion, seed=0)
        return strategy.build(factors, network, pretrained=whole.state_dict())

    return step_flops(build, patch, batch_size)
