"""Trained networks as other programs run them: as TorchScript or ONNX, which need no class of ours."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from t1t2core.cohort.scan import read_scan
from t1t2core.errors import InputError
from t1t2core.evaluation.labelling import label_scan, write_labels
from t1t2core.network.base import Network
from t1t2core.network.plain import plain_operations
from t1t2core.settings import Settings, Shape, TrainingSettings
from t1t2core.training.compute import Compute

IMAGE, LOGITS = "image", "logits"
"""Names of what goes in, (B, 1, x, y, z), and of what comes out, (B, classes, x, y, z)."""
FARTHEST = 5e-3
"""How far what a file computes may lie from its networks, as a share of the length of all logits.

Of two values that differ by rounding alone, pooling may take the other: up to 1e-3, one draw in a hundred.
"""


class Voted(nn.Module):
    """Several networks as one.

    Args:
        networks: the mean of their class probabilities decides.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, classes, x, y, z) of patches (B, 1, x, y, z).

        Of several networks they are the logarithms of the mean probabilities.
        """
        logits = [network(image) for network in self.networks]
        if len(logits) == 1:
            return cast(Tensor, logits[0])
        mean = torch.stack([one.softmax(dim=1) for one in logits]).mean(dim=0)
        return mean.clamp(min=torch.finfo(mean.dtype).tiny).log()


@torch.no_grad()
def write_torchscript(voted: Voted, patch: Shape, path: Path) -> None:
    """Write networks as TorchScript, for `torch.jit.load`; any number of patches of this size goes in.

    Raises:
        InputError: these networks cannot be traced, or what is written computes something else.
    """
    image = _noise(patch)
    with warnings.catch_warnings():
        # The tracer names each Python number that it keeps; and TorchScript is not developed any more.
        warnings.simplefilter("ignore")
        try:
            with plain_operations():
                torch.jit.trace(voted, image, check_trace=False).save(str(path))
            found = torch.jit.load(str(path))(image)
        except RuntimeError as error:
            raise _not_exportable("TorchScript", error) from error
    _check(found, voted(image), "TorchScript")


@torch.no_grad()
def write_onnx(voted: Voted, patch: Shape, path: Path, about: Mapping[str, str]) -> None:
    """Write networks as one ONNX file, and run it once in ONNX Runtime beside them.

    Args:
        patch: voxels of what goes in, one patch at a time.
        about: what the file says of itself.

    Raises:
        InputError: a library for it is not installed, these networks have no such form, or what is written
            computes something else.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"ONNX needs a library that is not installed ({error.name}): "
            "python -m pip install 't1t2-ablation[onnx]'"
        ) from error
    image = _noise(patch)
    # It warns of each library that this one could know as well.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), plain_operations():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                voted,
                (image,),
                dynamo=True,
                input_names=[IMAGE],
                output_names=[LOGITS],
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise _not_exportable("ONNX", error) from error
    assert program is not None
    program.model.metadata_props.update(about)
    program.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run([LOGITS], {IMAGE: image.numpy()})[0]
    _check(torch.from_numpy(np.asarray(found)), voted(image), "ONNX")


def _noise(patch: Shape) -> Tensor:
    return torch.randn((1, 1, *patch), generator=torch.Generator().manual_seed(0))


def _not_exportable(form: str, error: Exception) -> InputError:
    first = str(error).strip().partition("\n")[0]
    return InputError(f"this network cannot be written as {form}: {first}")


def _check(found: Tensor, expected: Tensor, form: str) -> None:
    farthest = float((found - expected).norm() / expected.norm())
    if not farthest <= FARTHEST:
        raise InputError(
            f"this network cannot be written as {form}: what was written gives other logits, {farthest:.2g} "
            f"of their length apart; allowed: {FARTHEST:g}"
        )


@dataclass(frozen=True)
class PortableLabeller:
    """Labels whole scans with a network that was written to a file, as `ablation.segment` does with it.

    Args:
        network: gives logits for patches, such as TorchScript.
        settings: JSON file of the settings that it was trained with.
        patch: voxels of a patch.
        stride: from one patch to the next.
        device: `cpu` or `cuda`.
    """

    network: Any
    settings: str | Path
    patch: Sequence[int]
    stride: Sequence[int]
    device: str = "cpu"

    def __call__(self, scan: str | Path, target: str | Path) -> Path:
        """Write the labels of a scan, on the scan's own grid."""
        settings = TypeAdapter(Settings).validate_json(Path(self.settings).read_bytes())
        (px, py, pz), (sx, sy, sz) = self.patch, self.stride
        labels = label_scan(
            read_scan(Path(scan)),
            [self.network],
            settings.preparation,
            TrainingSettings(patch=(px, py, pz), stride=(sx, sy, sz)),
            Compute(precision="float32", device=self.device),
            settings.classes,
        )
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        write_labels(labels, Path(target), like=Path(scan))
        return Path(target)
