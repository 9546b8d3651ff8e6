"""Pictures of a trial for its record."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from t1t2core.evaluation.scores import IGNORED, LABELS, confusion
from t1t2core.experiment import Outcome
from t1t2core.trial import AnyExperiment

COLOURS = np.array([(0, 0, 0), (86, 180, 233), (240, 228, 66)], dtype=np.uint8)
"""Air, soft tissue, bone: Okabe & Ito's palette, told apart by the colour-blind and in grey."""
WRONG = np.array((213, 94, 0), dtype=np.uint8)
UNKNOWN = np.array((128, 128, 128), dtype=np.uint8)
ZOOM = 3
SHOWN_SLICES = (0.3, 0.5, 0.7)
"""Heights in the volume, as shares, at which axial slices are drawn."""


def draw_slices(experiment: AnyExperiment, outcome: Outcome) -> dict[str, bytes]:
    """PNG files by name, one a test patient: rows are slices; columns MR, CT labels, prediction, errors."""
    drawn = list(outcome.predictions.items())[: experiment.evaluation.pictures]
    files = {}
    for (sequence, patient), labels in drawn:
        scan = experiment.scans[sequence].test[patient]
        heights = [int(share * labels.shape[2]) for share in SHOWN_SLICES]
        rows = [_row(scan.image[:, :, k], scan.labels[:, :, k], labels[:, :, k]) for k in heights]
        files[f"slices_{sequence}_{patient}.png"] = _png(np.concatenate(rows))
    return files


def draw_confusion(experiment: AnyExperiment, outcome: Outcome) -> bytes:
    """PNG of the test patients' pooled confusion matrix, shares of each true class."""
    names = list(LABELS)
    table = sum(
        (confusion(p, experiment.scans[s].test[n].labels) for (s, n), p in outcome.predictions.items()),
        np.zeros((len(names), len(names)), dtype=np.int64),
    )
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        axes.text(
            column, row, f"{value:.3f}", ha="center", va="center", color="white" if value > 0.5 else "black"
        )
    ticks = [name.replace("_", " ") for name in names]
    axes.set(xticks=range(len(names)), xticklabels=ticks, yticks=range(len(names)), yticklabels=ticks)
    axes.set(xlabel="predicted", ylabel="true (CT)", title="Test voxels, share of the true class")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _row(image: np.ndarray, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, (1, 99))
    grey = (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    known = (truth != IGNORED)[..., None]
    true_colours = np.where(known, COLOURS[np.where(truth == IGNORED, 0, truth)], UNKNOWN)
    errors = np.where(known & (truth != prediction)[..., None], WRONG, grey[..., None].repeat(3, axis=2))
    columns = [grey[..., None].repeat(3, axis=2), true_colours, COLOURS[prediction], errors]
    return np.concatenate([_upright(column) for column in columns], axis=1)


def _upright(picture: np.ndarray) -> np.ndarray:
    """From (left-right, back-front) to a picture with the front up and the patient's left on the right."""
    return np.flip(picture.swapaxes(0, 1), axis=(0, 1))


def _png(pixels: np.ndarray) -> bytes:
    picture = Image.fromarray(np.ascontiguousarray(pixels).astype(np.uint8))
    buffer = io.BytesIO()
    picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST).save(
        buffer, "PNG"
    )
    return buffer.getvalue()
