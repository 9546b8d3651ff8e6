"""What all trials of a run have in common, and the settings that each has."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ablation.plan.recipe import EncoderRecipe, t1_network
from ablation.space.points import Point
from t1t2core.cohort.split import FoldSplit
from t1t2core.preparation.prepare import PREPARATION_VERSION
from t1t2core.settings import Precision, Settings
from t1t2core.strategies import STRATEGIES
from t1t2core.training.compute import Device, resolve_precision
from t1t2core.version import SCIENCE_VERSION


class Variants:
    """Settings with those of points over them; a group is made once for each set of its values."""

    def __init__(self, base: Settings) -> None:
        self._base = base
        self._made: dict[tuple[tuple[str, Any], ...], Settings] = {(): base}
        self._groups: dict[tuple[str, tuple[tuple[str, Any], ...]], Any] = {}

    def of(self, varied: tuple[tuple[str, Any], ...]) -> Settings:
        """Return the settings with these values, by dotted name, over them.

        Raises:
            ValidationError: some do not go together.
        """
        if varied not in self._made:
            self._made[varied] = replace(self._base, **self._changed(varied))
        return self._made[varied]

    def _changed(self, varied: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
        by_group: dict[str, list[tuple[str, Any]]] = {}
        for name, value in varied:
            group, _, setting = name.partition(".")
            by_group.setdefault(group, []).append((setting, value))
        return {group: self._group(group, tuple(values)) for group, values in by_group.items()}

    def _group(self, group: str, values: tuple[tuple[str, Any], ...]) -> Any:
        if (group, values) not in self._groups:
            self._groups[group, values] = replace(getattr(self._base, group), **dict(values))
        return self._groups[group, values]

    def __getstate__(self) -> dict[str, Any]:
        return {"_base": self._base, "_made": {(): self._base}, "_groups": {}}


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all trials of a run have in common.

    Args:
        settings: of the run; a point may have others.
        device: that trials are computed on.
    """

    settings: Settings
    device: Device
    cohort_fingerprint: str
    splits: tuple[FoldSplit, ...]

    @cached_property
    def _variants(self) -> Variants:
        return Variants(self.settings)

    @cached_property
    def _precisions(self) -> dict[tuple[int, int], tuple[Precision, Settings]]:
        """Resolved precisions by the identity of two groups, which are kept so that no other gets it."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        # In another process other groups may have the same identity.
        return {name: value for name, value in vars(self).items() if name != "_precisions"}

    @property
    def precision(self) -> Precision:
        """The precision of trials that vary nothing which it depends on."""
        return self.precision_of(self.settings)

    def settings_of(self, point: Point) -> Settings:
        """Return the settings that a point is computed with: the space's, and what its strategy imposes."""
        settings = self._variants.of(point.settings)
        imposed = STRATEGIES[point.strategy].imposed(settings)
        return self._variants.of((*point.settings, *imposed)) if imposed else settings

    def precision_of(self, settings: Settings) -> Precision:
        """Return the precision of trials with these settings.

        Raises:
            InputError: the device cannot compute in the one that is asked for.
        """
        training, pretraining = settings.training, settings.pretraining
        # Groups of settings are few, points many.
        groups = id(training), id(pretraining)
        if groups not in self._precisions:
            resolve_precision(pretraining.precision, self.device, [pretraining.patch])
            patches = [training.patch, pretraining.patch]
            resolved = resolve_precision(training.precision, self.device, patches)
            self._precisions[groups] = resolved, settings
        return self._precisions[groups][0]

    def split(self, fold: int) -> FoldSplit:
        """Return the patients' roles in a fold."""
        return next(split for split in self.splits if split.fold == fold)

    def recipe(self, fold: int, seed: int = 0, settings: Settings | None = None) -> EncoderRecipe:
        """Return the recipe of the network that a fold starts from; folds with the same roles share it.

        Args:
            seed: of its start and of the order of its patches.
            settings: those of the run unless given.
        """
        own = settings or self.settings
        t1, pretraining, trials = self.split(fold).t1, own.pretraining, self.precision_of(own)
        precision = trials if pretraining.precision == "auto" else pretraining.precision
        return EncoderRecipe(
            cohort_fingerprint=self.cohort_fingerprint,
            training=tuple(sorted(t1.training)),
            validation=tuple(sorted(t1.validation)),
            preparation=own.preparation,
            network=t1_network(own.network),
            pretraining=replace(
                pretraining,
                precision=precision,
                batch_size_of_concatenation=None,
                hybrid_steps_factor=1,
                match="none",
            ),
            precision=precision,
            preparation_version=PREPARATION_VERSION,
            science=SCIENCE_VERSION,
            seed=seed,
        )
