"""``auto``: how numbers are prepared before the kernel sees them, judged on a sample."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ntk_labelqa.gram.arrays import panels
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.inputs.preparation import NAMES, PANEL, Name, fit_preparation
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows

SAMPLE = 1000
QUICK = "2-L"
"""The kernel that judges where the architecture is not chosen yet."""
SURELY = 2.0
"""Standard errors of the difference over the same items by which another preparation has to do better than standardised
columns to be taken.

It has the burden of proof: columns of different units mislead silently, and labels of which some are wrong rarely show
it; where the direction of a row is what matters, as in images and embeddings, they show it clearly.
"""
IN_WORDS: dict[Name, str] = {"none": "left as they are", "center": "centred", "standardize": "standardised"}


@dataclass(frozen=True)
class PreparationChoice:
    """What is done to the numbers, and by what that was chosen.

    Attributes:
        name: see :class:`~ntk_labelqa.inputs.preparation.Preparation`.
        errors: leave-one-out mean squared error of each on the sample; low = fits. Without ``none`` where a row is
            zero, which has no direction.
    """

    name: Name
    errors: dict[Name, float] = field(default_factory=dict)

    def __str__(self) -> str:
        judged = ", ".join(f"{error:.3f} {IN_WORDS[name]}" for name, error in self.errors.items())
        return f"Numbers are {IN_WORDS[self.name]}; leave-one-out error on a sample: {judged}."


def choose_preparation(
    features: Rows,
    labels: Rows,
    *,
    architecture: str | Kernel = "auto",
    numbers: np.ndarray | None = None,
    seed: int = 0,
) -> PreparationChoice:
    """Standardised numbers, unless others surely have a lower leave-one-out error; of these, those with the lowest.

    Args:
        features: float[N, D].
        labels: Y, float[N, K].
        architecture: whose kernel judges; :data:`QUICK` for ``auto``.
        numbers: bool[D], which columns are standardised; see :func:`~ntk_labelqa.inputs.preparation.fit_preparation`.
        seed: of the sample.

    Raises InvalidInputError where the architecture takes no rows of numbers.

    Cost: a Gram matrix of at most 1,000 items and its eigendecomposition, three times.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:SAMPLE])
    sample, given = features[rows], labels[rows]
    kernel = QUICK if architecture == "auto" else architecture
    squares: dict[Name, np.ndarray] = {}
    for name in NAMES[1:] if _has_zero_row(features) else NAMES:
        inverse = invert(fit_preparation(name, sample, numbers=numbers)(sample), given, architecture=kernel)
        squares[name] = np.square(leave_one_out(inverse, given) - given).mean(axis=1)
    errors = {name: float(each.mean()) for name, each in squares.items()}
    better: list[Name] = [name for name in squares if _surely_less(squares[name], squares["standardize"])]
    return PreparationChoice(min(better or ["standardize"], key=errors.__getitem__), errors)


def _has_zero_row(features: Rows) -> bool:
    return not all(features[panel].any(axis=1).all() for panel in panels(len(features), PANEL))


def _surely_less(squares: np.ndarray, others: np.ndarray) -> bool:
    """Whether squared errors, float64[n], are surely less than *others* of the same items."""
    gain = others - squares
    return bool(gain.mean() > SURELY * gain.std() / np.sqrt(len(gain)))
