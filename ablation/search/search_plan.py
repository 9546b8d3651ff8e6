"""A search over a space: its name, its candidates, and what the record has of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

from mlflow.entities import Run

from ablation.plan.digest import digest_of
from ablation.plan.plan import PlannedTrial, draft_plan, recipes_of
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.study import Study
from ablation.plan.trial_result import TrialResult
from ablation.record.ledger import Ledger
from ablation.record.recorder import Recorder
from ablation.search.budget import Spending, find_plan
from ablation.search.candidates import CandidateSpace, candidates_of, check_candidates
from ablation.search.record import SearchRecord, read_candidates
from ablation.search.search import OptunaSearch
from ablation.space.arm import Arm
from ablation.space.naming import varying
from ablation.space.points import Point
from ablation.space.space import Space
from t1t2core.settings import identity


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """A search over a space.

    Args:
        points: the outermost of the space: at the ends of its ranges, and of all values of its lists.
        encoders: digests of the pretrained networks of these points that are there.
        find: returns the digest of a pretrained network that is there.
        given: the user has chosen the pretrained network.
    """

    space: Space
    study: Study
    points: Sequence[Point]
    encoders: Mapping[EncoderRecipe, str]
    find: Callable[[EncoderRecipe], str | None]
    given: bool
    ledger: Ledger

    @cached_property
    def key(self) -> str:
        """Hash of all that decides what the search samples and computes; not of what may be spent.

        It names pretrained networks by their recipes, so that it is known before they are trained. Searches
        that were recorded before this was so, and those whose network is given, are named by the networks'
        digests.
        """
        recipes = recipes_of(self.points, self.study)
        if all(recipe in self.encoders for recipe in recipes):
            named = self._digest({"encoders": sorted(set(self.encoders.values()))})
            if self.given or find_plan(self.ledger, self.space.name, named):
                return named
        return self._digest({"recipes": sorted(recipe.digest for recipe in recipes)})

    def _digest(self, networks: Mapping[str, Sequence[str]]) -> str:
        own = self.study.settings
        settings = {group.name: identity(getattr(own, group.name)) for group in fields(own)}
        # Newer than recorded searches; the cohort's fingerprint tells it.
        del settings["cohort"]["select"]
        return digest_of(
            {
                "arms": [_identity(arm) for arm in self.space.arms],
                "search": self.space.search.model_dump(mode="json", exclude={"trials"}),
                "settings": settings,
                "precision": self.study.precision,
                "cohort": self.study.cohort_fingerprint,
                **networks,
            }
        )

    @cached_property
    def candidates(self) -> CandidateSpace:
        """All that the search may try."""
        return candidates_of(self.space, self.study.settings)

    def open(
        self,
        recorder: Recorder,
        spending: Spending,
        recorded: Mapping[str, Run],
        changed: Callable[[], None],
    ) -> OptunaSearch:
        """Return the search, with all that the record knows of it.

        Args:
            recorded: finished trials by key.
            changed: is told whenever the trials of the search have changed.
        """
        search = self.space.search
        return OptunaSearch(
            self.candidates,
            search,
            plan=self._draft,
            encoders=self.encoders,
            recall=lambda key: self._recall(recorded.get(key)),
            spending=spending,
            journal=SearchRecord(recorder, varying(self.points), self.space.design, changed),
            starts=check_candidates(self.candidates, search, spending.limit.trials),
        )

    def sampled(self) -> list[PlannedTrial]:
        """Return the trials of the candidates that the record has."""
        parent = find_plan(self.ledger, self.space.name, self.key)
        found = read_candidates(parent.data.tags) if parent else {}
        points = dict.fromkeys(point for one in found.values() for point in self.candidates.points(one))
        return self._draft(list(points), dict(self.encoders))

    def _draft(self, points: Sequence[Point], encoders: dict[EncoderRecipe, str]) -> list[PlannedTrial]:
        """Return the trials of points; pretrained networks that storage has are added to those known."""
        for recipe in recipes_of(points, self.study):
            if recipe not in encoders and (digest := self.find(recipe)):
                encoders[recipe] = digest
        return draft_plan(points, self.study, encoders)

    def _recall(self, run: Run | None) -> TrialResult | None:
        """Return what a recorded trial scored; scores a patient are read only where pruning needs them."""
        if run is None:
            return None
        if self.space.search.pruning.margin is None:
            return TrialResult(run.data.metrics, ())
        (record,) = self.ledger.records([run])
        return TrialResult(record.metrics, record.scores)


def _identity(arm: Arm) -> dict[str, Any]:
    """Return what an arm says beyond what was always so."""
    told = asdict(arm)
    if not arm.settings:
        del told["settings"]
    if arm.pretraining_seeds == (0,):
        del told["pretraining_seeds"]
    return told
