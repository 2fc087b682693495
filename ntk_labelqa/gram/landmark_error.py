"""What Nyström's approximation costs: how far it is from the exact kernel, and whether more landmarks would help."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.gram.arrays import to_host
from ntk_labelqa.gram.distributed import DistributedInverse
from ntk_labelqa.gram.inverse import RegularizedInverse, largest_of, leave_one_out, predicted_classes, sample
from ntk_labelqa.gram.low_rank import LowRankInverse, exact_inverse
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.rows_there import panels_there, sent
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows

SAMPLE = 1000
"""Items among which the exact kernel is compared with."""
SETTLED = 0.9
"""Overlap of the contradicted labels from which more landmarks are not worth their time; see LandmarkError."""

IN_USE = 0.9
"""Share of the landmarks below which the others are combinations of them, as more would be."""


@dataclass(frozen=True)
class LandmarkError:
    """How far an approximation is from the exact kernel.

    Attributes:
        landmarks: m.
        features: columns of F, fewer than m where landmarks are redundant.
        kernel: ‖H − F Fᵀ‖ / ‖H‖ in Frobenius' norm, of a sample of the items; low = near.
        changed: share of the sample whose leave-one-out prediction, among the sample alone, is another class by F Fᵀ
            than by H; low = near.
        overlap: of the labels that leave-one-out predictions of all items contradict, with all features and with the
            half of them that carries most: their intersection over their union. High = settled: what half of the
            features is enough for, twice as many would hardly change.
    """

    landmarks: int
    features: int
    kernel: float
    changed: float
    overlap: float

    @property
    def is_settled(self) -> bool:
        """Whether more landmarks are not worth their time."""
        return self.overlap >= SETTLED or self.features < IN_USE * self.landmarks

    def __str__(self) -> str:
        return (
            f"With {self.landmarks:,} landmarks, kernel values are off by {self.kernel:.1%}, which changes "
            f"{self.changed:.1%} of the predictions among a sample; with half of the features, {self.overlap:.0%} of "
            "the labels contradicted stay the same."
        )


def landmark_error(
    kernel: Kernel, inputs: Rows, labels: Rows, inverse: LowRankInverse | DistributedInverse, landmarks: int
) -> LandmarkError:
    """How far *inverse* of prepared *inputs* is from the exact one, and what that does to *labels*, Y float[N, K].

    Cost: the Gram matrix of a sample, two eigendecompositions of it, and two ``apply`` of K columns.
    """
    rows = sample(len(inputs), SAMPLE)
    exact, near = gram_of(kernel, inputs[rows]).astype(np.float64), inverse.gram_of(rows)
    labels, given = sent(labels), labels[rows]
    by_exact, by_near = (
        leave_one_out(exact_inverse(gram, ridge=inverse.ridge), given).argmax(axis=1) for gram in (exact, near)
    )
    with_all, with_half = (contradicted(each, labels) for each in (inverse, inverse.halved()))
    either = (with_all | with_half).sum()
    return LandmarkError(
        landmarks=landmarks,
        features=inverse.rank,
        kernel=float(np.linalg.norm(exact - near) / np.linalg.norm(exact)),
        changed=float((by_exact != by_near).mean()),
        overlap=float((with_all & with_half).sum() / either) if either else 1.0,
    )


def contradicted(inverse: RegularizedInverse, labels: Rows) -> np.ndarray:
    """bool[N]: where the leave-one-out prediction is another class than that of *labels*, Y float[N, K].

    Cost: one ``apply`` of K columns.
    """
    given = [to_host(largest_of(labels[rows])) for rows in panels_there(labels.shape)]
    return predicted_classes(inverse, labels) != np.concatenate(given)
