r"""How probable each class is for items that were not among those that a kernel was fitted to.

What kernel regression says of a new item x, given the fitted items X, carried to probabilities by the link that the
label model fitted to its own leave-one-out predictions:

.. math:: P(x) = k(x, X)\, G\, Q, \qquad s(x) = \operatorname{softmax}(a φ(P(x)) + b)

Q is what the last predictions were made from: posteriors of the fitted items' classes, so that a label taken for wrong
hardly counts, or the labels as given where one round was all (as with two classes). The link has seen no item's own
label, hence s(x) means the same for a new item as the prior of a fitted one. With landmarks, x is seen through them as
the fitted items are. No model is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.diagnostics.fitted_kernel import FittedKernel
from ntk_labelqa.gram.arrays import panels, to_host
from ntk_labelqa.gram.distributed import DistributedInverse, DistributedRegression
from ntk_labelqa.gram.inverse import learnt
from ntk_labelqa.gram.low_rank import LowRankInverse, LowRankRegression
from ntk_labelqa.gram.matrix import prepare
from ntk_labelqa.gram.tiles import cross_block
from ntk_labelqa.inputs.preparation import Preparation
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.label_model.calibration import Link
from ntk_labelqa.label_model.label_model import LabelPosterior

PANEL = 2048
"""Items predicted at once."""


@dataclass(frozen=True)
class Predictor:
    """What is known of the fitted items, ready to be asked about new ones.

    Attributes:
        preparation: of the features of new items.
        kernel: of the architecture.
        inputs: the fitted items, or the landmarks that stand for them, as the kernel has prepared them, [m, …].
        weights: float64[m, K], P(x) = k(x, inputs) weights.
        link: from predictions to probabilities.
    """

    preparation: Preparation
    kernel: Kernel
    inputs: np.ndarray
    weights: np.ndarray
    link: Link

    @classmethod
    def of(cls, fitted: FittedKernel, posterior: LabelPosterior, *, dtype: DTypeLike = "float32") -> Self:
        """From *fitted*, and what the label model made of the labels of its items."""
        made, link = posterior.answer.predictions, to_host(posterior.answer.link)
        inverse = made.inverse
        if isinstance(inverse, LowRankInverse | DistributedInverse) and (landmarks := inverse.landmarks) is not None:
            kernel, _ = prepare(fitted.features[:1], fitted.architecture, dtype)
            regression: LowRankRegression | DistributedRegression = inverse.regression()
            weights = landmarks.projection @ learnt(regression, made.fed).coefficients
            return cls(fitted.preparation, kernel, landmarks.inputs, weights, link)
        kernel, inputs = prepare(fitted.features, fitted.architecture, dtype)
        return cls(fitted.preparation, kernel, inputs[:], inverse.apply(to_host(made.fed[:])), link)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """How probable each class is for each row of *features*, float64[n, K]; rows sum to 1.

        Raises InvalidInputError where features are of another shape than those fitted, or a row is zero.

        Cost: m kernel values an item.
        """
        predictions = np.concatenate([self._predictions(features[panel]) for panel in panels(len(features), PANEL)])
        return np.exp(self.link.log_prior(predictions))

    def _predictions(self, features: np.ndarray) -> np.ndarray:
        """P, float64[n, K]."""
        # Rounded up to a power of two by repeating the last: each other number would be compiled anew.
        count = 1 << (len(features) - 1).bit_length()
        padded = np.concatenate([features, np.repeat(features[-1:], count - len(features), axis=0)])
        prepared = self.kernel.prepare(self.preparation(padded), self.inputs.dtype)
        return (cross_block(self.kernel, prepared, self.inputs).astype(np.float64) @ self.weights)[: len(features)]
