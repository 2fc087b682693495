"""Which of several labellings is the least noisy.

Annotators rarely share items, so the measure that ranks them is the leave-one-out error rate over each one's own items.
BDE, the paper's measure, stands beside it where it compares like with like: over common items, under one inverse, and
with like class counts (the rare class dominates it otherwise, and merged classes look better than the truth).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ntk_labelqa import bde
from ntk_labelqa.dataset import LabeledDataset, label_means
from ntk_labelqa.diagnostics.fitted_kernel import fit_kernel
from ntk_labelqa.diagnostics.schemes import Scheme, collapsed, controls, encoded, pooled
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.findings import conform
from ntk_labelqa.gram.inverse import RegularizedInverse, predicted_classes
from ntk_labelqa.gram.inverse_plan import Landmarks
from ntk_labelqa.inputs.features import read_features
from ntk_labelqa.inputs.held import FeaturesLike, LabelsLike
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.options import KernelOptions, Preparation
from ntk_labelqa.row_store import Rows
from ntk_labelqa.shown import well_formed

LIKE_COUNTS = 0.2
"""Class counts are alike when the share of labels in which they differ (total variation) is at most this."""
COMMON = 0.8
"""Schemes are compared over common items while these are at least this share of the largest scheme's."""
CONFIDENCE = 1.959964
"""Standard deviations of a two-sided 95 % interval."""
CLASSES_AT_ONCE = 64


def rank_schemes(
    features: FeaturesLike,
    schemes: Mapping[Any, LabelsLike] | pd.DataFrame,
    *,
    classes: LabelsLike | None = None,
    architecture: str | Kernel = "auto",
    preparation: Preparation = "auto",
    ridge: float | Literal["auto"] = "auto",
    landmarks: Landmarks = "auto",
    seed: int = 0,
) -> pd.DataFrame:
    """Which of several labellings of the same items is the least noisy.

    All are judged by one leave-one-out prediction, made from the mean of all labels but the item's own. They need no
    item in common.

    Args:
        features: float[N, …] as in :func:`ntk_labelqa.find_label_issues`.
        schemes: name to N labels, or one column a scheme; None or NaN where a scheme does not label an item. Those with
            an index go to the features of that index, or where these have none to the first scheme with one.
        classes: the label set, where it is larger than the labels seen.
        architecture, preparation, ridge, landmarks, seed: as in :func:`ntk_labelqa.find_label_issues`.

    Returns:
        DataFrame, one row a scheme and one for each control (one class everywhere, labels shuffled), least noisy first,
        collapsed schemes last:

        - ``scheme`` (str): its name;
        - ``items`` (int64): how many it labels;
        - ``error_rate`` (float64): share of its labels that the prediction contradicts, hard items included; high =
          bad; with ``error_low`` and ``error_high`` (float64; 95 %);
        - ``error_rank`` (int64): 1 = least noisy;
        - ``bde`` (float64): high = bad; null where it is not comparable;
        - ``bde_rank`` (Int64): null where it is not comparable;
        - ``comparable`` (bool): whether its BDE can be held against another's.

    Raises:
        InvalidInputError: features, schemes or options cannot be read or do not fit, a scheme has no label, or there is
            one class alone.

    Cost: one inverse for all, and one ``apply`` of K + 1 columns a comparable scheme.

    Example:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(60, 3)) + np.repeat(4 * np.eye(3), 20, axis=0)
        >>> right = np.repeat(["a", "b", "c"], 20)
        >>> careless = np.where(np.arange(60) % 5 == 0, "a", right)
        >>> rank_schemes(features, {"careless": careless, "right": right}, architecture="2-L")["scheme"][0]
        'right'
    """
    options = KernelOptions(architecture, preparation, ridge, landmarks, seed=seed)
    read = read_features(features)
    parts, names = encoded(schemes, len(read), classes, read.index)
    labels = pooled(parts, len(read), len(names))
    check_classes(labels)
    return rank_pooled(fit_kernel(read.values, labels, options, numbers=read.numbers).inverse, parts, labels, seed=seed)


def rank_in(
    features: Rows,
    dataset: LabeledDataset,
    schemes: Sequence[Scheme],
    options: KernelOptions,
    *,
    numbers: np.ndarray | None = None,
) -> pd.DataFrame:
    """:func:`rank` of *schemes* of *dataset*, and of controls, judged by a prediction from the annotations alone.

    Args:
        features: float[N, …], a row an item.
        dataset: the items and their annotations, of two classes at least.
        schemes: the labellings; their items are rows of *dataset*.
        options: how to compute.
        numbers: bool[D], which columns are plain numbers, as in
            :func:`~ntk_labelqa.diagnostics.fitted_kernel.fit_kernel`.
    """
    labels = label_means(dataset)
    check_classes(labels)
    inverse = fit_kernel(features, labels, options, numbers=numbers).inverse
    return rank_pooled(inverse, schemes, labels, seed=options.seed)


def rank_pooled(
    inverse: RegularizedInverse, schemes: Sequence[Scheme], labels: np.ndarray, *, seed: int
) -> pd.DataFrame:
    """:func:`rank` of *schemes* and of controls, judged by a prediction from *labels*, Y float[N, K]."""
    everything = [*schemes, *controls(labels, seed=seed)]
    return rank(inverse, predicted_classes(inverse, labels), everything, labels.shape[1])


