"""Which kind of network suits the data, judged by its infinite-width kernel before any is trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ntk_labelqa import arguments, bde
from ntk_labelqa.diagnostics.fitted_kernel import prepare_numbers
from ntk_labelqa.diagnostics.kpca import principal_components, separation
from ntk_labelqa.diagnostics.scheme_ranking import wilson_interval
from ntk_labelqa.diagnostics.self_measurement import calibration_error
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.inverse import RegularizedInverse, leave_one_out
from ntk_labelqa.gram.low_rank import exact_inverse
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.inputs.alignment import labelled
from ntk_labelqa.inputs.held import FeaturesLike, LabelsLike
from ntk_labelqa.kernels.architectures import NAMES, kernel_of
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.label_model.calibration import fit_link
from ntk_labelqa.options import KernelOptions, Preparation
from ntk_labelqa.row_store import Rows

SAMPLE = 1000
"""Items judged, the same for all architectures."""
BUDGET = 60.0
"""Seconds that one architecture's kernel may take on the sample."""
PROBED = 12
"""Items whose kernel values are timed first."""
FLOOR = "linear"
FIGURES = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "log_loss",
    "calibration_error",
    "kpca_ratio",
    "kpca_deviation",
    "bde",
    "alignment",
    "effective_dimension",
    "ridge",
    "seconds",
    "all_seconds",
)

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Fit:
    """One architecture on the sample.

    Attributes:
        name: of the architecture.
        figures: one for each name of :data:`FIGURES`; see :func:`architecture_fit`.
        right: whether the leave-one-out prediction of each item is its label, bool[n].
        coordinates: first kernel principal components, float64[n, 4].
    """

    name: str
    figures: dict[str, float]
    right: np.ndarray
    coordinates: np.ndarray


@dataclass(frozen=True)
class Fits:
    """Architectures on the same sample of items.

    Attributes:
        fits: those that could be judged, in the order asked for.
        left_out: the others, and why.
        rows: the sample, int64[n], rows of the features.
        codes: class codes of the sample, int64[n].
        class_names: all classes.
        items: N, of which the sample was drawn.
    """

    fits: tuple[Fit, ...]
    left_out: dict[str, str]
    rows: np.ndarray
    codes: np.ndarray
    class_names: tuple[str, ...]
    items: int

    def table(self) -> pd.DataFrame:
        """What :func:`architecture_fit` returns."""
        judged = [{"architecture": fit.name, **fit.figures, "left_out": ""} for fit in self.fits]
        others = [{"architecture": name, "left_out": why} for name, why in self.left_out.items()]
        table = pd.DataFrame([*judged, *others], columns=["architecture", *FIGURES, "left_out"])
        return table.sort_values("accuracy", ascending=False, kind="stable", na_position="last", ignore_index=True)


def architecture_fit(
    features: FeaturesLike,
    labels: LabelsLike,
    architectures: Sequence[str] = NAMES,
    *,
    preparation: Preparation = "auto",
    sample: int = SAMPLE,
    budget: float = BUDGET,
    seed: int = 0,
) -> pd.DataFrame:
    """Which kind of network suits the data; none is trained, and infinite width is not your network.

    Args:
        features, labels: as in :func:`ntk_labelqa.find_label_issues`.
        architectures: names, or ``module:attribute`` of stax networks; ``linear`` is added as the floor.
        preparation: of plain numbers, as in :func:`ntk_labelqa.find_label_issues`.
        sample: items judged, drawn at random, at least 2 and at most N.
        budget: seconds that one kernel may take on the sample.
        seed: of the sample.

    Returns:
        DataFrame, one row an architecture, the most accurate first; figures are float64. Those that do not fit the
        features' shape or the budget stand last, without figures:

        - ``architecture`` (str): its name;
        - ``accuracy`` of leave-one-out prediction, high = good, with ``accuracy_low`` and ``accuracy_high`` (95 %);
        - ``log_loss`` (nats) and ``calibration_error`` of its probabilities, low = good;
        - ``kpca_ratio`` and ``kpca_deviation``: distance between over within classes in the top 4 kernel principal
          components, mean and deviation over items; high = clusters;
        - ``bde``, in units of tr(H)/n; low = good;
        - ``alignment`` of the centred kernel with the labels, 0 to 1; high = good;
        - ``effective_dimension``: degrees of freedom at this ``ridge``, which is relative to tr(H)/n;
        - ``seconds`` that the sample's kernel took, and ``all_seconds`` that all items' would;
        - ``left_out`` (str): why it has no figures; else empty.

    Raises:
        InvalidInputError: features, labels or options cannot be read or do not fit, or there is one class alone.

    Cost: for each architecture the sample's kernel and its eigendecomposition, about 10n³ flops.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(160, 2))
        >>> names = np.where(rows.prod(axis=1) > 0, "same sign", "opposite signs")
        >>> architecture_fit(rows, names, ["2-L"])["architecture"].tolist()
        ['2-L', 'linear']
    """
    check_fit_options(architectures, sample, budget)
    options = KernelOptions(preparation=preparation, seed=seed)
    given = labelled(features, labels)
    names, codes = tuple(str(name) for name in given.labels.classes), given.labels.codes
    prepare, _ = prepare_numbers(given.values, np.eye(len(names))[codes], options, numbers=given.features.numbers)
    seen = prepare(given.values)
    return fit_architectures(seen, codes, names, architectures, sample=sample, budget=budget, seed=seed).table()


