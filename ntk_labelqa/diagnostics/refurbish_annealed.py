"""Label refurbishment by annealed leave-one-out prediction: all clear-cut items first, then less and less clear ones.

In round r of R every item whose leave-one-out prediction puts another class ahead of its own by more than τ₀(1 − r/R)
takes that class. Correcting the clear cases first improves the predictions for the others, so it copes with noise of
which a single pass sees little; it ends by agreeing with the prediction everywhere, so where classes overlap it changes
right labels too.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.diagnostics.labelling import Labelling
from ntk_labelqa.gram.inverse import RegularizedInverse

ROUNDS = 12
FIRST_THRESHOLD = 0.5


def refurbish_by_annealing(inverse: RegularizedInverse, codes: np.ndarray, class_count: int) -> Labelling:
    """Annealed refurbishment.

    Args:
        inverse: G.
        codes: labels as given, int64[N].
        class_count: K.

    Cost: 12 times one ``apply`` of K columns.
    """
    labelling = Labelling(inverse, codes, class_count)
    each = np.arange(len(codes))
    for threshold in FIRST_THRESHOLD * (1 - np.arange(ROUNDS) / ROUNDS):
        predictions = labelling.predictions()
        margin = predictions.max(axis=1) - predictions[each, labelling.codes]
        items = np.flatnonzero(margin > threshold)
        if len(items):
            labelling.move(items, predictions[items].argmax(axis=1))
    return labelling
