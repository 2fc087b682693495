"""``auto``: which architecture's kernel explains the labels best, judged on a sample and without training any."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse_plan import LANDMARKS
from ntk_labelqa.gram.matrix import prepare
from ntk_labelqa.gram.ridge import leave_one_out_error
from ntk_labelqa.kernels.architectures import NAMES
from ntk_labelqa.kernels.convolution import ConvolutionalNetwork
from ntk_labelqa.kernels.dense import DenseNetwork
from ntk_labelqa.row_store import Rows

SAMPLE = 1000
MOST_WORK = 25e9
"""Bytes that a candidate's kernel may go through for all items: about half a minute on two cores.

Counted and not timed, so that the choice is the same on every machine.
"""


@dataclass(frozen=True)
class ArchitectureChoice:
    """The architecture chosen.

    Attributes:
        name: of the best candidate.
        errors: each candidate's leave-one-out mean squared error on the sample; low = fits.
        left_out: why each other architecture was no candidate.
    """

    name: str
    errors: dict[str, float]
    left_out: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        judged = ", ".join(f"{name} {error:.3f}" for name, error in sorted(self.errors.items(), key=lambda e: e[1]))
        words = f"Architecture {self.name}, by leave-one-out error on a sample: {judged}."
        return words + "".join(f" Not judged: {name} ({reason.rstrip('.')})." for name, reason in self.left_out.items())


def choose_architecture(features: Rows, labels: Rows, *, seed: int = 0) -> ArchitectureChoice:
    """The architecture with the least leave-one-out error on a sample, each at its own best ridge.

    Candidates are those that take features of this shape. Convolutional networks that would go beyond
    :data:`MOST_WORK` are left out; dense ones take a thousandth of the time.

    Args:
        features: float[N, …].
        labels: Y, float[N, K].
        seed: of the sample.

    Raises:
        InvalidInputError: no architecture takes these features.

    Cost: a Gram matrix of at most 1,000 items and its eigendecomposition, for each candidate.
    """
    left_out = {name: reason for name in NAMES if (reason := _reason_against(name, features))}
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:SAMPLE])
    sample, given = features[rows], labels[rows]
    candidates = [name for name in NAMES if name not in left_out]
    if not candidates:
        raise InvalidInputError(f"No architecture takes these features: {left_out['linear']}")
    errors = {name: leave_one_out_error(invert(sample, given, architecture=name), given) for name in candidates}
    return ArchitectureChoice(min(errors, key=errors.__getitem__), errors, left_out)


def _reason_against(name: str, features: Rows) -> str:
    """Why the architecture is no candidate; empty if it is one."""
    try:
        kernel, inputs = prepare(features[:1], name, "float32")
    except InvalidInputError as error:
        return error.what
    if isinstance(kernel, DenseNetwork):
        return ""
    items = len(features)
    # The same on every device.
    of_pair = kernel.covariance_bytes if isinstance(kernel, ConvolutionalNetwork) else kernel.bytes_per_pair
    if items * min(items, LANDMARKS) * of_pair(inputs) <= MOST_WORK:
        return ""
    return f"too slow for {items:,} items unless asked for by name"
