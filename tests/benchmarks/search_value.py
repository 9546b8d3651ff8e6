"""Is the search worth it? Plays it against random search on a grid that is recorded whole.

    python -m tests.benchmarks.search_value --space search_spaces/conservative.yaml --output runs

Each search has a share of the compute that the grid took, and is told of a trial what the record has of it.
A trial counts with the median of the seconds that the trials of its arm took: when the machine was busy with
other work does not matter. Nothing is trained and nothing is written into the record.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from ablation.plan.plan import PlannedTrial, Trial, make_plan, recipes_of
from ablation.plan.recipe import EncoderRecipe
from ablation.plan.trial_result import TrialResult
from ablation.search.budget import Spending
from ablation.search.candidates import Candidate, candidates_of
from ablation.search.search import GivenUp, OptunaSearch, Tried
from ablation.space.points import Point
from ablation.space.search_settings import Budget, Pruning, Search
from ablation.sweep.workspace import Request, Workspace, open_workspace

OBJECTIVE = "validation/bone/dsc"
SECONDS = "time/total_seconds"
NEAR = 0.01
"""Within which the best of the grid counts as found."""
MARGIN = 0.02
SEEDS, MANY_SEEDS = 5, 100
SEARCHES = {
    "tpe, margin": Search(method="optuna", pruning=Pruning(margin=MARGIN)),
    "tpe": Search(method="optuna"),
    "random, margin": Search(method="optuna", sampler="random", pruning=Pruning(margin=MARGIN)),
    "random": Search(method="optuna", sampler="random"),
}


class Unwritten:
    """A journal that nobody reads."""

    def candidates(self) -> dict[int, Candidate]:
        """None."""
        return {}

    def given_up(self) -> dict[int, GivenUp]:
        """None."""
        return {}

    def introduce(self, tried: Tried) -> None:
        """Nothing."""

    def changed(self) -> None:
        """Nothing."""

    def announce(self, tried: Tried) -> None:
        """Nothing."""

    def give_up(self, tried: Tried) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Args:
        best: the objective of the candidate that it would choose.
        whole, given_up: candidates.
        seconds: of its trials.
    """

    best: float
    whole: int
    given_up: int
    seconds: float


class Grid:
    """A grid that is recorded whole."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._encoders = workspace.known_encoders(recipes_of(workspace.points, workspace.study))
        self.space = candidates_of(workspace.space, workspace.settings)
        finished = workspace.ledger.finished()
        plan = self.trials(workspace.points)
        missing = sum(trial.key not in finished for trial in plan)
        if missing:
            raise typer.BadParameter(f"{missing} of {len(plan)} trials of the grid are not recorded")
        records = workspace.ledger.records([finished[trial.key] for trial in plan])
        self.results = {
            trial.key: TrialResult(record.metrics, record.scores)
            for trial, record in zip(plan, records, strict=True)
        }
        of_arm: dict[tuple[object, ...], list[float]] = defaultdict(list)
        for trial in plan:
            of_arm[_arm(trial)].append(self.results[trial.key].metrics[SECONDS])
        self._costs = {trial.key: median(of_arm[_arm(trial)]) for trial in plan}

    @property
    def seconds(self) -> float:
        """That its trials take."""
        return sum(self._costs.values())

    @property
    def best(self) -> float:
        """Highest objective of a candidate."""
        everything = self.space.everything or ()
        return max(self._mean(self.trials(self.space.points(candidate))) for candidate in everything)

    def trials(self, points: Sequence[Point]) -> list[Trial]:
        """The trials of points."""
        return make_plan(points, self._workspace.study, self._encoders)

    def plan(self, points: Sequence[Point], encoders: dict[EncoderRecipe, str]) -> list[PlannedTrial]:
        """The same, as a search asks for them; all pretrained networks are there."""
        return [*self.trials(points)]

    def play(self, search: Search, share: float) -> Found:
        """Lets a search spend its share of the grid's seconds, one trial after the other."""
        spent = 0.0
        spending = Spending(Budget(minutes=share * self.seconds / 60), clock=lambda: spent)
        player = OptunaSearch(
            self.space,
            search,
            plan=self.plan,
            encoders=self._encoders,
            recall=lambda key: None,
            spending=spending,
            journal=Unwritten(),
        )
        while trial := player.next():
            assert isinstance(trial, Trial)
            result = self.results[trial.key]
            spent += self._costs[trial.key]
            player.ended(trial, result)
        whole = [one for one in player.tried if one.is_whole]
        best = max((one.means([OBJECTIVE])[0] for one in whole), default=0.0)
        return Found(best, len(whole), sum(one.given_up is not None for one in player.tried), spent)

    def _mean(self, plan: Sequence[Trial]) -> float:
        values = [self.results[trial.key].value(OBJECTIVE) for trial in plan]
        return sum(values) / len(values)


def _arm(trial: Trial) -> tuple[object, ...]:
    return tuple(trial.factors[name] for name in ("strategy", "tuned_layers", "fusion", "t2_train_size"))


def main(
    space: Annotated[Path, typer.Option()],
    output: Annotated[Path, typer.Option()],
    share: Annotated[float, typer.Option(help="of the grid's seconds")] = 1 / 3,
    many: Annotated[int, typer.Option(help="seeds of the summary")] = MANY_SEEDS,
) -> None:
    """Prints a table for each search, and how often each came near over many seeds."""
    grid = Grid(open_workspace(Request(space=space, output=output)))
    best, total = grid.best, grid.seconds
    print(f"grid: {len(grid.results)} trials, {len(grid.space.everything or ())} candidates, {total:.0f} s")
    print(f"best {OBJECTIVE} of the grid: {best:.4f}; budget of a search: {share * total:.0f} s")
    print(f"\n{'search':16} {'seed':>4} {'best':>7} {'gap':>7} {'near':>5} {'whole':>5} {'up':>4} {'s':>6}")
    for name, search in SEARCHES.items():
        for seed in range(SEEDS):
            found = grid.play(search.model_copy(update={"seed": seed}), share)
            gap = best - found.best
            near = "yes" if gap <= NEAR else "no"
            print(
                f"{name:16} {seed:4} {found.best:7.4f} {gap:7.4f} {near:>5} {found.whole:5} "
                f"{found.given_up:4} {found.seconds:6.0f}"
            )
    print(f"\nwithin {NEAR} of the best, of {many} seeds; mean gap")
    for name, search in SEARCHES.items():
        gaps = [best - grid.play(search.model_copy(update={"seed": s}), share).best for s in range(many)]
        print(f"{name:16} {sum(gap <= NEAR for gap in gaps):4} {sum(gaps) / len(gaps):8.4f}")


if __name__ == "__main__":
    typer.run(main)
