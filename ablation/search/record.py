"""The search in the record: its candidates as tags of the plan's parent run, and its plan as a file there."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

from mlflow.exceptions import MlflowException

from ablation.record.recorder import Recorder
from ablation.search.candidates import Candidate
from ablation.search.search import GivenUp, Tried
from ablation.space.design import Design
from ablation.space.naming import trial_name

CANDIDATE, PRUNED = "candidate", "pruned"
"""Tags `candidate.0007` and `pruned.0007`: a candidate, and why it was given up, as JSON."""


class SearchRecord:
    """Where a search keeps its candidates.

    Args:
        shown: factors that the names of trials tell.
        design: of the plan, by which trials are named.
        changed: is told whenever the trials of the search have changed.
    """

    def __init__(
        self, recorder: Recorder, shown: Iterable[str], design: Design, changed: Callable[[], None]
    ) -> None:
        self._recorder, self._shown, self._design = recorder, list(shown), design
        self.changed = changed

    def candidates(self) -> Mapping[int, Candidate]:
        """Return all that were announced, by number; none where the record does not answer just now."""
        return read_candidates(self._tags())

    def given_up(self) -> Mapping[int, GivenUp]:
        """Return why candidates were given up, by number."""
        return read_given_up(self._tags())

    def announce(self, tried: Tried) -> None:
        """Write down a candidate before any of its trials is started."""
        self._recorder.note(_tag(CANDIDATE, tried.number), tried.candidate.to_json())
        self.changed()

    def introduce(self, tried: Tried) -> None:
        """Make the trials of a candidate known to the recorder, those that have keys."""
        self._recorder.add(
            {trial.key: trial_name(trial.point, self._shown, self._design) for trial in tried.keyed}
        )

    def give_up(self, tried: Tried) -> None:
        """Write down that a candidate is given up."""
        assert tried.given_up is not None
        self._recorder.note(_tag(PRUNED, tried.number), json.dumps(asdict(tried.given_up)))

    def _tags(self) -> Mapping[str, str]:
        try:
            return self._recorder.notes()
        except (MlflowException, OSError):
            return {}


def read_candidates(tags: Mapping[str, str]) -> dict[int, Candidate]:
    """Return the candidates in the tags of a parent run, by number."""
    return {number: Candidate.from_json(text) for number, text in _numbered(tags, CANDIDATE).items()}


def read_given_up(tags: Mapping[str, str]) -> dict[int, GivenUp]:
    """Return why candidates were given up, by number."""
    found = {number: json.loads(text) for number, text in _numbered(tags, PRUNED).items()}
    return {number: GivenUp(one["reason"], tuple(one["values"])) for number, one in found.items()}


def _tag(kind: str, number: int) -> str:
    return f"{kind}.{number:04}"


def _numbered(tags: Mapping[str, str], kind: str) -> dict[int, str]:
    found = {int(name.partition(".")[2]): text for name, text in tags.items() if name.startswith(f"{kind}.")}
    return dict(sorted(found.items()))
