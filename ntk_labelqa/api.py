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
from ntk_labelqa.dataset import LabeledDataset, from_arrays, label_means
from ntk_labelqa.diagnostics.architecture_choice import choose_architecture
from ntk_labelqa.diagnostics.entanglement import Entanglement, entangle
from ntk_labelqa.diagnostics.label_issues import find_label_issues_in
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.options import AuditOptions


def audit(source: str | os.PathLike[str] | LabeledDataset, **options: Any) -> Audit:
    """Audit a Label Studio export file, or a data set pulled with :func:`ntk_labelqa.labelstudio.pull.pull_project`.

    Args:
        source: path of a ``.json`` or ``.json.gz`` export whose images (if any) are on this disk or are ``data:`` URIs;
            or a data set with its images fetched.
        options: fields of :class:`ntk_labelqa.options.AuditOptions`.

    Raises: LabelQAError, whose text says what to do.
    """
    chosen = AuditOptions(**options)
    if isinstance(source, LabeledDataset):
        return auditing.run_audit(source, chosen)
    from ntk_labelqa.labelstudio.export_file import read_export
    from ntk_labelqa.labelstudio.media import fetch_media

    path = Path(source)
    dataset = read_export(path)
    if dataset.kind == "image" and chosen.features is None:
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
        DataFrame; ``label_score`` is low where a label is suspect. See :mod:`ntk_labelqa.findings`.

    Raises:
        InvalidInputError: shapes do not fit, values are missing, or there is one class alone.
    """
    dataset, inverse = _inverted(features, labels, architecture, ridge, landmarks, seed)
    auditing.check_auditable(dataset)
    return auditing.findings_table(dataset, find_label_issues_in(dataset, inverse))


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