def check_fit_options(architectures: object, sample: object, budget: object) -> None:
    """Raise InvalidInputError for options of :func:`architecture_fit` that cannot be."""
    for name, value, rule in (
        ("architectures", architectures, arguments.ARCHITECTURES),
        ("sample", sample, arguments.SAMPLE),
        ("budget", budget, arguments.SECONDS),
    ):
        arguments.check(name, value, rule)


def fit_architectures(
    features: Rows,
    codes: np.ndarray,
    class_names: tuple[str, ...],
    architectures: Sequence[str] = NAMES,
    *,
    sample: int = SAMPLE,
    budget: float = BUDGET,
    seed: int = 0,
    items: int | None = None,
    progress: Tick | None = None,
) -> Fits:
    """:func:`architecture_fit` with what a report shows besides; *codes*, int64[N], index *class_names*.

    *items* is N where *features* are of a sample already.
    """
    items = len(features) if items is None else items
    if len(np.unique(codes)) < 2:
        raise InvalidInputError("All items are of one class.", remedy="Pass items of two classes or more.")
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:sample])
    asked = dict.fromkeys([FLOOR, *architectures])
    fits: list[Fit] = []
    left_out: dict[str, str] = {}
    for done, name in enumerate(asked):
        kernel = kernel_of(name)  # a name that is none is an error; inputs that do not fit a kernel are not
        try:
            inputs = kernel.prepare(features[rows], np.dtype(np.float32))[:]
        except InvalidInputError as error:
            left_out[name] = error.what
        else:
            expected = _expected_seconds(kernel, inputs)
            if expected > budget:
                left_out[name] = f"Its kernel of {len(rows):,} items would take about {expected:,.0f} s."
            else:
                fits.append(_fit(name, kernel, inputs, codes[rows], len(class_names), items))
        if progress:
            progress(done + 1, len(asked))
    return Fits(tuple(fits), left_out, rows, codes[rows], class_names, items)


def _expected_seconds(kernel: Kernel, inputs: np.ndarray) -> float:
    """Of the sample's Gram matrix, by how much longer a block of twice as many items takes: calls cost time as well."""
    small, large = (min(_seconds(kernel, inputs[:count]) for _ in range(2)) for count in (PROBED, 2 * PROBED))
    pairs = 3 * PROBED**2
    return max(large - small, 0.0) / pairs * len(inputs) ** 2 / 2


def _seconds(kernel: Kernel, inputs: np.ndarray) -> float:
    """Of one block, once it is compiled."""
    kernel.block(inputs, inputs)
    start = time.perf_counter()
    kernel.block(inputs, inputs)
    return time.perf_counter() - start


def _fit(name: str, kernel: Kernel, inputs: np.ndarray, codes: np.ndarray, class_count: int, items: int) -> Fit:
    start = time.perf_counter()
    gram = gram_of(kernel, inputs)
    seconds = time.perf_counter() - start
    labels = np.eye(class_count)[codes]
    inverse = with_best_ridge(exact_inverse(gram, ridge=1.0), labels)
    predictions = leave_one_out(inverse, labels)
    right = predictions.argmax(axis=1) == codes
    log_loss, unreliable = _calibration(predictions, labels)
    low, high = wilson_interval(int(right.sum()), len(right))
    coordinates = principal_components(gram)
    apart = separation(coordinates, codes)
    values = (
        float(right.mean()),
        low,
        high,
        log_loss,
        unreliable,
        apart.ratio,
        apart.deviation,
        bde.error(bde.class_couplings(inverse, labels), labels.sum(axis=0)) * inverse.scale,
        alignment(gram, labels),
        effective_dimension(inverse),
        inverse.ridge,
        seconds,
        seconds * (items / len(codes)) ** 2,
    )
    return Fit(name, dict(zip(FIGURES, values, strict=True)), right, coordinates)


def _calibration(predictions: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Log loss and calibration error of the probabilities that a fitted link makes of the predictions."""
    known = np.where(labels > 0, 0.0, -np.inf)
    log_probabilities = fit_link(predictions, known).log_prior(predictions)
    best = log_probabilities.argmax(axis=1)
    hit = labels[np.arange(len(labels)), best] > 0
    return float(-(labels * log_probabilities).sum(axis=1).mean()), calibration_error(
        np.exp(log_probabilities.max(axis=1)), hit
    )


def alignment(gram: np.ndarray, labels: np.ndarray) -> float:
    r"""Centred kernel-target alignment, 0 to 1; high = items of a class are alike to the kernel, and to no others.

    .. math:: \frac{\langle H_c, Y_c Y_c^\top \rangle}{\|H_c\|_F \|Y_c Y_c^\top\|_F}

    Source: Cortes, Mohri, Rostamizadeh, "Algorithms for Learning Kernels Based on Centered Alignment", JMLR 2012.
    """
    centred = labels - labels.mean(axis=0)
    kernel = gram.astype(np.float64)
    kernel = kernel - kernel.mean(axis=0) - kernel.mean(axis=1, keepdims=True) + kernel.mean()
    together = float((centred * (kernel @ centred)).sum())
    return together / float(np.linalg.norm(kernel) * np.linalg.norm(centred.T @ centred))


def effective_dimension(inverse: RegularizedInverse) -> float:
    """tr(H G), the degrees of freedom of kernel ridge regression: 0 to N, low = few directions carry the labels."""
    return inverse.size - inverse.ridge * inverse.scale * float(inverse.diagonal().sum())
