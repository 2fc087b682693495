r"""The matrix Z and the Block Diagonalization Error (BDE).

.. math::
    Z = Y^\top G Y, \qquad
    L(Z) = \frac1K \sum_k \frac{Z_{kk}}{n_k (n_k - 1)}
         - \frac{\beta}{K^2 - K} \sum_{k \neq d} \frac{Z_{kd}}{n_k n_d}

Source: DeOliveira, Gerych, Rundensteiner, "The Surprising Effectiveness of Infinite-Width NTKs for Characterizing and
Improving Model Training", AAAI 2025. The paper takes G = H⁻¹; here G may carry a ridge. β is not given there; 1 is our
default. A class of one item has no intra term and an empty class no inter term, which the paper leaves undefined;
K stays the size of the label set, so that labellings of the same items can be compared.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.arguments import GRAM_RIDGE, NUMBER, check
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.inputs.alignment import aligned
from ntk_labelqa.inputs.features import read_features
from ntk_labelqa.inputs.held import FeaturesLike, LabelsLike
from ntk_labelqa.inputs.labels import encoded, read_column


def class_couplings(inverse: RegularizedInverse, labels: np.ndarray) -> np.ndarray:
    """Z = YᵀGY, float64[K, K], symmetric: how the classes' learning dynamics meet.

    Args:
        inverse: G.
        labels: Y, float[N, K].

    Cost: one ``apply`` of K columns and 2NK² flops.
    """
    z = labels.T @ inverse.apply(labels)
    return (z + z.T) / 2


def weights(counts: np.ndarray, beta: float = 1.0) -> np.ndarray:
    """W, float64[K, K], such that L = Σ W∘Z, for class counts n, float[K]."""
    counts = np.asarray(counts, float)
    k = len(counts)
    pairs, inter = np.outer(counts, counts), np.zeros((k, k))
    if k > 1:
        np.divide(-beta / (k * k - k), pairs, out=inter, where=pairs > 0)
    own = counts * (counts - 1)
    intra = np.zeros(k)
    np.divide(1.0 / k, own, out=intra, where=counts > 1)
    np.fill_diagonal(inter, intra)
    return inter


def error(z: np.ndarray, counts: np.ndarray, beta: float = 1.0) -> float:
    """L(Z): high = labels that fight the kernel. Compare it only over the same items, inverse and class counts."""
    return float((weights(counts, beta) * z).sum())


def block_diagonalization_error(
    gram: FeaturesLike,
    labels: LabelsLike,
    *,
    classes: LabelsLike | None = None,
    ridge: float = 0.0,
    beta: float = 1.0,
) -> float:
    """The BDE of *labels* under the kernel *gram*: high = noisy labels.

    Args:
        gram: H, float[N, N], symmetric positive semi-definite; of a DataFrame, the index says which item a row is of.
        labels: as in :func:`ntk_labelqa.find_label_issues`.
        classes: the label set, where it is larger than the labels seen; K is its size.
        ridge: relative to tr(H)/N; 0 is the paper's plain inverse.
        beta: weight of the inter-class terms.

    Raises:
        InvalidInputError: gram, labels or options cannot be read or do not fit; a gram that is not symmetric.
        SingularKernelError: H + λI cannot be inverted; says which ridge would do.

    Cost: one Cholesky factorisation, N³/3 flops.

    Example:
        >>> import numpy as np
        >>> gram = np.eye(4) + 0.5 * np.kron(np.eye(2), np.ones((2, 2)))
        >>> right = block_diagonalization_error(gram, ["a", "a", "b", "b"])
        >>> wrong = block_diagonalization_error(gram, ["a", "b", "a", "b"])
        >>> right < wrong
        True
    """
    check("ridge", ridge, GRAM_RIDGE)
    check("beta", beta, NUMBER)
    read, column = read_features(gram, what="Gram values"), read_column(labels)
    if len(column) != len(read):
        raise InvalidInputError(f"The Gram matrix has {len(read)} rows, but there are {len(column)} labels.")
    given = encoded(aligned(column, read.index, to="the Gram matrix"), classes)
    one_hot = np.eye(len(given.classes))[given.codes]
    return error(class_couplings(DenseInverse(read.values, ridge=ridge), one_hot), one_hot.sum(axis=0), beta)
