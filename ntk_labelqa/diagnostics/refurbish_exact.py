r"""Label refurbishment by steepest descent on the exact change of the BDE: it falls at every step, and so it ends.

Rare classes dominate the BDE, so a plain descent fills them with foreign items, and merging classes lowers it too. The
guard: an item may only move to the class that its leave-one-out prediction, from the labels as they stand, puts first
and clearly ahead of its own, and no move empties a class.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa import bde
from ntk_labelqa.diagnostics.flip_gains import LabelState
from ntk_labelqa.diagnostics.labelling import Labelling
from ntk_labelqa.gram.inverse import RegularizedInverse

LEAST_MARGIN = 0.1
"""By how much the leave-one-out prediction has to put the new class ahead."""
ROUNDING = 1e-12
"""A fall of the BDE below this share of it is rounding."""


def refurbish_exactly(
    inverse: RegularizedInverse, codes: np.ndarray, class_count: int, *, beta: float = 1.0
) -> Labelling:
    """Steepest guarded descent, until no allowed move lowers the BDE.

    Args:
        inverse: G.
        codes: labels as given, int64[N].
        class_count: K.
        beta: weight of the inter-class terms.

    Cost: O(NK) a move, and 8N² bytes, up to 5,000 items; beyond, blocks of moves with one ``apply`` each, a block
    being halved where it would not lower the BDE as a whole.
    """
    labelling = Labelling(inverse, codes, class_count)
    error = _error(labelling.state, beta)
    while True:
        changes = np.where(_allowed(labelling), labelling.state.all_changes(labelling.codes, beta=beta), 0.0)
        change, targets = changes.min(axis=1), changes.argmin(axis=1)
        items = _most_negative(change, labelling.block, -ROUNDING * abs(error))
        while len(items):
            after = labelling.after(items, targets[items])
            if _error(after, beta) < error:
                break
            labelling.block = len(items) // 2
            items = items[: labelling.block]
        if not len(items):
            return labelling
        labelling.move(items, targets[items], after)
        error = _error(after, beta)


def _allowed(labelling: Labelling) -> np.ndarray:
    """Which moves the guard lets pass, bool[N, K]."""
    predictions, codes = labelling.predictions(), labelling.codes
    own = predictions[np.arange(len(codes)), codes]
    leaves_some = labelling.state.counts[codes] > 1
    best = predictions.max(axis=1)
    is_clear = (best - own > LEAST_MARGIN) & leaves_some
    return (predictions == best[:, None]) & is_clear[:, None]


def _error(state: LabelState, beta: float) -> float:
    return bde.error(state.z, state.counts, beta)


def _most_negative(changes: np.ndarray, count: int, threshold: float) -> np.ndarray:
    """Rows of the *count* lowest *changes* below *threshold*, the lowest first."""
    top = np.argpartition(changes, count - 1)[:count]
    top = top[np.argsort(changes[top], kind="stable")]
    return top[changes[top] < threshold]
