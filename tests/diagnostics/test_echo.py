"""The echo against the diagonal of the product written out."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.diagnostics.echo import echo
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.matrix import gram_matrix


def test_it_estimates_the_diagonal() -> None:
    random = np.random.default_rng(0)
    gram = gram_matrix(random.normal(size=(60, 6)) + 2 * np.eye(6)[np.arange(60) % 6])
    before, after = DenseInverse(gram, ridge=0.3), DenseInverse(gram, ridge=0.1)
    slopes = random.random((60, 3))
    first, second = (leave_one_out(inverse, np.eye(60)) for inverse in (before, after))
    exact = np.stack([np.diag(second @ np.diag(slopes[:, c]) @ first) for c in range(3)], axis=1)
    estimates = np.stack([echo(before, after, slopes, seed=seed) for seed in range(60)])
    assert estimates.mean(axis=0).mean() == pytest.approx(exact.mean(), rel=0.1)
    assert np.corrcoef(estimates.mean(axis=0).ravel(), exact.ravel())[0, 1] > 0.9


def test_posteriors_that_are_sure_send_nothing_back() -> None:
    inverse = DenseInverse(gram_matrix(np.random.default_rng(0).normal(size=(20, 4))), ridge=0.1)
    assert not echo(inverse, inverse, np.zeros((20, 3))).any()
