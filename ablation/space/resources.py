"""What a trial may use, and what is done about losses: the keys `resources` and `recovery`."""

from typing import Annotated, Literal

from pydantic import Field

from ablation.space.strict import Count, NotNegative, Number, Strict


class Resources(Strict):
    """What one trial may use: processor cores and GPUs.

    Args:
        gpus: a share of one is allowed. `auto`: none where there are none, else as little as the largest
            trial needs by its memory, so that as many as fit run side by side.
        price_per_hour: of a GPU, or of the machine where trials use none; the plan tells what it comes to.
    """

    cpus: Number = 1
    gpus: Literal["auto"] | NotNegative = "auto"
    price_per_hour: NotNegative | None = None


class Recovery(Strict):
    """What is done about losses: none of this changes a result.

    Args:
        retries: times that a trial which raised an error is tried again.
        stop_after: trials in a row that fail with the same error end the sweep.
        checkpoint_seconds: least time between two checkpoints of a trial; null writes none.
        lease_seconds: without a heartbeat for so long, a driver on another machine counts as gone.
    """

    retries: Annotated[int, Field(ge=0)] = 2
    stop_after: Count = 5
    checkpoint_seconds: NotNegative | None = 30.0
    lease_seconds: Number = 120.0
