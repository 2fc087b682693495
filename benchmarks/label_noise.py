"""Wrong labels planted into right ones, for ``label_errors.py``.

=============  =======================================================================================================
``none``       no label is changed
``uniform-s``  s % of the labels become any other class, equally often
``pairwise-s`` s % of the labels become the next class
``rates-s``    s % on average, class by class from 0 to 2 s %; to any other class
``boundary-s`` s % of the labels, all among the 3 s % of the items where a forest that saw the right labels is least
               sure between the right class and another; to that other class
``hard-s``     s % of the labels, drawn in proportion to a weak model's doubt in the right class, and to a class by its
               guess: as people err
=============  =======================================================================================================
"""

from __future__ import annotations

import numpy as np

POOL = 3
"""``boundary``: items that may be mislabelled, in multiples of those that are."""


def corrupted(kind: str, features: np.ndarray, right: np.ndarray, seed: int) -> np.ndarray:
    """*right* (int64[N]) with errors of *kind*, for example ``uniform-30``."""
    name, _, percent = kind.partition("-")
    share, rng, k = float(percent or 0) / 100, np.random.default_rng(seed), int(right.max()) + 1
    given = right.copy()
    if name == "none":
        return given
    if name == "boundary":
        margin, rival = _margins(features, right)
        pool = np.argsort(margin, kind="stable")[: round(POOL * share * len(right))]
        wrong = rng.choice(pool, round(share * len(right)), replace=False)
        given[wrong] = rival[wrong]
        return given
    if name == "rates":
        rates = 2 * share * rng.permutation(k) / max(k - 1, 1)
        wrong = np.flatnonzero(rng.random(len(right)) < rates[right])
    else:
        wrong = rng.choice(len(right), round(share * len(right)), replace=False)
    step = {"uniform": None, "rates": None, "pairwise": 1}[name]
    given[wrong] = (right[wrong] + (step or rng.integers(1, k, len(wrong)))) % k
    return given


def as_hard(share: float, guesses: np.ndarray, right: np.ndarray, seed: int) -> np.ndarray:
    """``hard-s``; *guesses*, float64[N, K], of a model that did not see the item."""
    rng, rows = np.random.default_rng(seed), np.arange(len(right))
    doubt = 1 - guesses[rows, right]
    wrong = rng.choice(rows, round(share * len(right)), replace=False, p=doubt / doubt.sum())
    others = guesses[wrong].copy()
    others[np.arange(len(wrong)), right[wrong]] = 0
    up_to = others.cumsum(axis=1)
    given = right.copy()
    given[wrong] = (up_to < rng.random((len(wrong), 1)) * up_to[:, -1:]).sum(axis=1)
    return given


def _margins(features: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|out-of-bag vote of the right class − that of the best other|, and that other class, for each item."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(100, bootstrap=True, oob_score=True, n_jobs=-1, random_state=0)
    votes = forest.fit(features, right).oob_decision_function_.copy()
    rows = np.arange(len(right))
    own = votes[rows, right]
    votes[rows, right] = -1
    return np.abs(own - votes.max(axis=1)), votes.argmax(axis=1)
