"""What a network is, in a few lines, once it has kept to the contract."""

from pydantic import ValidationError

from t1t2core.errors import InputError
from t1t2core.network.architectures import architecture_of
from t1t2core.network.build import build_network
from t1t2core.network.contract import breaches, small_patch
from t1t2core.network.flops import forward_flops
from t1t2core.settings import NetworkSettings


def about_network(name: str, *, width: int) -> str:
    """Return what is known of a network that keeps to the contract.

    Args:
        name: as `network.architecture` has it.
        width: channels of its first stage.

    Raises:
        InputError: there is no such network, or it breaks the contract; a line for each part.
    """
    try:
        settings = NetworkSettings(architecture=name, width=width)
    except ValidationError as error:
        raise InputError(
            f"--network {name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from error
    known = architecture_of(name)
    if findings := breaches(settings):
        raise InputError.collect(f"network.architecture: {name} breaks the contract:", findings)
    network = build_network(settings, seed=0)
    parameters, patch = sum(each.numel() for each in network.parameters()), small_patch(settings)
    if known.convolutions:
        numbers = ", ".join(map(str, ("fc", *known.tunable)))
        tuned = f"{len(known.convolutions)} stages, {known.layers} convolutions; tuned_layers: {numbers}"
    else:
        tuned = "no stages: it trains as a whole or not at all"
    voxels = " x ".join(map(str, patch))
    return (
        f"{name} keeps to the contract\n{tuned}\n{parameters:,} parameters; "
        f"{forward_flops(network, patch):,} floating point operations for a patch of {voxels} voxels"
    )
