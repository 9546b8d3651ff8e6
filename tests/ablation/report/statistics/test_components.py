"""Variance components: what is put into a table is found again."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from ablation.report.statistics.components import variance_components
from ablation.report.statistics.crossed import crossed
from tests.builders.random_effects import random_tables


def test_those_of_the_crossed_interval_are_the_same() -> None:
    table = random_tables(1, 14, 5, network_share=0.4)
    found, interval = variance_components(table[0][:, :, None]), crossed(table)
    assert found.patient == pytest.approx(interval.patient_variance[0])
    assert found.network == pytest.approx(interval.network_variance[0])
    assert found.rest == pytest.approx(interval.rest_variance[0])
    assert math.isnan(found.fold_and_seed)


def test_a_mixed_model_finds_the_same() -> None:
    """Restricted maximum likelihood agrees with the closed form on a whole table."""
    table = random_tables(1, 10, 4, network_share=0.4)[0]
    found = variance_components(table[:, :, None])
    frame = pd.DataFrame(table).stack().rename("value").reset_index()
    frame.columns = ["patient", "network", "value"]
    parts = {"patient": "0 + C(patient)", "network": "0 + C(network)"}
    model = smf.mixedlm("value ~ 1", frame.assign(all=1), groups="all", vc_formula=parts, re_formula="0")
    fitted = model.fit(reml=True)
    between = dict(zip(model.exog_vc.names, fitted.vcomp.tolist(), strict=True))
    assert found.patient == pytest.approx(between["patient"], rel=0.01)
    assert found.network == pytest.approx(between["network"], rel=0.01)
    assert found.rest == pytest.approx(fitted.scale, rel=0.01)


def test_folds_and_seeds_are_told_from_networks_where_each_network_has_several() -> None:
    """Means over 300 tables: 0.5 of patients, 2 of networks, 1 of folds, 0.25 of the rest."""
    rng = np.random.default_rng(0)
    tables = (
        math.sqrt(0.5) * rng.standard_normal((300, 8, 1, 1))
        + math.sqrt(2.0) * rng.standard_normal((300, 1, 6, 1))
        + math.sqrt(0.6) * rng.standard_normal((300, 1, 1, 6))
        + math.sqrt(0.4) * rng.standard_normal((300, 1, 6, 6))
        + math.sqrt(0.25) * rng.standard_normal((300, 8, 6, 6))
    )
    found = pd.DataFrame([variance_components(table).__dict__ for table in tables]).mean()
    assert found["patient"] == pytest.approx(0.5, abs=0.05)
    assert found["network"] == pytest.approx(2.0, abs=0.2)
    assert found["fold_and_seed"] == pytest.approx(1.0, abs=0.1)
    assert found["rest"] == pytest.approx(0.25, abs=0.02)


def test_without_a_second_network_nothing_is_said_of_networks() -> None:
    table = random_tables(1, 6, 3, network_share=0.4)[0]
    found = variance_components(table[:, None, :])
    assert math.isnan(found.network)
    assert found.fold_and_seed == pytest.approx(variance_components(table[:, :, None]).network)


def test_patients_under_one_network_have_one_component() -> None:
    values = random_tables(1, 6, 1, network_share=0.0)[0]
    found = variance_components(values[:, :, None])
    assert found.patient == pytest.approx(np.var(values, ddof=1))
    assert np.isnan([found.network, found.fold_and_seed, found.rest]).all()


def test_shares_add_to_one_and_no_component_is_negative() -> None:
    for table in random_tables(50, 3, 3, network_share=0.0):
        found = variance_components(table[:, :, None])
        assert min(found.patient, found.network, found.rest) >= 0
        assert np.nansum(list(found.shares.values())) == pytest.approx(1)


def test_a_patient_with_a_hole_is_left_out_and_equal_scores_have_no_shares() -> None:
    table = random_tables(1, 6, 3, network_share=0.4)[0][:, :, None]
    holed = table.copy()
    holed[2, 1, 0] = math.nan
    assert variance_components(holed).network == variance_components(np.delete(table, 2, axis=0)).network
    equal = variance_components(np.full((4, 3, 1), 0.5))
    assert (equal.patient, equal.network, equal.rest) == (0, 0, 0)
    assert np.isnan(list(equal.shares.values())).all()
    assert np.isnan(list(variance_components(np.full((4, 3, 1), math.nan)).shares.values())).all()
