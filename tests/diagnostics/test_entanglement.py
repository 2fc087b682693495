"""Couplings and diffuseness from Z."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from ntk_labelqa import class_entanglement
from ntk_labelqa.diagnostics import entanglement_warnings as warned
from ntk_labelqa.diagnostics import panels
from ntk_labelqa.diagnostics.entanglement import entangle
from ntk_labelqa.diagnostics.overlaps import Overlaps
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.low_rank import LowRankInverse
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
    found = Overlaps.of(inverse, sparse.csr_matrix(one_hot))
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


def confused_clouds() -> tuple[np.ndarray, np.ndarray]:
    """Features and Y of six classes, two of which blend into each other, and two of which are exchanged here and there;
    of a few items with two labels, and one without."""
    random = np.random.default_rng(3)
    centres = np.concatenate([np.eye(6)[:5], [0.5 * np.eye(6)[0] + 0.5 * np.eye(6)[5]]])
    codes = np.repeat(np.arange(6), 60)
    features = centres[codes] + 0.25 * random.normal(size=(360, 6))
    one_hot = np.eye(7)[codes]  # nobody used the last class
    swapped = np.concatenate([np.flatnonzero(codes == 2)[:12], np.flatnonzero(codes == 3)[:12]])
    one_hot[swapped] = np.eye(7)[5 - codes[swapped]]
    one_hot[:9] = (one_hot[:9] + np.eye(7)[5]) / 2
    one_hot[100] = 0.0
    return features, one_hot


def by_whole_arrays(inverse: DenseInverse, labels: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, dict]:
    """Overlaps with their deviations, the overlaps that corrected labels leave, and the contradictions of each pair of
    classes: by arrays of all items, classes, halves and splits at once."""
    first = overlaps_by_whole_arrays(inverse, labels)
    voting, random = inverse.at(max(inverse.ridge, warned.VOTING_RIDGE)), np.random.default_rng(0)
    votes = np.empty((warned.SPLITS, 2, *labels.shape))
    for split in votes:
        half = np.zeros((len(labels), 1))
        half[random.permutation(len(labels))[: len(labels) // 2]] = 1.0
        for vote, part in zip(split, (labels * half, labels * (1 - half)), strict=True):
            vote[:] = part - voting.apply(part) / voting.diagonal()[:, None]
    taken = votes.argmax(axis=-1).reshape(-1, len(labels))
    agreed = (taken == taken[0]).all(axis=0)
    corrected = np.where(agreed[:, None], np.eye(labels.shape[1])[taken[0]], labels)
    return (
        first,
        overlaps_by_whole_arrays(inverse, corrected)["values"],
        {(a, b): contradictions_by_whole_arrays(votes, labels, a, b) for a in range(5) for b in range(a + 1, 6)},
    )


def overlaps_by_whole_arrays(inverse: DenseInverse, labels: np.ndarray) -> dict[str, np.ndarray]:
    diagonal, counts = inverse.diagonal()[:, None], labels.sum(axis=0)
    applied = inverse.apply(labels)
    weights = labels - (applied / diagonal + inverse.apply(labels / diagonal)) / 2
    summed = labels.T @ weights
    symmetric = (summed + summed.T) / 2
    own = np.maximum(np.diag(symmetric), counts**2 / len(labels))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.nan_to_num(symmetric / np.sqrt(np.outer(own, own)))
        # L_ib / √(R_aa R_bb) − overlap_ab L_ia / R_aa of item i of class a
        variance = np.zeros_like(values)
        mine = (labels * weights).sum(axis=1)
        for a in range(len(counts)):
            for b in range(len(counts)):
                influence = weights[:, b] / np.sqrt(own[a] * own[b]) - values[a, b] * mine / own[a]
                variance[a, b] = np.nan_to_num(labels[:, a] @ influence**2)
    return {"values": values, "deviations": np.sqrt(variance + variance.T), "weights": weights}


def contradictions_by_whole_arrays(votes: np.ndarray, labels: np.ndarray, a: int, b: int) -> tuple[float, float]:
    given = labels[:, a] - labels[:, b]
    lean = votes[..., a] / labels[:, a].sum() - votes[..., b] / labels[:, b].sum()
    support = given * lean.sum(axis=(0, 1))
    against, by = support < 0, support > 0
    if not against.any():
        return 0.0, 0.0
    repeated = (lean[:, 0] * lean[:, 1] > 0)[:, against].mean()
    return repeated, -support[against].mean() / support[by].mean()


@pytest.mark.parametrize("classes_at_once", [1, 3, 7])
def test_panels_of_classes_give_what_whole_arrays_give(monkeypatch, classes_at_once: int) -> None:
    features, labels = confused_clouds()
    inverse = DenseInverse(features @ features.T, ridge=0.1)
    monkeypatch.setattr(panels, "PANEL_BYTES", classes_at_once * 8 * len(labels))
    first, refurbished, contradictions = by_whole_arrays(inverse, labels)
    found = entangle(inverse, labels, list(range(7)))
    assert found.pairs["is_warned"].sum() >= 2
    assert set(found.pairs["cause"]) == {"", "classes", "labels"}
    for pair in found.pairs.itertuples():
        at = pair.class_a, pair.class_b
        assert pair.overlap == pytest.approx(first["values"][at], abs=1e-9)
        assert pair.overlap_refurbished == pytest.approx(refurbished[at], abs=1e-9)
        assert pair.overlap_high - pair.overlap == pytest.approx(1.959964 * first["deviations"][at], abs=1e-9)
        if pair.is_warned:
            pull = labels[:, at[0]] * first["weights"][:, at[1]]
            members = np.flatnonzero(labels[:, at[0]])
            strongest = members[np.argsort(-pull[members], kind="stable")[: warned.CARRIERS]]
            assert pair.items_a == " ".join(map(str, strongest))
            repeated, firmness = contradictions[at]
            assert pair.cause == ("labels" if repeated >= 0.65 and firmness >= 0.6 else "classes")
    everything = [np.array([pair[side] for pair in contradictions]) for side in (0, 1)]
    voting = inverse.at(max(inverse.ridge, warned.VOTING_RIDGE))
    halves = warned.vote_by_halves(voting, sparse.csr_matrix(labels), *everything)
    assert np.array(halves.contradictions) == pytest.approx(np.array(list(contradictions.values())))


def test_many_classes_are_never_held_for_all_items_at_once(monkeypatch) -> None:
    random, each, classes = np.random.default_rng(0), 10, 500
    centres = random.normal(size=(classes, 20)) / np.sqrt(20)
    centres[classes - 1] = centres[classes - 2]
    codes = np.repeat(np.arange(classes), each)
    features = centres[codes] + 0.02 * random.normal(size=(len(codes), 20))
    spectrum, vectors = np.linalg.eigh(features.T @ features)
    inverse = LowRankInverse(features @ vectors, spectrum, 1.0, ridge=0.01)
    labels = np.eye(classes)[codes]
    monkeypatch.setattr(panels, "PANEL_BYTES", 2**20)
    tracemalloc.start()
    found = entangle(inverse, labels, [str(code) for code in range(classes)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.pairs["is_warned"].any()
    assert peak < 3 * labels.nbytes
