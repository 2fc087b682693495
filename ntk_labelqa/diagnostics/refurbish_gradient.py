"""Label refurbishment by the gradient of the BDE: Algorithm 1 of the paper, as published.

Each step moves the item whose best class is ahead of its own by most in −∇L. The gradient is a linearisation, so the
BDE need not fall at a step, and run on for long the algorithm goes round in circles. It has no guard: where classes
differ much in size it moves foreign items into the small ones.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.diagnostics.flip_gains import gradient
from ntk_labelqa.diagnostics.labelling import Labelling
from ntk_labelqa.gram.inverse import RegularizedInverse


def refurbish_by_gradient(
    inverse: RegularizedInverse, codes: np.ndarray, class_count: int, *, steps: int | None = None, beta: float = 1.0
) -> Labelling:
    """Algorithm 1.

    Args:
        inverse: G.
        codes: labels as given, int64[N].
        class_count: K.
        steps: L, moves at most, which the paper does not state; None is N. It ends before where no class is ahead of
            an item's own, or where labels come back that it has been at: from there it goes in a circle.
        beta: weight of the inter-class terms.

    Cost: O(NK) a move, and 8N² bytes, up to 5,000 items; beyond, moves go in blocks of N/100 with one ``apply`` each.
    """
    labelling = Labelling(inverse, codes, class_count)
    left = steps if steps is not None else len(codes)
    each, been_at = np.arange(len(codes)), {hash(labelling.codes.tobytes())}
    while left > 0:
        descent = -gradient(labelling.state.applied, labelling.state.z, labelling.state.counts, beta)
        ahead = descent.max(axis=1) - descent[each, labelling.codes]
        items = _largest(ahead, min(labelling.block, left))
        if not len(items):
            break
        labelling.move(items, descent[items].argmax(axis=1))
        left -= len(items)
        now = hash(labelling.codes.tobytes())
        if now in been_at:
            break
        been_at.add(now)
    return labelling


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Rows of the *count* largest positive *values*, the largest first."""
    top = np.argpartition(-values, count - 1)[:count]
    top = top[np.argsort(-values[top], kind="stable")]
    return top[values[top] > 0]
