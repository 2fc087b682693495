"""Labellings ranked by their noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa import bde, rank_schemes
from ntk_labelqa.diagnostics.scheme_ranking import block_diagonalization_errors, rank
from ntk_labelqa.diagnostics.schemes import MAJORITY, ONE_CLASS, SHUFFLED, Scheme, schemes_of
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import predicted_classes
from tests import naive
from tests.fixtures import digits_dataset, noisy_digits


def ranked(schemes: list[Scheme], features: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    one_hot = np.eye(10)[labels]
    inverse = invert(features, one_hot, architecture="2-L")
    return rank(inverse, predicted_classes(inverse, one_hot), schemes, 10)


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


def test_labellings_of_different_items_are_ranked_from_plain_arrays() -> None:
    features, given, right = noisy_digits(300, 0.3)
    names = np.array([f"digit {code}" for code in range(10)], object)
    half = np.arange(300) < 150
    schemes = pd.DataFrame(
        {"careless": np.where(half, names[given], None), "careful": np.where(half, None, names[right])}
    )
    table = rank_schemes(features, schemes, architecture="2-L")
    assert table["scheme"].tolist() == ["careful", "careless", SHUFFLED, ONE_CLASS]
    assert table["items"].tolist() == [150, 150, 300, 300]
    assert table["bde"].isna().all()


def test_a_collapsed_scheme_stands_last_and_judges_nobody() -> None:
    features, given, right = noisy_digits(200, 0.2)
    everything_one = ["1"] * 200
    table = rank_schemes(
        features, {"one": everything_one, "noisy": given.astype(str), "right": right.astype(str)}, architecture="2-L"
    ).set_index("scheme")
    assert table.index[:2].tolist() == ["right", "noisy"]
    assert set(table.index[-2:]) == {"one", ONE_CLASS}
    assert table.loc["one", "error_rank"] >= 4
    assert not table.loc["one", "comparable"]
    assert table.loc["right", "error_rate"] < 0.1


def test_an_annotator_of_one_class_alone_is_not_collapsed() -> None:
    features, _, right = noisy_digits(200)
    zeros = np.where(right == 0, right, np.nan)
    others = np.where(right == 0, np.nan, right)
    table = rank_schemes(features, {"zeros": zeros, "others": others}, architecture="2-L").set_index("scheme")
    assert table.loc["zeros", "error_rank"] in (1, 2)


def test_few_labels_and_many_classes() -> None:
    features, _, right = noisy_digits(200)
    three = [str(right[row]) if row < 3 else None for row in range(200)]
    lone = ["alone", *right[1:].astype(str)]
    classes = [str(code) for code in range(1000)] + ["alone"]
    table = rank_schemes(features, {"three": three, "lone": lone}, classes=classes, architecture="2-L")
    table = table.set_index("scheme")
    assert table.loc["three", "items"] == 3
    assert table.loc["three", "error_high"] - table.loc["three", "error_low"] > 0.3
    assert np.isfinite(table.loc["lone", "bde"])


def test_bde_over_common_items_is_that_of_the_equation() -> None:
    features, given, right = noisy_digits(60, 0.3)
    gram = features @ features.T
    inverse = DenseInverse(gram, ridge=0.1)
    schemes = [Scheme("right", np.arange(60), right), Scheme("most", np.arange(60)[::-1][:50], given[::-1][:50])]
    found = block_diagonalization_errors(inverse, schemes, 10)
    for value, codes in zip(found, (right, given), strict=True):
        one_hot = np.eye(10)[codes] * (np.arange(60) >= 10)[:, None]
        z = one_hot.T @ naive.inverse(gram, 0.1) @ one_hot
        assert value == pytest.approx(bde.error(z, one_hot.sum(axis=0)), rel=1e-9)


@pytest.mark.parametrize(
    ("schemes", "said"),
    [
        ({}, "no labelling scheme"),
        ({"a": ["x", "y"]}, "has 2 entries, but there are 3"),
        ({"a": [None, None, None]}, "has no label"),
        ({"a": ["x", "x", None]}, "one class"),
    ],
)
def test_bad_schemes_are_refused(schemes, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        rank_schemes(np.eye(3), schemes)
