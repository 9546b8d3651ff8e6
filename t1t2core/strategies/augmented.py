"""One network trained from scratch on T1 and T2 (Sec. 3.3.4)."""

from t1t2core.strategies.scratch import Scratch


class Augmented(Scratch):
    """Starts from Glorot's weights and trains them on the scans of both sequences."""

    name = "augmented"
    trains_on_t1 = True
    scored_on_t1 = True
