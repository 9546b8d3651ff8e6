"""Trials on tiny heads, planned and trained as a sweep does both; each takes a fraction of a second."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from torch import Tensor, from_numpy

from ablation.plan.plan import make_plan, recipes_of
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.space.points import Point
from t1t2core.errors import InputError
from t1t2core.network.weights import pack_weights
from t1t2core.settings import EvaluationSettings, NetworkSettings, Settings
from t1t2core.strategies import STRATEGIES, Factors, StrategyName
from t1t2core.training.compute import Compute, Device
from t1t2core.trial import make_experiment, pretraining_experiment, trained_network
from tests.builders.experiments import SPLIT, run
from tests.builders.heads import clone, make_subjects, make_training
from tests.builders.settings import with_values

PATCH = (24, 16, 8)
"""A whole head, long enough to be trained on in bfloat16 on a CPU."""
RATE = 0.1
"""So high that a small difference soon shows in the labels."""
TRAINING = make_training(
    patch=PATCH, stride=(8, 8, 8), batch_size=1, max_epochs=3, plateau_patience=1, learning_rate=RATE
)
"""Six steps: the first of them does not depend on Adam's first decay."""
BASE = Settings(
    network=NetworkSettings(width=2),
    training=TRAINING,
    pretraining=TRAINING,
    evaluation=EvaluationSettings(surface_distances=False, whole_scan=False),
)
HEADS = make_subjects(6, shape=PATCH)


@dataclass(frozen=True)
class Asked:
    """A trial as a researcher asks for it, with whatever means nothing to its strategy.

    Args:
        factors: their seed is that of the pretrained network too.
        varied: settings that differ from `BASE`, by dotted name.
    """

    factors: Factors
    varied: tuple[tuple[str, Any], ...]

    @classmethod
    def of(
        cls, strategy: StrategyName, varied: Mapping[str, Any], *, seed: int = 0, **factors: Any
    ) -> "Asked":
        """A trial of two T2 patients."""
        given = {"t2_train_size": 2, "learning_rate": RATE, "seed": seed, **factors}
        return cls(Factors(strategy=strategy, **given), tuple(sorted(varied.items())))

    def but(self, name: str, value: Any) -> "Asked":
        """The same with another value of one setting."""
        return Asked(self.factors, tuple(sorted({**dict(self.varied), name: value}.items())))

    @property
    def settings(self) -> Settings:
        """All of them."""
        return with_values(BASE, dict(self.varied))

    @property
    def is_refused(self) -> bool:
        """Whether no trial can be done with these settings."""
        try:
            settings = self.settings
            _study(settings).precision_of(settings)
        except (InputError, ValueError):
            return True
        strategy = STRATEGIES[self.factors.strategy]
        refused = strategy.misfit(settings) or strategy.refusal(
            self.factors.tuned_layers, settings.network.architecture
        )
        return refused is not None

    def point(self, settings: Mapping[str, Any]) -> Point:
        """Its point in a space that varies these settings."""
        seed = self.factors.seed
        return Point.canonical(
            **asdict(self.factors),
            fold=SPLIT.fold,
            pretraining_seed=seed,
            settings=settings,
            architecture=self.settings.network.architecture,
        )


def by_recipe(recipe: EncoderRecipe) -> str:
    """What a pretrained network is called before it is trained."""
    return recipe.digest


def by_weights(recipe: EncoderRecipe) -> str:
    """What a pretrained network is called when it is trained."""
    return hashlib.sha256(pack_weights(t1_weights(recipe))).hexdigest()


def are_one_trial(one: Asked, other: Asked, network: Callable[[EncoderRecipe], str]) -> bool:
    """Whether they have one key: in a space that varies their settings, or with them in two whole studies.

    Args:
        network: gives the name of a pretrained network.
    """
    varied = _keys([trial.point(dict(trial.varied)) for trial in (one, other)], BASE, network)
    fixed = [_keys([trial.point({})], trial.settings, network) for trial in (one, other)]
    return len(varied) == 1 or fixed[0] == fixed[1]


def _keys(points: list[Point], settings: Settings, network: Callable[[EncoderRecipe], str]) -> list[str]:
    study = _study(settings)
    networks = {recipe: network(recipe) for recipe in recipes_of(points, study)}
    return [trial.key for trial in make_plan(points, study, networks)]


@cache
def trained(asked: Asked) -> dict[str, Tensor]:
    """What it leaves: all weights of its network, the last and the best, and the labels.

    It is trained with all its settings, those that mean nothing to the strategy among them.
    """
    settings, factors = asked.settings, asked.factors
    study = _study(settings)
    recipes = recipes_of([asked.point({})], study)
    pretrained = t1_weights(recipes[0]) if recipes else None
    compute = Compute(precision=study.precision)
    experiment = make_experiment(factors, SPLIT, HEADS, settings, pretrained=pretrained, compute=compute)
    while not experiment.finished:
        experiment.run_epoch()
    state = experiment.state()
    fit = (state.get("second") or state)["fit"]  # a staged one has two
    last = {} if fit is None else clone(fit["network"])
    outcome = experiment.score()
    best = trained_network(factors, outcome, settings, pretrained=pretrained).state_dict()
    labels = {
        f"{sequence} {name}": from_numpy(found) for (sequence, name), found in outcome.predictions.items()
    }
    return {
        f"{what} {name}": tensor
        for what, tensors in (("last", last), ("best", best), ("labels of", labels))
        for name, tensor in tensors.items()
    }


@cache
def t1_weights(recipe: EncoderRecipe) -> dict[str, Tensor]:
    """Weights of the pretrained network, trained by its recipe alone as a worker does."""
    return train_t1(
        recipe,
        Settings(preparation=recipe.preparation, network=recipe.network, pretraining=recipe.pretraining),
    )


def train_t1(recipe: EncoderRecipe, settings: Settings) -> dict[str, Tensor]:
    """Weights of a pretrained network: patients, seed and precision of the recipe, and these settings."""
    compute = Compute(precision=recipe.precision)
    return run(
        pretraining_experiment(
            recipe.training, recipe.validation, HEADS, settings, seed=recipe.seed, compute=compute
        )
    ).weights


def recipe_of(settings: Settings) -> EncoderRecipe:
    """The recipe of the pretrained network of a study with these settings."""
    return _study(settings).recipe(SPLIT.fold)


def _study(settings: Settings) -> Study:
    device = Device(kind="cpu", bfloat16=False)
    return Study(settings=settings, device=device, cohort_fingerprint="heads", splits=(SPLIT,))
