"""The design of a study: which factors it compares, tunes and repeats, and in which combinations."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ablation.space.factors import ARM, SAMPLED
from ablation.space.strict import Number, Strict

ONE_AT_A_TIME = "one_at_a_time"
Method = Literal["grid", "one_at_a_time"]
LEARNING_RATE = "learning_rate"


class Primary(Strict):
    """The comparison that a study is for.

    Args:
        arm: by its name in tables, such as `conservative 9`.
        against: another one.
        tissue: the class, in the file `class`.
    """

    arm: str
    against: str
    tissue: Annotated[str, Field(alias="class")]


class Equivalence(Strict):
    """Differences that do not matter.

    Args:
        dsc: of Dice.
    """

    dsc: Annotated[Number, Field(lt=1)]


def _as_tuple(found: Any) -> Any:
    return tuple(found) if isinstance(found, list) else (found,) if isinstance(found, str) else found


class Design(Strict):
    """The roles of the factors, and what is made of them.

    Args:
        method: `grid` takes every combination of the compared factors, `one_at_a_time` changes one of them
            at a time, from the first value of each. Tuned and replicated ones are crossed with every arm.
        settings: those that the space varies, by dotted name.
        tuned: factors that are chosen for each arm on validation, and never compared.
        reference: values, as they are shown, that are no part of an arm's name: with `one_at_a_time` the
            first of each compared factor, with `grid` what the others have of a setting that only some give.
        primary: the comparison that the study is for; None where all is exploratory.
        equivalence: differences that do not matter; None where no arm is called equal.
    """

    method: Method = "grid"
    settings: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    tuned: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = (LEARNING_RATE,)
    reference: dict[str, str] = Field(default_factory=dict)
    primary: Primary | None = None
    equivalence: Equivalence | None = None

    @property
    def compared(self) -> tuple[str, ...]:
        """Names of the factors and settings that tell one arm from another."""
        named = (*ARM, *(name for name in SAMPLED if name not in ARM), *self.settings)
        return tuple(name for name in named if name not in self.tuned)

    @property
    def tuned_in_words(self) -> str:
        """Return what is chosen on validation, such as `learning rate and weight decay`."""
        *others, last = [name.rpartition(".")[2].replace("_", " ") for name in self.tuned] or ["values"]
        return f"{', '.join(others)} and {last}" if others else last


STUDY = Design()
"""That of spaces which vary the factors of the study alone."""
