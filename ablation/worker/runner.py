"""The process in which Ray Tune runs trials and trains pretrained networks, one after the other."""

from collections.abc import Mapping
from typing import Any

from ray import tune

from ablation.plan.recipe import EncoderRecipe, digest_of_preparation
from ablation.worker.gpu import make_room
from ablation.worker.pretraining import Job, Training
from ablation.worker.trial import Shared, TrialWork, Worker


class Runner(tune.Trainable):
    """Does what its configuration tells, then the next; Tune calls `step` once an epoch.

    A configuration names a point, and the pretrained network by its digest. Where it says `network`, the
    network that the point starts from is trained.

    All that can fail is done in `step`: of an error before it Ray tells no more than that a worker is gone.
    """

    _work: TrialWork | Training | None

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Return what Tune asks Ray for: as the configuration says."""
        wanted = {"CPU": config["cpu"], "GPU": config["gpu"]}
        return tune.PlacementGroupFactory([{name: amount for name, amount in wanted.items() if amount}])

    def setup(self, config: dict[str, Any], shared: Shared) -> None:  # type: ignore[override]
        """Take what is to be done first."""
        self._shared = shared
        self._worker: Worker | None = None
        self._work, self._next = None, config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take what is to be done next."""
        self._work, self._next = None, new_config
        return True

    def step(self) -> dict[str, Any]:
        """Train an epoch, and return what the driver is to know of it."""
        if self._work is None:
            self._work = self._begin(self._next)
        return self._work.step()

    def _begin(self, config: Mapping[str, Any]) -> TrialWork | Training:
        if self._worker is None:
            self._worker = Worker(self._shared, config["gpu"])
        make_room(self._worker.device)
        planned = self._shared.planned(config)
        if config["network"]:
            assert planned.recipe is not None
            return self._training(planned.recipe, config, self._worker)
        trial = planned.keyed(config["encoder"] or None, config["key"])
        return TrialWork(trial, self._worker)

    def _training(self, recipe: EncoderRecipe, config: Mapping[str, Any], worker: Worker) -> Training:
        """Return the training of a network, with no features in memory that trials of others have left."""
        worker.forget_features()
        shared = self._shared
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
