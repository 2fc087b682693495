"""Which architecture to begin with, in words, and how far that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.diagnostics.architectures import FLOOR, Fit, Fits
from ntk_labelqa.kernels.architectures import CONVOLUTIONAL, DENSE

DEVIATIONS = 2.0
"""Standard deviations by which one architecture has to be more accurate than another to count as better."""
CAVEAT = (
    "These are kernels of networks of infinite width: how yours trains also depends on its width, depth, "
    "regularisation, augmentation and data, so treat this as where to begin, not as what you will get."
)


@dataclass(frozen=True)
class Recommendation:
    """What to begin with.

    Attributes:
        name: the architecture recommended: the simplest of those that no other one clearly beats.
        title: in a sentence.
        doubt: the margin to the next best, in a sentence.
        level_with: other architectures that cannot be distinguished from the best, in the order of the list.
        is_sure: no other one is level with it.
    """

    name: str
    title: str
    doubt: str
    level_with: tuple[str, ...]
    is_sure: bool


def recommend(fits: Fits) -> Recommendation:
    """The simplest architecture among those whose accuracy cannot be distinguished from the best one's.

    Accuracies are compared item by item, as all architectures saw the same. Simplest is first in the order judged,
    which begins with the linear kernel.
    """
    best = max(fits.fits, key=lambda fit: fit.figures["accuracy"])
    level = [fit for fit in fits.fits if fit is best or not _is_better(best, fit)]
    chosen, others = level[0], tuple(fit.name for fit in level[1:])
    return Recommendation(chosen.name, _title(chosen), _doubt(fits, best, chosen, level), others, not others)


def difference(better: Fit, worse: Fit) -> tuple[float, float]:
    """How much more accurate *better* is, and the standard deviation of that over paired items."""
    gain = better.right.astype(float) - worse.right
    return float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))


def _is_better(better: Fit, worse: Fit) -> bool:
    gain, deviation = difference(better, worse)
    return gain > 0 and gain > DEVIATIONS * deviation


def _title(chosen: Fit) -> str:
    if chosen.name == FLOOR:
        return "A linear model does as well as any network judged here"
    if chosen.name in CONVOLUTIONAL:
        return f"Begin with a convolutional network: {chosen.name}"
    if chosen.name in DENSE:
        return f"Begin with a fully connected network: {chosen.name}"
    return f"Begin with your network: {chosen.name}"


def _doubt(fits: Fits, best: Fit, chosen: Fit, level: list[Fit]) -> str:
    count = len(fits.rows)
    if len(fits.fits) == 1:
        return "No other architecture could be judged, so there is nothing to compare it with."
    if len(level) > 1:
        names = ", ".join(fit.name for fit in level if fit is not chosen)
        said = f"On these {count:,} items it cannot be distinguished from {names}; the simplest is named."
        if best is chosen:
            return f"{said} It is also the most accurate."
        return f"{said} The most accurate, {best.name}, is ahead by {_points(best, chosen)}."
    second = max((fit for fit in fits.fits if fit is not best), key=lambda fit: fit.figures["accuracy"])
    return f"On these {count:,} items it is ahead of the next best, {second.name}, by {_points(best, second)}."


def _points(better: Fit, worse: Fit) -> str:
    gain, deviation = difference(better, worse)
    return f"{100 * gain:.1f} percentage points, with a standard error of {100 * deviation:.1f}"
