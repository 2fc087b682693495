"""The gradient of the BDE and its exact changes, against the BDE computed anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntk_labelqa.diagnostics.flip_gains import LabelState, bde_gains, gradient
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.kernels.precision import precision
from ntk_labelqa.label_model.annotations import Annotations
from tests import naive

RIDGE = 0.1


def random_gram(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, count + 3))
    return rows @ rows.T


def state_of(gram: np.ndarray, codes: np.ndarray, class_count: int) -> LabelState:
    return LabelState.of(DenseInverse(gram, ridge=RIDGE), np.eye(class_count)[codes])


@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("class_count", [2, 4])
def test_the_gradient_is_that_of_finite_differences(class_count: int, beta: float) -> None:
    gram, codes = random_gram(13), np.arange(13) % class_count
    state = state_of(gram, codes, class_count)
    expected = naive.bde_gradient(gram, np.eye(class_count)[codes], RIDGE, beta)
    assert gradient(state.applied, state.z, state.counts, beta) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_the_gradient_is_that_of_automatic_differentiation() -> None:
    import jax
    import jax.numpy as jnp

    gram, codes = random_gram(15, seed=1), np.arange(15) % 3
    with precision(np.dtype(np.float64)):
        solved = jnp.asarray(naive.inverse(gram, RIDGE))

        def error(y: jax.Array) -> jax.Array:
            z, n = y.T @ solved @ y, y.sum(axis=0)
            inter = z / jnp.outer(n, n)
            return (jnp.diag(z) / (n * (n - 1))).sum() / 3 - (inter.sum() - jnp.trace(inter)) / 6

        expected = np.asarray(jax.grad(error)(jnp.eye(3)[codes]))
    state = state_of(gram, codes, 3)
    assert gradient(state.applied, state.z, state.counts) == pytest.approx(expected, rel=1e-9)


def test_empty_classes_and_classes_of_one_have_a_finite_gradient() -> None:
    state = state_of(random_gram(6), np.array([0, 0, 0, 0, 0, 1]), 3)
    assert np.isfinite(gradient(state.applied, state.z, state.counts)).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.sampled_from([1.0, 0.5]))
def test_all_changes_are_those_of_the_bde_computed_anew(codes: list[int], beta: float) -> None:
    labels, gram = np.array(codes), random_gram(len(codes))
    changes = state_of(gram, labels, 4).all_changes(labels, beta=beta)
    assert changes == pytest.approx(naive.every_bde_change(gram, labels, 4, RIDGE, beta), rel=1e-9, abs=1e-13)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.integers(0, 3))
def test_changes_of_chosen_items_are_the_same_figures(codes: list[int], target: int) -> None:
    labels, gram = np.array(codes), random_gram(len(codes))
    state, items = state_of(gram, labels, 4), np.flatnonzero(labels == labels[0])
    if target != labels[0]:
        assert state.changes(items, labels[0], target) == pytest.approx(
            state.all_changes(labels)[items, target], abs=1e-13
        )


def test_one_class_has_nothing_to_change_to() -> None:
    assert not state_of(random_gram(5), np.zeros(5, int), 1).all_changes(np.zeros(5, int)).any()


def test_a_moved_state_is_the_state_of_the_moved_labels() -> None:
    gram, codes = random_gram(8), np.array([0, 1, 2, 0, 1, 2, 0, 0])
    inverse = DenseInverse(gram, ridge=RIDGE)
    moved = LabelState.of(inverse, np.eye(3)[codes]).moved(inverse.columns(np.array([3]))[:, 0], 3, 0, 2)
    codes[3] = 2
    expected = LabelState.of(inverse, np.eye(3)[codes])
    assert moved.applied == pytest.approx(expected.applied, abs=1e-12)
    assert moved.z == pytest.approx(expected.z, abs=1e-12)
    assert (moved.counts == expected.counts).all()


def test_the_gain_of_one_of_several_annotations_is_that_of_its_share() -> None:
    gram = random_gram(5)
    items, labels = np.array([0, 0, 1, 2, 3, 4]), np.array([0, 1, 0, 1, 1, 0])
    annotations = Annotations(items, labels, np.zeros(6, int), 5, 2)
    predicted = np.array([0, 0, 0, 1, 0, 0])
    gains = bde_gains(DenseInverse(gram, ridge=RIDGE), annotations, predicted)

    def error(annotations: Annotations) -> float:
        y = annotations.means()
        z, n = y.T @ naive.inverse(gram, RIDGE) @ y, y.sum(axis=0)
        return float((np.diag(z) / (n * (n - 1))).sum() / 2 - (z[0, 1] / (n[0] * n[1])))

    for changed in (1, 4):
        after = labels.copy()
        after[changed] = predicted[changed]
        assert gains[changed] == pytest.approx(error(annotations) - error(annotations.relabelled(after)))
    assert gains[[0, 2, 3, 5]] == pytest.approx(0)
