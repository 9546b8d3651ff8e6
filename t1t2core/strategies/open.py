"""All layers of the pretrained network trained on T2 (Sec. 3.3.1)."""

from t1t2core.strategies.base import Strategy


class Open(Strategy):
    """Starts from the pretrained network and trains all of it."""

    name = "open"
