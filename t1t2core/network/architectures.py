"""What is known of each network before it is built: plans ask for it, so nothing here imports torch."""

from typing import Any

from t1t2core.errors import InputError
from t1t2core.network.architecture import Architecture
from t1t2core.settings import NetworkSettings, identity

STUDY = "excitation"
"""The network of the study (Sec. 3.3, Fig. 1)."""


ARCHITECTURES: dict[str, Architecture] = {
    STUDY: Architecture(
        convolutions=(3, 3, 3, 3, 3, 3, 3, 0),
        encoder=4,
        settings=frozenset(
            {
                "attention",
                "attention_order",
                "attention_reduction",
                "normalisation",
                "skip_connections",
                "unpooling",
            }
        ),
    ),
    "unet": Architecture(convolutions=(2, 2, 2, 2, 2, 2, 1, 0), encoder=4, fewest_voxels=2),
    "dynunet": Architecture(convolutions=(2, 2, 2, 2, 3, 3, 3, 0), encoder=4, fewest_voxels=2),
    "segresnet": Architecture(convolutions=(3, 3, 2, 3, 2, 3, 2, 2, 2, 3, 3, 3, 0), encoder=9),
    "swin_unetr": Architecture(
        convolutions=(5, 4, 4, 2, 4, 3, 3, 3, 3, 3, 0), divisor=32, fewest_voxels=2, width_divisor=12
    ),
}
"""By the name that `network.architecture` has for them; a test compares each with what is built."""


def architecture_of(name: str) -> Architecture:
    """Return what is known of an architecture, by its name or by that of a class.

    Raises:
        InputError: the class cannot be imported, or is no network.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    from t1t2core.network.own import describe

    return describe(name)


def settings_of(name: str) -> frozenset[str]:
    """Return the names of those network settings that count, beside the width; of an own class none."""
    return ARCHITECTURES[name].settings if name in ARCHITECTURES else frozenset()


def identity_of(network: NetworkSettings) -> dict[str, Any]:
    """Return what tells one network from another: `identity`, and of an own class its source's digest."""
    if network.architecture in ARCHITECTURES:
        return identity(network)
    from t1t2core.network.own import digest_of_source

    return {**identity(network), "source": digest_of_source(network.architecture)}


def keeps_statistics(network: NetworkSettings) -> bool:
    """Return whether a network has batch norm, which stores statistics of what it has seen."""
    if "normalisation" in settings_of(network.architecture):
        return network.normalisation == "batch"
    return architecture_of(network.architecture).keeps_statistics


def stages_before(tuned_layers: int, architecture: str = STUDY) -> int:
    """Return how many stages are frozen when the last `tuned_layers` convolutions are tuned (0: `fc`).

    The classifier is a stage of its own and always tuned; what belongs to a stage goes with its convolutions.

    Raises:
        InputError: the number is not that of any last stages.
    """
    if misfit := why_not_tunable(tuned_layers, architecture):
        raise InputError(misfit)
    convolutions = architecture_of(architecture).convolutions
    last = [sum(convolutions[first:]) for first in range(len(convolutions))]
    return len(last) - 1 - last[::-1].index(tuned_layers)


def why_not_tunable(tuned_layers: int, architecture: str) -> str | None:
    """Return why this number of last convolutions cannot be tuned, as a message; None if it can.

    A number that falls inside a stage is not rounded: two names would compute the same.
    """
    known = architecture_of(architecture)
    if not known.convolutions:
        return f"network.architecture: {architecture} has no stages, so that no part of it can be frozen"
    if not tuned_layers or tuned_layers in known.tunable:
        return None
    reason = (
        f"{architecture} has {known.layers} convolutions"
        if tuned_layers > known.layers
        else f"it falls inside a stage of {architecture}"
    )
    some = ", ".join(map(str, known.tunable[:-1]))
    return (
        f"tuned_layers: {tuned_layers}: {reason}; allowed: fc, {some}, and {known.layers}, which is the "
        "strategy open"
    )
