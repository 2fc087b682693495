"""Labels put right: four ways of deciding which items change class, and to which.

===========  ==================================================================================================
`posterior`  changes what the label posterior is surer of than of the label given, and abstains elsewhere; the
             one to use where right labels must stay (:mod:`~ntk_labelqa.label_model.label_model`)
`annealed`   changes whatever the leave-one-out prediction contradicts, clear cases first: corrects most, at the
             price of right labels where classes overlap (:mod:`~ntk_labelqa.diagnostics.refurbish_annealed`)
`exact`      guarded steepest descent on the BDE (:mod:`~ntk_labelqa.diagnostics.refurbish_exact`)
`gradient`   the paper's Algorithm 1, without a guard (:mod:`~ntk_labelqa.diagnostics.refurbish_gradient`)
===========  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.diagnostics.labelling import Labelling
from ntk_labelqa.diagnostics.refurbish_annealed import refurbish_by_annealing
from ntk_labelqa.diagnostics.refurbish_exact import refurbish_exactly
from ntk_labelqa.diagnostics.refurbish_gradient import refurbish_by_gradient
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.label_model.annotations import Annotations

Method = Literal["posterior", "annealed", "exact", "gradient"]

MOVING_RIDGE = 0.03
"""Of the methods that move labels and look again: small, for the labels they end with are nearly clean. The ridge with
the least leave-one-out error on the labels as given grows with their noise."""


def refurbish_by_posterior(inverse: RegularizedInverse, codes: np.ndarray, class_count: int) -> Labelling:
    """All label issues changed at once to the most probable class; see
    :func:`~ntk_labelqa.diagnostics.label_issues.find_issues`.
    """
    issues = find_issues(inverse, Annotations.of_codes(codes, class_count))
    labelling = Labelling(inverse, codes, class_count)
    items = np.flatnonzero(issues.is_label_issue)
    if len(items):
        labelling.move(items, issues.predicted[items])
    return labelling


METHODS: dict[Method, Callable[[RegularizedInverse, np.ndarray, int], Labelling]] = {
    "posterior": refurbish_by_posterior,
    "annealed": refurbish_by_annealing,
    "exact": refurbish_exactly,
    "gradient": refurbish_by_gradient,
}


def check_method(method: object) -> None:
    """Raise InvalidInputError for a method that there is none of."""
    known = get_args(Method)
    if not isinstance(method, str) or method not in known:
        raise InvalidInputError(
            f"There is no refurbishment method {method!r}.", remedy=f"Use one of {', '.join(known)}."
        )
