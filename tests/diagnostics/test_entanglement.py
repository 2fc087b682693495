"""Couplings and diffuseness from Z."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa import class_entanglement
from ntk_labelqa.diagnostics.entanglement import entangle
from ntk_labelqa.diagnostics.overlaps import Overlaps
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.label_model.annotations import Annotations
from tests import naive
from tests.fixtures import noisy_digits


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
    assert found.classes.set_index("class_name")["diffuseness"].idxmax() == 1


def test_a_class_of_one_has_no_diffuseness() -> None:
    features, codes = clouds([[1, 0], [0, 1]], each=5)
    codes[0] = 2
    found = class_entanglement(features, codes)
    assert found.classes["diffuseness"].isna().tolist() == [False, False, True]
    assert len(found.pairs) == 3


def test_the_deviation_of_an_overlap_is_that_of_the_bootstrap() -> None:
    features, codes = clouds([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], each=60, spread=0.5)
    one_hot = np.eye(3)[codes]
    inverse = DenseInverse(features @ features.T, ridge=0.1)
    found = Overlaps.of(inverse, one_hot)
    off = -inverse.columns(np.arange(180)) / inverse.diagonal()[:, None]
    np.fill_diagonal(off, 0.0)
    random, drawn = np.random.default_rng(0), []
    for _ in range(800):
        times = np.concatenate([random.multinomial(60, np.full(60, 1 / 60)) for _ in range(3)])
        weighted = times[:, None] * one_hot
        r = weighted.T @ (off + off.T) @ weighted / 2
        drawn.append(r[0, 1] / np.sqrt(r[0, 0] * r[1, 1]))
    assert found.deviations[0, 1] == pytest.approx(np.std(drawn), rel=0.15)


def test_diffuseness_has_an_interval() -> None:
    features, codes = clouds([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    classes = class_entanglement(features, codes, architecture="2-L").classes
    assert (classes["diffuseness_low"] < classes["diffuseness"]).all()
    assert (classes["diffuseness"] < classes["diffuseness_high"]).all()


def test_two_separate_classes_are_coupled_but_not_warned_of() -> None:
    features, codes = clouds([[1, 0, 0], [0, 1, 0]])
    (pair,) = class_entanglement(features, codes, architecture="2-L").pairs.itertuples()
    assert pair.coupling > 0.5 > 0.1 > pair.overlap
    assert not pair.is_warned
    assert pair.cause == pair.items_a == ""


def test_two_halves_of_one_class_overlap_wholly_whatever_their_sizes() -> None:
    features, codes = clouds([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], each=200)
    codes[np.random.default_rng(0).choice(200, 30, replace=False)] = 4
    pairs = class_entanglement(features, codes, architecture="2-L").pairs
    (pair,) = pairs[pairs["is_warned"]].itertuples()
    assert {pair.class_a, pair.class_b} == {0, 4}
    assert pair.overlap_low < 1 < pair.overlap_high
    assert pair.cause == "classes"


def digits_with(plant, pair: tuple[int, int], share: float) -> tuple[np.ndarray, np.ndarray]:
    features, _, right = noisy_digits(900)
    random = np.random.default_rng(0)
    first, second = (np.flatnonzero(right == code) for code in pair)
    return plant(features.copy(), right.copy(), first, second, share, random)


def blend(features, labels, first, second, share, random) -> tuple[np.ndarray, np.ndarray]:
    halves = features.copy()
    for members in (first, second):
        chosen = random.choice(members, round(share * len(members)), replace=False)
        features[chosen] = (halves[random.choice(first, len(chosen))] + halves[random.choice(second, len(chosen))]) / 2
    return features, labels


def exchange(features, labels, first, second, share, random) -> tuple[np.ndarray, np.ndarray]:
    chosen = [random.choice(members, round(share * len(members)), replace=False) for members in (first, second)]
    labels[chosen[0]], labels[chosen[1]] = labels[second[0]], labels[first[0]]
    return features, labels


@pytest.mark.long
@pytest.mark.parametrize("pair", [(0, 7), (2, 6), (3, 4)])
@pytest.mark.parametrize(("plant", "share", "cause"), [(blend, 0.6, "classes"), (exchange, 0.2, "labels")])
def test_blended_classes_are_told_from_exchanged_labels(pair, plant, share, cause) -> None:
    features, labels = digits_with(plant, pair, share)
    pairs = class_entanglement(features, labels, architecture="2-L").pairs
    (found,) = pairs[pairs["is_warned"]].itertuples()
    assert (int(found.class_a), int(found.class_b)) == pair
    assert found.cause == cause


def test_the_items_that_carry_a_warning_are_named() -> None:
    features, _, right = noisy_digits(900)
    labels, wrong = right.copy(), np.flatnonzero(right == 0)[:25]
    labels[wrong] = 7
    annotations = Annotations.of_codes(labels, 10)
    inverse = invert(features, annotations.means(), architecture="2-L")
    ids = 1000 + np.arange(900)
    pairs = entangle(inverse, annotations.means(), [str(code) for code in range(10)], item_ids=ids).pairs
    found = pairs[(pairs["class_a"] == "0") & (pairs["class_b"] == "7")].iloc[0]
    assert found["is_warned"]
    assert {int(task) for task in found["items_b"].split()} <= set(ids[wrong])
    assert set(right[np.array([int(task) for task in found["items_a"].split()]) - 1000]) == {0}


def test_partners_are_ranked_by_the_row_of_z() -> None:
    features, codes = clouds([[1, 0, 0], [0.9, 0.4, 0], [0, 0, 1]])
    found = class_entanglement(features, np.array(["cat", "lynx", "car"])[codes], architecture="2-L", ridge=0.1)
    assert found.partners("cat")[0] == "lynx"
    assert set(found.partners("car")) == {"cat", "lynx"}


@pytest.mark.slow
def test_a_thousand_classes_keep_their_warnings() -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(1000, 40))
    centres[999] = centres[998]
    codes = np.repeat(np.arange(1000), 6)
    features = centres[codes] + 0.05 * random.normal(size=(6000, 40))
    one_hot = np.eye(1000)[codes]
    inverse = invert(features, one_hot, architecture="2-L", ridge=0.01, landmarks=500)
    pairs = entangle(inverse, one_hot, [str(code) for code in range(1000)]).pairs
    assert len(pairs) == 5000
    assert ("998", "999") in set(
        pairs.loc[pairs["is_warned"], ["class_a", "class_b"]].itertuples(index=False, name=None)
    )
