"""Computes a few recorded numbers anew, with none of this project's statistics and no score of its own.

    python -m tests.recompute OUTPUT SPACE

From the weights of a trial and the prepared volumes: the Dice of its test patients. From `results.csv` and
`patients.csv`: which learning rate each arm has, a comparison, an interval and a claim. Each is printed
beside what the report has; status 1 where one differs. Fixed test patients and a pretrained network for each
fold, as the spaces have.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from scipy import stats

from ablation.record.settings import read_settings
from t1t2core.network.segmenter import Segmenter

LABELS = {"air": 0, "soft_tissue": 1, "bone": 2}
MARGIN = 0.01
FUSIONS = ("multiplication", "concatenation", "average", "maximum")


@dataclass(frozen=True)
class Check:
    """A number of the report, and the same computed anew."""

    what: str
    reported: float | str
    anew: float | str

    @property
    def agrees(self) -> bool:
        """Whether they are equal but for rounding, or both undefined."""
        if isinstance(self.reported, str) or isinstance(self.anew, str):
            return self.reported == self.anew
        return bool(np.isclose(self.reported, self.anew, rtol=1e-6, atol=1e-9, equal_nan=True))


class Recorded:
    """What a finished sweep left under an output folder."""

    def __init__(self, output: Path, space: str) -> None:
        self.output = output
        self.tables = output / space / "report" / "tables"
        results = pd.read_csv(output / space / "results.csv", dtype={"tuned_layers": "str"})
        patients = pd.read_csv(output / space / "patients.csv", dtype={"tuned_layers": "str"})
        self.results, self.patients = (
            results[results["region"] == "box"],
            patients[patients["region"] == "box"],
        )

    def keys(self, **arm: str) -> dict[int, str]:
        """Return the trial keys of an arm by fold, at the learning rate that was best on validation."""
        rows = self.results
        for name, value in arm.items():
            rows = rows[rows[name] == value]
        validation = rows[
            (rows["split"] == "validation")
            & (rows["weights"] == "best")
            & (rows["sequence"] == "T2")
            & rows["class"].isin(LABELS)
        ]
        dice = validation.assign(dsc=validation["dsc"].fillna(0)).groupby("learning_rate", dropna=False)[
            "dsc"
        ]
        if len(dice.groups) > 1:
            rows = rows[rows["learning_rate"] == dice.mean().idxmax()]
        return dict(rows[["fold", "trial_key"]].drop_duplicates().itertuples(index=False, name=None))

    def table(self, tissue: str, **arm: str) -> pd.DataFrame:
        """Return the test Dice of an arm: a row a patient, a column a fold."""
        keys = self.keys(**arm)
        rows = self.patients[
            self.patients["trial_key"].isin(keys.values())
            & (self.patients["split"] == "test")
            & (self.patients["weights"] == "best")
            & (self.patients["sequence"] == "T2")
            & (self.patients["class"] == tissue)
        ]
        return rows.pivot(index="patient", columns="fold", values="dsc")

    def report(self, name: str) -> pd.DataFrame:
        """Return a table of the report."""
        return pd.read_csv(self.tables / f"{name}.csv")


def interval(values: np.ndarray) -> tuple[float, float, float, float]:
    """Return mean, 95 % interval and p of no difference, of patients (rows) by pretrained networks (columns).

    Two-way analysis of variance without repeats; the error of the mean is that of Satterthwaite's
    combination of mean squares, and never below that of the larger of the two alone.
    """
    patients, networks = values.shape
    mean = values.mean()
    rows, columns = values.mean(axis=1) - mean, values.mean(axis=0) - mean
    rest = values - mean - rows[:, None] - columns[None, :]
    a = networks * (rows**2).sum() / (patients - 1)
    b = patients * (columns**2).sum() / (networks - 1)
    e = (rest**2).sum() / ((patients - 1) * (networks - 1))
    total, limit = a + b - e, patients - 1 if a >= b else networks - 1
    if total > max(a, b):
        parts = a**2 / (patients - 1) + b**2 / (networks - 1) + e**2 / ((patients - 1) * (networks - 1))
        freedom = min(total**2 / parts, limit)
    else:
        total, freedom = max(a, b), limit
    error = np.sqrt(total / (patients * networks))
    if error == 0:
        return mean, mean, mean, float(mean == 0)
    half = stats.t.ppf(0.975, freedom) * error
    return mean, mean - half, mean + half, 2 * stats.t.sf(abs(mean) / error, freedom)


def check_dice(recorded: Recorded, fold: int = 1) -> Iterator[Check]:
    """Label a trial's test patients with its recorded weights, and count."""
    key = recorded.keys(strategy="conservative", tuned_layers="9")[fold]
    client = mlflow.MlflowClient(f"sqlite:///{recorded.output / 'mlflow.db'}")
    run_id = recorded.results.loc[recorded.results["trial_key"] == key, "mlflow_run_id"].iloc[0]
    run = client.get_run(run_id)
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    settings = read_settings((folder / "settings.json").read_bytes(), run.data.params, source=run_id)
    network = Segmenter(settings.network, seed=0)
    t1_network = recorded.output / "store" / "encoders" / f"{run.data.tags['encoder_digest']}.safetensors"
    network.load_state_dict(load_file(t1_network))
    network.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
    reported = recorded.table("bone", strategy="conservative", tuned_layers="9")[fold]
    is_bfloat16 = run.data.tags["precision"] == "bfloat16"
    for patient, dice in reported.items():
        image, truth = _volumes(recorded.output, str(patient))
        labels = _label(network, image, settings.training.patch, settings.training.stride, is_bfloat16)
        known = truth != 255
        found, there = (labels == 2)[known], (truth == 2)[known]
        anew = (
            2 * (found & there).sum() / (found.sum() + there.sum()) if found.any() or there.any() else np.nan
        )
        yield Check(f"Dice of bone, conservative 9, fold {fold}, {patient}", float(dice), float(anew))


