"""A score an arm, class, patient and pretrained network: what intervals and tests are made from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from ablation.record.selection import classes_in, select
from ablation.report.statistics.crossed import crossed
from ablation.report.statistics.estimates import Estimates
from ablation.report.statistics.nested import nested
from ablation.report.tables.choice import chosen
from ablation.space.factors import PRETRAINING_SEED

Kind = Literal["one", "seeds", "folds", "rotated"]
KEYS = ["arm", "sequence", "class", "patient", "network"]
NETWORK = {
    "one": "pretrained network",
    "seeds": "pretrained network",
    "folds": "pretrained network with its fold",
    "rotated": "fold",
}
"""What repeats the patients' scores."""


@dataclass(frozen=True)
class NetworkScores:
    """Test scores of every arm, paired over patients and pretrained networks.

    Args:
        kind: `one` network for all; `seeds`, several, each of which all patients were tested with; `folds`,
            the same with a network for each fold; `rotated`, each patient tested in one fold alone.
        rows: columns `KEYS`, `fold`, `seed` and `value`.
    """

    kind: Kind
    rows: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """Columns `KEYS` and `value`, folds and seeds averaged beyond that.

        A value is NaN where the score is undefined in any of them: a mean over the others would not be that
        of the same networks.
        """
        return self.rows.groupby(KEYS, sort=False)["value"].mean(skipna=False).reset_index()

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of tables."""
        return classes_in(self.rows)

    def of(self, sequence: str, tissue: str) -> "Cube":
        """Return the scores of one class as an array."""
        is_wanted = (self.rows["sequence"] == sequence) & (self.rows["class"] == tissue)
        return Cube(self.kind, NetworkScores(self.kind, self.rows[is_wanted]).table)

    def replicates(self, sequence: str, tissue: str, arms: tuple[str, str]) -> np.ndarray:
        """Return differences of two arms, (patients, networks, folds and seeds), NaN where there is none."""
        is_wanted = (self.rows["sequence"] == sequence) & (self.rows["class"] == tissue)
        first, second = (self.rows[is_wanted & (self.rows["arm"] == arm)] for arm in arms)
        shared = ["patient", "network", "fold"]
        # An arm that draws no random numbers has no seeds: it stands beside each of the other's.
        if first["seed"].notna().any() == second["seed"].notna().any():
            shared.append("seed")
        pairs = first.merge(second, on=shared, suffixes=("", "_second"))
        if "seed" not in shared:
            pairs["seed"] = pairs["seed"].fillna(pairs["seed_second"])
        differences = pairs.assign(value=pairs["value"] - pairs["value_second"]).dropna(subset="value")
        # Where each fold has a network of its own, folds repeat nothing.
        repeated = ["seed"] if self.kind == "folds" else ["fold", "seed"]
        repeats = differences.groupby(repeated, dropna=False).ngroup()
        places: list[np.ndarray] = [
            *(pd.factorize(differences[name], sort=True)[0] for name in ("patient", "network")),
            repeats.to_numpy(),
        ]
        values = np.full([int(place.max()) + 1 if len(place) else 0 for place in places], np.nan)
        values[tuple(places)] = differences["value"]
        return values


@dataclass(frozen=True)
class Cube:
    """Scores of one class, by arm, patient and network."""

    kind: Kind
    part: pd.DataFrame

    @cached_property
    def arms(self) -> list[str]:
        """Names of the arms that were tested, in the order of the plan."""
        return self.part["arm"].drop_duplicates().tolist()

    @cached_property
    def patients(self) -> list[str]:
        """Names of the patients."""
        return sorted(self.part["patient"].unique())

    @cached_property
    def networks(self) -> list[int]:
        """Numbers of the networks, or folds."""
        return sorted(self.part["network"].unique())

    @cached_property
    def values(self) -> np.ndarray:
        """Scores, (arms, patients, networks), NaN where there is none."""
        index = [
            pd.Index(one).get_indexer(pd.Index(self.part[name]))
            for one, name in ((self.arms, "arm"), (self.patients, "patient"), (self.networks, "network"))
        ]
        values = np.full((len(self.arms), len(self.patients), len(self.networks)), np.nan)
        values[tuple(index)] = self.part["value"]
        return values

    @cached_property
    def tested(self) -> np.ndarray:
        """Whether a patient was tested at all, (arms, patients)."""
        return (
            self.part.assign(there=True)
            .pivot_table(
                index="arm", columns="patient", values="there", aggfunc="any", fill_value=False, dropna=False
            )
            .reindex(index=self.arms, columns=self.patients, fill_value=False)
            .to_numpy(dtype=bool)
        )

    def means(self, values: np.ndarray) -> np.ndarray:
        """Return means over networks, (K, patients); NaN where a network's score is undefined."""
        if self.kind == "rotated":
            return _mean(values)
        return values.mean(axis=2)

    def estimate(self, values: np.ndarray) -> Estimates:
        """Return what holds beyond these patients and networks, of scores or differences (K, P, N)."""
        if self.kind != "rotated":
            return crossed(values)
        folds = self.part.drop_duplicates("patient").set_index("patient")["network"].reindex(self.patients)
        return nested(_mean(values), folds.to_numpy())


def network_scores(results: pd.DataFrame, patients: pd.DataFrame, *, metric: str = "dsc") -> NetworkScores:
    """Return the test scores of each arm at its chosen values of tuned factors.

    Args:
        results: as in `results.csv`; it chooses the values.
        patients: as in `patients.csv`.
        metric: its column.
    """
    rows = chosen(results)
    part = select(patients[patients["trial_key"].isin(rows["trial_key"])], split="test")
    kind = kind_of(part)
    rows = with_networks(part, kind).rename(columns={metric: "value"})[[*KEYS, "fold", "seed", "value"]]
    return NetworkScores(kind, rows)


def with_networks(rows: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Return the rows with a column `network`, the number of the pretrained network or fold."""
    if kind == "one":
        return rows.assign(network=0)
    numbered = rows.assign(network=rows[PRETRAINING_SEED if kind == "seeds" else "fold"])
    return _everywhere(numbered) if kind == "seeds" else numbered


def kind_of(part: pd.DataFrame) -> Kind:
    """Return how patients and networks lie to each other.

    Args:
        part: a row a score, with columns `sequence`, `patient`, `fold` and `pretraining_seed`.
    """
    folds = part["fold"].nunique()
    if folds > 1 and (part.groupby(["sequence", "patient"])["fold"].nunique() == 1).all():
        return "rotated"
    pairs = part[["fold", PRETRAINING_SEED]].dropna().drop_duplicates()
    seeds = pairs[PRETRAINING_SEED].nunique()
    if seeds < 2:
        return "one"
    return "folds" if len(pairs) == seeds == pairs["fold"].nunique() else "seeds"


def _everywhere(part: pd.DataFrame) -> pd.DataFrame:
    """Repeat the scores of arms that start from no pretrained network for each network."""
    without = part["network"].isna()
    others = part[without].drop(columns="network")
    networks = part.loc[~without, ["network"]].drop_duplicates()
    return pd.concat([part[~without], others.merge(networks, how="cross")], ignore_index=True)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the networks that there are values of."""
    counts = np.isfinite(values).sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, axis=2) / np.where(counts == 0, np.nan, counts)
