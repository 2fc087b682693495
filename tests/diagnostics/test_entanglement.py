"""Couplings and diffuseness from Z."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa import class_entanglement
from ntk_labelqa.diagnostics.entanglement import entangle
from ntk_labelqa.gram.dense import DenseInverse
from tests import naive


def clouds(centres: list[list[float]], each: int = 40, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    codes = np.repeat(np.arange(len(centres)), each)
    noise = np.random.default_rng(0).normal(size=(len(codes), len(centres[0])))
    return np.asarray(centres)[codes] + spread * noise, codes


def test_figures_are_those_of_the_equations() -> None:
    features, codes = clouds([[1, 0, 0], [0, 1, 0], [0, 0, 1]], each=8)
    gram, one_hot = features @ features.T, np.eye(3)[codes]
    found = entangle(DenseInverse(gram, ridge=0.1), one_hot, ["a", "b", "c"])
    z = one_hot.T @ naive.inverse(gram, 0.1) @ one_hot
    assert found.matrix == pytest.approx(z)
    strongest = found.pairs.iloc[0]
    a, b = "abc".index(strongest["class_a"]), "abc".index(strongest["class_b"])
    assert strongest["coupling"] == pytest.approx(-z[a, b] / np.sqrt(z[a, a] * z[b, b]))
    assert found.pairs["coupling"].is_monotonic_decreasing
    assert found.classes["diffuseness"][0] == pytest.approx(z[0, 0] * np.trace(gram) / 24 / (8 * 7))


def test_overlapping_classes_come_first() -> None:
    features, codes = clouds([[1, 0, 0, 0], [0.9, 0.3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    first = class_entanglement(features, np.array(["cat", "lynx", "car", "sky"])[codes]).pairs.iloc[0]
    assert {first["class_a"], first["class_b"]} == {"cat", "lynx"}


def test_a_spread_class_is_the_most_diffuse() -> None:
    features, codes = clouds([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    features[codes == 1] += np.random.default_rng(1).normal(size=(40, 3))
    found = class_entanglement(features, codes, architecture="2-L", ridge=0.1)
    assert found.classes.set_index("class_name")["diffuseness"].idxmax() == "1"


def test_a_class_of_one_has_no_diffuseness() -> None:
    features, codes = clouds([[1, 0], [0, 1]], each=5)
    codes[0] = 2
    found = class_entanglement(features, codes)
    assert found.classes["diffuseness"].isna().tolist() == [False, False, True]
    assert len(found.pairs) == 3
