"""What all trials of a run have in common."""

from dataclasses import dataclass, replace

from ablation.plan.recipe import EncoderRecipe, t1_network
from t1t2core.cohort.split import FoldSplit
from t1t2core.preparation.prepare import PREPARATION_VERSION
from t1t2core.settings import Precision, Settings
from t1t2core.version import SCIENCE_VERSION


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all trials of a run have in common."""

    settings: Settings
    precision: Precision
    cohort_fingerprint: str
    splits: tuple[FoldSplit, ...]

    def split(self, fold: int) -> FoldSplit:
        """Return the patients' roles in a fold."""
        return next(split for split in self.splits if split.fold == fold)

    def recipe(self, fold: int) -> EncoderRecipe:
        """Return the recipe of the T1 network for a fold; folds with the same T1 roles share it."""
        t1, pretraining = self.split(fold).t1, self.settings.pretraining
        precision = self.precision if pretraining.precision == "auto" else pretraining.precision
        return EncoderRecipe(
            cohort_fingerprint=self.cohort_fingerprint,
            training=tuple(sorted(t1.training)),
            validation=tuple(sorted(t1.validation)),
            preparation=self.settings.preparation,
            network=t1_network(self.settings.network),
            pretraining=replace(
                pretraining, precision=precision, batch_size_of_concatenation=None, hybrid_steps_factor=1
            ),
            precision=precision,
            preparation_version=PREPARATION_VERSION,
            science=SCIENCE_VERSION,
        )
