"""Labellings ranked by their noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa.diagnostics.schemes import MAJORITY, Scheme, rank, schemes_of
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import leave_one_out
from tests.fixtures import digits_dataset, noisy_digits


def ranked(schemes: list[Scheme], features: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    one_hot = np.eye(10)[labels]
    inverse = invert(features, one_hot, architecture="2-L")
    return rank(inverse, leave_one_out(inverse, one_hot), schemes, 10)


def test_more_noise_ranks_lower_by_both_measures() -> None:
    features, _, right = noisy_digits(300)
    everything = np.arange(300)
    labellings = {share: noisy_digits(300, share, seed=1)[1] for share in (0.3, 0.0, 0.1, 0.2)}
    schemes = [Scheme(str(share), everything, labels) for share, labels in labellings.items()]
    table = ranked(schemes, features, right)
    assert table["scheme"].tolist() == ["0.0", "0.1", "0.2", "0.3"]
    assert table["error_rank"].tolist() == table["bde_rank"].tolist() == [1, 2, 3, 4]
    assert ((table["error_low"] < table["error_rate"]) & (table["error_rate"] < table["error_high"])).all()


def test_annotators_who_share_no_item_are_ranked_without_bde() -> None:
    features, given, right = noisy_digits(300, 0.3)
    careful, careless = np.arange(150), np.arange(150, 300)
    schemes = [Scheme("careless", careless, given[careless]), Scheme("careful", careful, right[careful])]
    table = ranked(schemes, features, right)
    assert table["scheme"].tolist() == ["careful", "careless"]
    assert table["items"].tolist() == [150, 150]
    assert not table["comparable"].any()
    assert table["bde"].isna().all()


def test_one_class_for_everything_is_not_comparable() -> None:
    features, given, right = noisy_digits(200)
    everything = np.arange(200)
    schemes = [
        Scheme("right", everything, right),
        Scheme("given", everything, given),
        Scheme("one", everything, 0 * right),
    ]
    table = ranked(schemes, features, right).set_index("scheme")
    assert table["comparable"].to_dict() == {"right": True, "given": True, "one": False}
    assert np.isnan(table.loc["one", "bde"])
    assert table.loc["right", "bde_rank"] == 1


def test_the_schemes_of_a_data_set() -> None:
    _, dataset, _ = digits_dataset(60)
    found = {scheme.name: scheme for scheme in schemes_of(dataset)}
    assert list(found) == [MAJORITY, "annotator-1", "annotator-2", "annotator-3"]
    assert len(found[MAJORITY].items) == 60
    assert found["annotator-2"].items.tolist() == list(range(1, 60, 3))
    assert found["annotator-2"].labels == pytest.approx(dataset.label_codes[1::3])