def rank(inverse: RegularizedInverse, predicted: np.ndarray, schemes: list[Scheme], class_count: int) -> pd.DataFrame:
    """The ``schemes`` table, least noisy first; collapsed schemes stand last.

    Args:
        inverse: G over all items.
        predicted: int64[N], the class that each item's leave-one-out prediction says, all schemes judged by the same.
        schemes: the labellings.
        class_count: K.

    Cost: one ``apply`` of K + 1 columns for each scheme that is comparable.
    """
    table = pd.DataFrame([_error_rate(predicted, scheme) for scheme in schemes])
    values = block_diagonalization_errors(inverse, schemes, class_count)
    table["bde"] = np.array([np.nan if value is None else value for value in values])
    table["comparable"] = table["bde"].notna()
    table["last"] = collapsed(schemes, inverse.size, class_count)
    table = table.sort_values(["last", "error_rate"], kind="stable")
    by_rate = table["error_rate"] + 2.0 * table["last"]
    table["error_rank"] = by_rate.rank(method="min").astype(np.int64)
    table["bde_rank"] = table["bde"].rank(method="min").astype("Int64")
    return conform("schemes", table)


def block_diagonalization_errors(
    inverse: RegularizedInverse, schemes: Sequence[Scheme], class_count: int
) -> list[float | None]:
    """Each scheme's BDE over the items that the comparable schemes have in common; None for the others.

    Labels of other items count as absent, under the same inverse over all items. Comparable are two or more schemes
    that share most items (:data:`COMMON`) and have like class counts there (:data:`LIKE_COUNTS`).
    """
    common, sharing = _common_items(schemes, inverse.size)
    labels = {index: _labels_at(schemes[index], common, inverse.size) for index in sharing}
    counts = {index: np.bincount(codes, minlength=class_count) for index, codes in labels.items()}
    return [
        _bde(inverse, common, labels[index], class_count)
        if index in labels
        and any(_alike(counts[index], other) for other_index, other in counts.items() if other_index != index)
        else None
        for index in range(len(schemes))
    ]


def _error_rate(predicted: np.ndarray, scheme: Scheme) -> dict[str, object]:
    wrong, count = int((predicted[scheme.items] != scheme.labels).sum()), len(scheme.items)
    low, high = wilson_interval(wrong, count)
    return {
        "scheme": well_formed(scheme.name),
        "items": count,
        "error_rate": wrong / count,
        "error_low": low,
        "error_high": high,
    }


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a proportion after Wilson (1927): within 0 and 1, and sound for few trials."""
    share, spread = hits / count, CONFIDENCE**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = CONFIDENCE * np.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _common_items(schemes: Sequence[Scheme], item_count: int) -> tuple[np.ndarray, list[int]]:
    """Items, as rows, that several schemes all label, and which schemes: the largest first, while enough is left."""
    order = sorted(range(len(schemes)), key=lambda index: -len(schemes[index].items))
    if not order:
        return np.array([], np.int64), []
    common = np.zeros(item_count, bool)
    common[schemes[order[0]].items] = True
    enough, sharing = COMMON * common.sum(), [order[0]]
    for index in order[1:]:
        narrower = np.zeros(item_count, bool)
        narrower[schemes[index].items] = True
        narrower &= common
        if narrower.sum() >= enough:
            common, sharing = narrower, [*sharing, index]
    return np.flatnonzero(common), sharing


def _labels_at(scheme: Scheme, items: np.ndarray, item_count: int) -> np.ndarray:
    of_item = np.empty(item_count, np.int64)
    of_item[scheme.items] = scheme.labels
    return of_item[items]


def _bde(inverse: RegularizedInverse, items: np.ndarray, labels: np.ndarray, class_count: int) -> float:
    """L(Z) of *labels* of *items*, a panel of classes at a time.

    Off its diagonal the weight of Z_kd is a product of 1/n_k and 1/n_d, so that part of L is one quadratic form.
    """
    counts = np.bincount(labels, minlength=class_count).astype(float)
    own = np.zeros(class_count)
    for start in range(0, class_count, CLASSES_AT_ONCE):
        panel = np.zeros((inverse.size, min(CLASSES_AT_ONCE, class_count - start)))
        inside = (labels >= start) & (labels < start + panel.shape[1])
        panel[items[inside], labels[inside] - start] = 1.0
        own[start : start + panel.shape[1]] = (panel * inverse.apply(panel)).sum(axis=0)
    shares = np.zeros((inverse.size, 1))
    shares[items, 0] = 1.0 / counts[labels]
    together = float((shares * inverse.apply(shares)).sum())
    used = counts > 0
    between = together - float((own[used] / counts[used] ** 2).sum())
    pairs = class_count * (class_count - 1)
    within = float((np.diag(bde.weights(counts)) * own).sum())
    return within - (between / pairs if pairs else 0.0)


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).sum() / 2 <= LIKE_COUNTS * a.sum())


def check_classes(labels: np.ndarray) -> None:
    """Raise InvalidInputError where *labels*, Y float[N, K], are of one class."""
    if labels.any(axis=0).sum() < 2:
        raise InvalidInputError("All labels are of one class.", remedy="Compare labellings with two classes or more.")
