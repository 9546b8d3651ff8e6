"""A plan's best networks for other programs: as ONNX, or as a bundle of MONAI."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter

from ablation.compat import version_here
from ablation.models.find import best_model
from ablation.models.labeller import check_agreement
from ablation.models.network import RecordedNetwork, load_network
from ablation.models.registry import Card
from ablation.models.winner import card_of
from ablation.record.ledger import Ledger
from ablation.record.plan_record import PlanRecord
from ablation.record.settings import SETTINGS_FILE, pack_settings, recorded_classes
from ablation.store.pretrained import EncoderStore
from ablation.store.storage import Storage
from t1t2core.errors import InputError
from t1t2core.evaluation.portable import IMAGE, LOGITS, Voted, write_onnx, write_torchscript
from t1t2core.settings import PreparationSettings
from t1t2core.settings.classes import Classes

Form = Literal["bundle", "onnx"]
ONNX_FILE = "model.onnx"
SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
"""Of `metadata.json`, by which `python -m monai.bundle verify_metadata` judges it."""
BUNDLE_VERSION = "1.0.0"
NEEDED = ("numpy", "safetensors", "SimpleITK")
"""Libraries beside MONAI, PyTorch and this one whose versions a bundle names."""


def export_model(
    ledger: Ledger, plan: PlanRecord, storage: Storage, folder: Path, form: Form, tissue: str | None
) -> Path:
    """Write the networks of the arm that is best for a class, which vote, into a new folder.

    The folder is there whole or not at all.

    Args:
        tissue: the class; the first one that the plan scores, unless given.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds something, nothing is finished, there is no such class, or the networks
            have no such form.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--export {form} {folder}: is not empty; name a new folder")
    if not plan.records:
        raise InputError(f"no trial of {plan.space} is finished: there is nothing to export")
    tissue = tissue or next(iter(recorded_classes(plan.records[0].params).scored))
    best = best_model(ledger, plan, tissue)
    encoders = EncoderStore(storage)
    networks = [load_network(ledger, encoders, run) for run in best.runs]
    check_agreement(networks, f"{best.arm} of {plan.space}")
    card, voted = card_of(plan, best, tissue), Voted([one.network for one in networks])
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=parent) as temporary:
        made = Path(temporary, "made")
        made.mkdir()
        if form == "onnx":
            write_onnx(voted, networks[0].training.patch, made / ONNX_FILE, _about(card, networks[0]))
        else:
            _write_bundle(made, voted, networks[0], card)
        if folder.exists():
            folder.rmdir()
        shutil.copymode(parent, made)
        os.replace(made, folder)
    return folder


def _about(card: Card, network: RecordedNetwork) -> dict[str, str]:
    """What an ONNX file says of itself: all that a scan has to be made into, and what comes out."""
    preparation = TypeAdapter(PreparationSettings).dump_json(network.preparation).decode()
    return {
        "arm": f"{card.arm} of {card.space}",
        "image": "one patch, (1, 1, x, y, z): left-right, back-front, up",
        "patch": json.dumps(network.training.patch),
        "stride": json.dumps(network.training.stride),
        "preparation": preparation,
        "classes": json.dumps(list(card.classes.names)),
        "values": json.dumps(list(card.classes.values)),
        "made_by": f"t1t2-ablation {version_here()}",
        "card": card.text(),
    }


def _write_bundle(root: Path, voted: Voted, network: RecordedNetwork, card: Card) -> None:
    """Write the files of a bundle (https://docs.monai.io, "MONAI Bundle Specification")."""
    for name in ("configs", "models", "docs"):
        (root / name).mkdir()
    patch = network.training.patch
    write_torchscript(voted, patch, root / "models" / "model.ts")
    torch.save(voted.state_dict(), root / "models" / "model.pt")
    (root / "configs" / SETTINGS_FILE).write_bytes(pack_settings(network.settings))
    _write_json(root / "configs" / "metadata.json", _metadata(card, network))
    _write_json(root / "configs" / "inference.json", _inference(network))
    (root / "docs" / "README.md").write_text(_readme(card), encoding="utf-8")


def _metadata(card: Card, network: RecordedNetwork) -> dict[str, Any]:
    names = card.classes.names
    return {
        "schema": SCHEMA,
        "version": BUNDLE_VERSION,
        "changelog": {BUNDLE_VERSION: "exported"},
        "monai_version": version("monai"),
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {
            "t1t2-ablation": version_here(),
            **{name: version(name) for name in NEEDED},
        },
        "name": f"{card.space}: {card.arm}",
        "task": f"Segmentation of head MR into {', '.join(names)}",
        "description": card.text(),
        "authors": "those who ran this study",
        "copyright": "theirs",
        "data_source": card.cohort,
        "data_type": "nibabel",
        "image_classes": "one channel, normalised intensities of an MR scan",
        "pred_classes": f"{len(names)} channels, logits of {', '.join(names)}",
        "eval_metrics": {
            f"{split}_{name}_dice": round(value, 4)
            for split, scores in card.scores.items()
            for name, value in scores.items()
        },
        "intended_use": "Research. Not for the care of patients.",
        "network_data_format": _network_format(list(network.training.patch), names),
    }


def _network_format(patch: list[int], names: Sequence[str]) -> dict[str, Any]:
    """What goes into the network and what comes out."""
    volume = {
        "type": "image",
        "spatial_shape": patch,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
    }
    image = {"format": "magnitude", "modality": "MR", "num_channels": 1, "channel_def": {"0": IMAGE}}
    channels = {str(label): name for label, name in enumerate(names)}
    logits = {"format": "segmentation", "num_channels": len(names), "channel_def": channels}
    return {"inputs": {IMAGE: volume | image}, "outputs": {LOGITS: volume | logits}}


def _inference(network: RecordedNetwork) -> dict[str, Any]:
    """The way from scans to label maps, as MONAI's configurations have it."""
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "dataset_dir": "scans",
        "output_dir": "$@bundle_root + '/labels'",
        "scans": "$sorted(glob.glob(@dataset_dir + '/*.nii.gz'))",
        "device": "$'cuda' if torch.cuda.is_available() else 'cpu'",
        "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts', map_location=@device)",
        "labeller": {
            "_target_": "t1t2core.evaluation.portable.PortableLabeller",
            "network": "@network_def",
            "settings": f"$@bundle_root + '/configs/{SETTINGS_FILE}'",
            "patch": list(network.training.patch),
            "stride": list(network.training.stride),
            "device": "@device",
        },
        "run": [
            "$[@labeller(scan, os.path.join(@output_dir, os.path.basename(scan)[:-7] + '_dseg.nii.gz')) "
            "for scan in @scans]"
        ],
    }


def _readme(card: Card) -> str:
    labels = "\n".join(f"| {value} | {name} |" for value, name in _values(card.classes))
    return f"""# {card.space}: {card.arm}

{card.text()}

**Use**

    python -m monai.bundle run --config_file configs/inference.json --bundle_root . --dataset_dir FOLDER

labels each `*.nii.gz` of FOLDER, on its own grid, into `labels/`. It needs MONAI, `fire` and t1t2-ablation,
which prepares scans as those were that the networks learnt from. The networks alone, for prepared patches,
are `models/model.ts`, which `torch.jit.load` reads without any of these.

| value | class |
| --- | --- |
{labels}
"""


def _values(classes: Classes) -> list[tuple[int, str]]:
    return sorted(zip(classes.values, classes.names, strict=True))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
