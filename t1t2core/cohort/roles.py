"""The roles of the patients in one fold."""

from dataclasses import dataclass

from t1t2core.errors import InputError

ROLES = ("training", "validation", "test")

Names = tuple[str, ...]


@dataclass(frozen=True)
class Roles:
    """The patients of one sequence by role; each has at most one."""

    training: Names
    validation: Names
    test: Names


@dataclass(frozen=True)
class FoldSplit:
    """The roles in one fold.

    Args:
        fold: its number, from 1.
        t1: roles of the T1w scans, for the network that is transferred.
        t2: roles of the T2w scans; `t2.training` is in the order in which patients join the training set.
    """

    fold: int
    t1: Roles
    t2: Roles

    def t2_training(self, size: int) -> Names:
        """The first `size` T2 training patients: those of a smaller set are among those of a larger.

        Raises:
            InputError: the fold has fewer, or `size` is below 1.
        """
        if not 1 <= size <= len(self.t2.training):
            raise InputError(
                f"fold {self.fold} has {len(self.t2.training)} T2w patients for training; "
                f"found t2_train_size {size}"
            )
        return self.t2.training[:size]


def count_overlap(split: FoldSplit) -> dict[str, int]:
    """How many patients have each pair of roles: `t2_test_in_t1_training` and the other eight."""
    return {
        f"t2_{t2_role}_in_t1_{t1_role}": len(
            set(getattr(split.t2, t2_role)) & set(getattr(split.t1, t1_role))
        )
        for t2_role in ROLES
        for t1_role in ROLES
    }
