"""The Python entry points: plain arrays in, DataFrames out, in input order. No Label Studio is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ntk_labelqa import auditing
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import LabeledDataset, encode_labels, from_arrays, label_means
from ntk_labelqa.diagnostics.architecture_choice import choose_architecture
from ntk_labelqa.diagnostics.entanglement import Entanglement, entangle
from ntk_labelqa.diagnostics.label_issues import find_label_issues_in
from ntk_labelqa.diagnostics.refurbishment import METHODS, MOVING_RIDGE, Method, check_method
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.options import AuditOptions


def audit(source: str | os.PathLike[str] | LabeledDataset, **options: Any) -> Audit:
    """Audit a Label Studio export file, or a data set of
    :func:`ntk_labelqa.labelstudio.reading.pull.pull_project`.

    Args:
        source: path of a ``.json`` or ``.json.gz`` export whose images and other files (if any) are on this disk or are
            ``data:`` URIs; or a data set with its files fetched.
        options: fields of :class:`ntk_labelqa.options.AuditOptions`.

    Raises: LabelQAError, whose text says what to do.
    """
    chosen = AuditOptions(**options)
    if isinstance(source, LabeledDataset):
        return auditing.run_audit(source, chosen)
    from ntk_labelqa.encoders.choose import reads_files
    from ntk_labelqa.labelstudio.media.fetch import fetch_media
    from ntk_labelqa.labelstudio.reading.export_file import read_export

    path = Path(source)
    dataset = read_export(path)
    if chosen.features is None and reads_files(dataset, chosen.encoder):
        dataset = fetch_media(dataset, root=path.parent)
    return auditing.run_audit(dataset, chosen)


def find_label_issues(
    features: np.ndarray,
    labels: Sequence[object],
    *,
    architecture: str = "auto",
    ridge: float | Literal["auto"] = "auto",
    landmarks: int | Literal["all", "auto"] = "auto",
    seed: int = 0,
) -> pd.DataFrame:
    """Which labels are wrong, what they should be, and how sure: the ``findings`` columns, one row an item.

    Args:
        features: float[N, D] for dense kernels, float[N, H, W, C] or float[N, H, W] for convolutional ones.
        labels: N class names or ids.
        architecture: ``auto`` takes the kernel with the best leave-one-out error on a sample.
        ridge: relative to tr(H)/N.
        landmarks: of the low-rank inverse; ``all`` inverts exactly; ``auto`` does so for up to 3,000 items.
        seed: of samples and landmarks.

    Returns:
        DataFrame; ``label_score`` is low where a label is suspect. See :mod:`ntk_labelqa.findings`. Its ``attrs`` hold
        ``is_informative``, and, where that is false and so nothing is flagged, the reason in ``why_unknown``.

    Raises:
        InvalidInputError: shapes do not fit, values are missing, or there is one class alone.
    """
    dataset, inverse = _inverted(features, labels, architecture, ridge, landmarks, seed)
    auditing.check_auditable(dataset)
    issues = find_label_issues_in(dataset, inverse, seed=seed)
    table = auditing.findings_table(dataset, issues)
    table.attrs.update(is_informative=issues.posterior.is_informative, why_unknown=issues.posterior.why_unknown)
    return table


def class_entanglement(
    features: np.ndarray,
    labels: Sequence[object],
    *,
    architecture: str = "auto",
    ridge: float | Literal["auto"] = "auto",
    landmarks: int | Literal["all", "auto"] = "auto",
    seed: int = 0,
) -> Entanglement:
    """Which classes training would confuse: Z, the pairs (strongest first), and each class's diffuseness.

    Arguments and errors as in :func:`find_label_issues`.
    """
    dataset, inverse = _inverted(features, labels, architecture, ridge, landmarks, seed)
    return entangle(inverse, label_means(dataset), dataset.class_names)


def refurbish(
    features: np.ndarray,
    labels: Sequence[object],
    *,
    method: Method = "posterior",
    architecture: str = "auto",
    ridge: float | Literal["auto"] = "auto",
    landmarks: int | Literal["auto"] = "auto",
    seed: int = 0,
) -> tuple[np.ndarray, pd.DataFrame]:
    """The labels put right, and every change made to them.

    Source: paper, "Label Refurbishment"; how the methods differ is told in
    :mod:`ntk_labelqa.diagnostics.refurbishment`.

    Args:
        features: float[N, D] for dense kernels, float[N, H, W, C] or float[N, H, W] for convolutional ones.
        labels: N class names or ids.
        method: ``posterior`` abstains where it is not sure, ``annealed`` mends most, ``exact`` descends on the BDE
            under a guard for rare classes, ``gradient`` is the paper's Algorithm 1.
        architecture: ``auto`` takes the kernel with the best leave-one-out error on a sample.
        ridge: relative to tr(H)/N; ``auto`` is the leave-one-out choice for ``posterior``, else 0.03.
        landmarks: of the low-rank inverse; ``auto`` inverts exactly while N and memory allow.
        seed: of samples and landmarks.

    Returns:
        The new labels, of the type of those given, and the moves in the order in which they were made: ``item`` (row),
        ``given_label``, ``new_label``, ``step`` (moves of one step were made together). ``gradient``, ``exact`` and
        ``annealed`` may move an item more than once.

    Raises:
        InvalidInputError: shapes do not fit, values are missing, there is one class alone, or no such method.

    Cost: that of :func:`find_label_issues` for ``posterior``, less for ``annealed``; O(NK) a move for the descents, or
        with more than 5,000 items one ``apply`` of the inverse a block of moves.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat([[4, 0, 0, 0], [0, 4, 0, 0]], 30, axis=0)
        >>> names = ["cat"] * 30 + ["dog"] * 30
        >>> names[7] = "dog"
        >>> mended, moves = refurbish(rows, names, method="annealed", architecture="2-L")
        >>> str(mended[7]), moves["item"].tolist()
        ('cat', [7])
    """
    check_method(method)
    if ridge == "auto" and method != "posterior":
        ridge = MOVING_RIDGE
    codes, names = encode_labels(labels)
    dataset, inverse = _inverted(features, labels, architecture, ridge, landmarks, seed)
    auditing.check_auditable(dataset)
    labelling = METHODS[method](inverse, codes, len(names))
    classes, moves = np.asarray(names), labelling.moves()
    table = pd.DataFrame(
        {
            "item": moves.items,
            "given_label": classes[moves.given],
            "new_label": classes[moves.taken],
            "step": moves.steps,
        }
    )
    return classes[labelling.codes], table


def _inverted(
    features: np.ndarray,
    labels: Sequence[object],
    architecture: str,
    ridge: float | Literal["auto"],
    landmarks: int | Literal["all", "auto"],
    seed: int,
) -> tuple[LabeledDataset, RegularizedInverse]:
    dataset, features = from_arrays(labels), np.asarray(features)
    if features.ndim < 2 or len(features) != len(dataset):
        raise InvalidInputError(
            f"Features of shape {list(features.shape)} do not go with {len(dataset)} labels.",
            remedy="Pass one row of features an item: [N, D], [N, H, W] or [N, H, W, C].",
        )
    means = label_means(dataset)
    if architecture == "auto":
        architecture = choose_architecture(features, means, seed=seed).name
    return dataset, invert(features, means, architecture=architecture, ridge=ridge, landmarks=landmarks, seed=seed)
