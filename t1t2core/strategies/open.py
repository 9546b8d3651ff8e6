"""All layers of the T1 network trained on T2 (Sec. 3.3.1)."""

from t1t2core.strategies.base import Strategy


class Open(Strategy):
    """Starts from the T1 network and trains all of it."""

    name = "open"