def _volumes(output: Path, patient: str) -> tuple[torch.Tensor, np.ndarray]:
    """The box of a patient's T2w scan and its labels, from the file of prepared volumes."""
    for path in sorted((output / "store" / "prepared").glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            about = json.loads(next(iter(file.metadata().values())))
            if about["name"] == patient and "t2" in about["boxes"]:
                box = about["boxes"]["t2"]
                where = tuple(slice(a, a + n) for a, n in zip(box["start"], box["size"], strict=True))
                return file.get_tensor("t2_image")[where], file.get_tensor("t2_labels")[where].numpy()
    raise FileNotFoundError(f"no prepared volumes of {patient} under {output}")


@torch.no_grad()
def _label(
    network: Segmenter,
    image: torch.Tensor,
    patch: tuple[int, int, int],
    stride: tuple[int, int, int],
    is_bfloat16: bool,
) -> np.ndarray:
    network.eval()
    total, count = torch.zeros((3, *image.shape)), torch.zeros(image.shape)
    axes = [
        sorted({*range(0, n - p + 1, s), n - p}) for n, p, s in zip(image.shape, patch, stride, strict=True)
    ]
    for x in axes[0]:
        for y in axes[1]:
            for z in axes[2]:
                where = (slice(x, x + patch[0]), slice(y, y + patch[1]), slice(z, z + patch[2]))
                with torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
                    logits = network(image[where][None, None])
                total[(slice(None), *where)] += logits[0].float().softmax(dim=0)
                count[where] += 1
    labels: np.ndarray = (total / count).argmax(dim=0).numpy()
    return labels


def check_comparison(recorded: Recorded, tissue: str) -> Iterator[Check]:
    """Compare the best arm with all others, and correct as Holm does."""
    reported = recorded.report("comparisons")
    reported = reported[reported["class"] == tissue].reset_index(drop=True)
    tables = {name: recorded.table(tissue, **arm) for name, arm in _arms(recorded.results).items()}
    p = []
    for row in reported.itertuples():
        values = (tables[row.first] - tables[row.second]).to_numpy()
        mean, low, high, p_value = interval(values)
        p.append(p_value)
        pair = f"{tissue}, {row.first} - {row.second}"
        yield Check(f"{pair}: difference", row.difference, mean)
        yield Check(f"{pair}: lower end", row.low, low)
        yield Check(f"{pair}: upper end", row.high, high)
        yield Check(f"{pair}: p", row.p, p_value)
    order, running = np.argsort(p), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, p[place] * (len(p) - rank)))
        row = reported.iloc[place]
        yield Check(f"{tissue}, {row['first']} - {row['second']}: p after Holm", row["p_holm"], running)


def _arms(results: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return what tells the arms, by the names that the report has for them."""
    found = {}
    for row in results[["strategy", "tuned_layers", "fusion"]].drop_duplicates().itertuples(index=False):
        wanted = {n: v for n, v in row._asdict().items() if isinstance(v, str)}
        found[" ".join(wanted.values())] = wanted
    return found


def check_interval(recorded: Recorded, tissue: str) -> Iterator[Check]:
    """Compute the mean and interval of each arm."""
    reported = recorded.report("intervals")
    for row in reported[(reported["class"] == tissue) & (reported["sequence"] == "T2")].itertuples():
        mean, low, high, _ = interval(recorded.table(tissue, **_arms(recorded.results)[row.arm]).to_numpy())
        yield Check(f"{tissue}, {row.arm}: mean", row.mean, mean)
        yield Check(f"{tissue}, {row.arm}: lower end", row.low, low)
        yield Check(f"{tissue}, {row.arm}: upper end", row.high, high)


def check_claim(recorded: Recorded) -> Iterator[Check]:
    """Judge C2: multiplication is the best fusion for bone."""
    claims = recorded.report("claims").set_index("claim")
    leader, *others = (recorded.table("bone", strategy="hybrid", fusion=fusion) for fusion in FUSIONS)
    found = [interval((leader - other).to_numpy())[:3] for other in others]
    verdicts = [_judge(low, high) for _, low, high in found]
    order = ("does not hold", "not resolved", "direction only", "holds")
    verdict = next(word for word in order if word in verdicts)
    decisive = min(one for one, own in zip(found, verdicts, strict=True) if own == verdict)
    row = claims.loc["C2"]
    yield Check("C2: verdict", row["our_verdict"], verdict)
    for name, value in zip(("our_difference", "our_low", "our_high"), decisive, strict=True):
        yield Check(f"C2: {name}", row[name], value)


def _judge(low: float, high: float) -> str:
    if low >= MARGIN:
        return "holds"
    if high < MARGIN:
        return "does not hold"
    return "direction only" if low > 0 else "not resolved"


def checks(output: Path, space: str) -> Iterator[Check]:
    """Everything that the arms of a space allow."""
    recorded = Recorded(output, space)
    arms = _arms(recorded.results)
    if "conservative 9" in arms:
        yield from check_dice(recorded)
    for tissue in LABELS:
        yield from check_comparison(recorded, tissue)
        yield from check_interval(recorded, tissue)
    if {f"hybrid {fusion}" for fusion in FUSIONS} <= arms.keys():
        yield from check_claim(recorded)


if __name__ == "__main__":
    found = list(checks(Path(sys.argv[1]), sys.argv[2]))
    for check in found:
        print("agrees " if check.agrees else "DIFFERS", check.what, check.reported, check.anew)
    print(f"{len(found)} numbers computed anew, {sum(not check.agrees for check in found)} differ")
    sys.exit(any(not check.agrees for check in found))
