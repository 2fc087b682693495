"""``auto``: whether numbers are standardised before the kernel sees them, judged on a sample."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.inputs.preparation import NAMES, Name, fit_preparation
from ntk_labelqa.kernels.kernel import Kernel

SAMPLE = 1000
QUICK = "2-L"
"""The kernel that judges where the architecture is not chosen yet."""
SURELY = 2.0
"""Standard errors of the difference over the same items by which rows as they are have to do better.

They have the burden of proof: columns of different units mislead silently, and labels of which some are wrong rarely
show it; where the direction of a row is what matters, as in images and embeddings, they show it clearly.
"""


@dataclass(frozen=True)
class PreparationChoice:
    """What is done to the numbers, and by what that was chosen.

    Attributes:
        name: see :class:`~ntk_labelqa.inputs.preparation.Preparation`.
        errors: leave-one-out mean squared error of each on the sample; low = fits. Without ``none`` where that cannot
            be judged, since a row is zero.
    """

    name: Name
    errors: dict[Name, float] = field(default_factory=dict)

    def __str__(self) -> str:
        if len(self.errors) < len(NAMES):
            return "Numbers are standardised, as rows of zeros could not be judged as they are."
        as_they_are, standardised = (f"{self.errors[name]:.3f}" for name in NAMES)
        found = f"leave-one-out error on a sample {standardised} standardised, {as_they_are} as they are"
        if self.name == "none":
            return f"Numbers are left as they are, which fits surely better: {found}."
        return f"Numbers are standardised: {found}."


def choose_preparation(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    architecture: str | Kernel = "auto",
    numbers: np.ndarray | None = None,
    seed: int = 0,
) -> PreparationChoice:
    """Standardised numbers, unless rows as they are surely have the lower leave-one-out error.

    Args:
        features: float[N, D].
        labels: Y, float[N, K].
        architecture: whose kernel judges; :data:`QUICK` for ``auto``.
        numbers: bool[D], which columns are standardised; see :func:`~ntk_labelqa.inputs.preparation.fit_preparation`.
        seed: of the sample.

    Cost: a Gram matrix of at most 1,000 items and its eigendecomposition, twice.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:SAMPLE])
    sample, given = features[rows], labels[rows]
    kernel = QUICK if architecture == "auto" else architecture
    squares: dict[Name, np.ndarray] = {}
    for name in NAMES:
        try:
            inverse = invert(fit_preparation(name, sample, numbers=numbers)(sample), given, architecture=kernel)
        except InvalidInputError:
            continue  # a row of zeros has no direction; with a constant column it has one
        squares[name] = np.square(leave_one_out(inverse, given) - given).mean(axis=1)
    errors = {name: float(each.mean()) for name, each in squares.items()}
    return PreparationChoice("none" if _surely_less(squares) else "standardize", errors)


def _surely_less(squares: dict[Name, np.ndarray]) -> bool:
    """Whether the errors of rows as they are, float64[n], are surely less than those of standardised ones."""
    if len(squares) < len(NAMES):
        return False
    gain = squares["standardize"] - squares["none"]
    return bool(gain.mean() > SURELY * gain.std() / np.sqrt(len(gain)))
