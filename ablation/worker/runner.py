"""The process in which Ray Tune runs trials and trains T1 networks, one after the other."""

from collections.abc import Mapping
from typing import Any

from ray import tune

from ablation.plan.recipe import EncoderRecipe, digest_of_preparation
from ablation.worker.pretraining import Job, Training
from ablation.worker.trial import Shared, TrialWork, Worker


class Runner(tune.Trainable):
    """Does what its configuration tells, then the next; Tune calls `step` once an epoch.

    A configuration names a point, and the T1 network by its digest. Where it says `network`, the network
    that the point starts from is trained.
    """

    _work: TrialWork | Training

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Return what Tune asks Ray for: as the configuration says."""
        wanted = {"CPU": config["cpu"], "GPU": config["gpu"]}
        return tune.PlacementGroupFactory([{name: amount for name, amount in wanted.items() if amount}])

    def setup(self, config: dict[str, Any], shared: Shared) -> None:  # type: ignore[override]
        """Get ready, once a process."""
        self._worker = Worker(shared)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Get ready for what comes next."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train an epoch, and return what the driver is to know of it."""
        return self._work.step()

    def _begin(self, config: Mapping[str, Any]) -> None:
        planned = self._worker.shared.planned(config)
        if config["network"]:
            assert planned.recipe is not None
            self._work = self._training(planned.recipe, config)
            return
        trial = planned.keyed(config["encoder"] or None, config["key"])
        self._work = TrialWork(trial, self._worker)

    def _training(self, recipe: EncoderRecipe, config: Mapping[str, Any]) -> Training:
        """Return the training of a network, with no features in memory that trials of others have left."""
        self._worker.forget_features()
        shared = self._worker.shared
        return Training(
            Job(
                recipe=recipe,
                subjects=shared.subjects[digest_of_preparation(recipe.preparation)],
                storage=shared.storage,
                workers=1,
                cpus=config["cpu"],
                gpus=config["gpu"],
                checkpoint_seconds=shared.checkpoint_seconds,
            )
        )
