"""The Python entry points: whatever holds features and labels in, DataFrames out. No Label Studio is needed.

Rows of the results are in the order of the features and have their index, else that of the labels, else they are
counted from 0; so ``features.loc[issues.index]`` and ``features.join(issues)`` are of the same items.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ntk_labelqa import arguments, auditing
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.entanglement import Entanglement
from ntk_labelqa.diagnostics.refurbishment import Method, check_method
from ntk_labelqa.estimator import LabelAudit
from ntk_labelqa.gram.inverse_plan import Landmarks
from ntk_labelqa.inputs.held import FeaturesLike, LabelsLike
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.options import AuditOptions, Preparation


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
    features: FeaturesLike,
    labels: LabelsLike,
    *,
    architecture: str | Kernel = "auto",
    preparation: Preparation = "auto",
    ridge: float | Literal["auto"] = "auto",
    landmarks: Landmarks = "auto",
    seed: int = 0,
) -> pd.DataFrame:
    """Which labels are wrong, what they should be, and how sure: one row an item.

    Args:
        features: float[N, D] for dense kernels, float[N, H, W, C] or float[N, H, W] for convolutional ones: an array, a
            list, a tensor, a sparse matrix, a Series of vectors, or a DataFrame of numbers, truth values and
            categories, which become columns of 0 and 1.
        labels: N class names or ids: an array, a list, a tensor, a Series, a Categorical, or a table of one column.
            With an index, they go to the features of that index.
        architecture: a name such as ``2-L``, ``module:attribute`` of a stax network, or a kernel; ``auto`` takes the
            one with the best leave-one-out error on a sample.
        preparation: of features float[N, D]. ``standardize`` brings each column of plain numbers to mean 0 and
            deviation 1, ``center`` takes off its mean and keeps their common unit, and both add a constant column;
            ``none`` leaves all as it is, so that the direction of a row is what counts; ``auto`` standardises, unless
            another surely has the lower leave-one-out error on a sample. Zeros and ones of truth values and categories
            stay in any case.
        ridge: relative to tr(H)/N, positive; ``auto`` takes the one with the best leave-one-out error.
        landmarks: of the low-rank inverse; ``all`` inverts exactly; ``auto`` does so for up to 3,000 items.
        seed: of samples and landmarks.

    Returns:
        DataFrame in the order of the features, with their index, else that of the labels:

        - ``task_id``, ``annotation_id`` (int64): the row, counted from 0;
        - ``annotator``, ``region_id`` (str): empty;
        - ``given_label`` (type of the labels): as passed;
        - ``predicted_label`` (type of the labels): the most probable label, never null;
        - ``suggested_label`` (object that holds labels): the label to give instead; None unless ``is_label_issue``;
        - ``label_score`` (float64): 0 to 1, low = suspect; 1 - ``error_probability``;
        - ``error_probability`` (float64): that the label is wrong, 0 to 1, calibrated;
        - ``is_label_issue`` (bool): the label is more probably wrong than right;
        - ``margin`` (float64): leave-one-out prediction of the best other class less that of the given one; high =
          suspect;
        - ``bde_gain`` (float64): fall of the BDE if the label became ``predicted_label``; high = suspect;
        - ``model_probability`` (float64): null; of audits that reviewers' verdicts have put right.

        Its ``attrs`` hold ``is_informative``, and, where that is false and so nothing is flagged, the reason in
        ``why_unknown``; and the ``architecture`` and ``preparation`` that were taken.

    Raises:
        InvalidInputError: features, labels or options cannot be read or do not fit, values are missing, the indexes of
            features and labels are of different items, or there is one class alone.
        MemoryBudgetError: the kernel, or a sparse matrix made dense, does not fit into memory.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat([[4, 0, 0, 0], [0, 4, 0, 0]], 30, axis=0)
        >>> names = ["cat"] * 30 + ["dog"] * 30
        >>> names[7] = "dog"
        >>> issues = find_label_issues(rows, names, architecture="2-L")
        >>> issues.loc[issues.is_label_issue, ["given_label", "suggested_label"]]
          given_label suggested_label
        7         dog             cat
    """
    return _audit(architecture, preparation, ridge, landmarks, seed).fit(features, labels).label_issues()


def class_entanglement(
    features: FeaturesLike,
    labels: LabelsLike,
    *,
    architecture: str | Kernel = "auto",
    preparation: Preparation = "auto",
    ridge: float | Literal["auto"] = "auto",
    landmarks: Landmarks = "auto",
    seed: int = 0,
) -> Entanglement:
    """Which classes training would confuse: Z, the pairs (strongest first), and each class's diffuseness.

    Arguments and errors as in :func:`find_label_issues`; one class alone has no pair, and is no error.

    Returns:
        :class:`~ntk_labelqa.diagnostics.entanglement.Entanglement`: ``matrix``, ``pairs`` and ``classes``, whose
        columns it lists, and ``partners(class_name)``. ``items_a`` and ``items_b`` name rows, counted from 0.

    Example:
        >>> import numpy as np
        >>> centres = np.repeat([[1, 0, 0], [0.9, 0.4, 0], [0, 0, 1]], 20, axis=0)
        >>> rows = centres + 0.1 * np.random.default_rng(0).normal(size=(60, 3))
        >>> found = class_entanglement(rows, np.repeat(["cat", "lynx", "car"], 20), architecture="2-L", ridge=0.1)
        >>> found.partners("cat")
        ['lynx', 'car']
    """
    return _audit(architecture, preparation, ridge, landmarks, seed).fit(features, labels).entanglement()


def refurbish(
    features: FeaturesLike,
    labels: LabelsLike,
    *,
    method: Method = "posterior",
    architecture: str | Kernel = "auto",
    preparation: Preparation = "auto",
    ridge: float | Literal["auto"] = "auto",
    landmarks: Landmarks = "auto",
    seed: int = 0,
) -> tuple[np.ndarray | pd.Series, pd.DataFrame]:
    """The labels put right, and every change made to them.

    Source: paper, "Label Refurbishment"; how the methods differ is said in
    :mod:`ntk_labelqa.diagnostics.refurbishment`.

    Args:
        features, labels: as in :func:`find_label_issues`.
        method: ``posterior`` abstains where it is not sure, ``annealed`` corrects most, ``exact`` descends on the BDE
            under a guard for rare classes, ``gradient`` is the paper's Algorithm 1.
        architecture, preparation: as in :func:`find_label_issues`.
        ridge: relative to tr(H)/N; ``auto`` is the leave-one-out choice for ``posterior``, else 0.03.
        landmarks: of the low-rank inverse; ``auto`` inverts exactly while N and memory allow.
        seed: of samples and landmarks.

    Returns:
        The new labels, of the type and in the order of those given: a Series, with its index and name, for a Series or
        a table, else an array. And the moves, a DataFrame in the order in which they were made, whose index is that of
        the item, as in :func:`find_label_issues`:

        - ``item`` (int64): its row in the features, counted from 0;
        - ``given_label``, ``new_label`` (type of the labels): before and after;
        - ``step`` (int64): moves of one step were made together.

        ``gradient``, ``exact`` and ``annealed`` may move an item more than once.

    Raises:
        InvalidInputError: as in :func:`find_label_issues`, or there is no such method.

    Cost: that of :func:`find_label_issues` for ``posterior``, less for ``annealed``; O(NK) a move for the descents, or
        with more than 5,000 items one ``apply`` of the inverse a block of moves.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat([[4, 0, 0, 0], [0, 4, 0, 0]], 30, axis=0)
        >>> names = ["cat"] * 30 + ["dog"] * 30
        >>> names[7] = "dog"
        >>> corrected, moves = refurbish(rows, names, method="annealed", architecture="2-L")
        >>> str(corrected[7]), moves["item"].tolist()
        ('cat', [7])
    """
    check_method(method)
    return _audit(architecture, preparation, ridge, landmarks, seed).fit(features, labels).refurbish(method)


def _audit(
    architecture: str | Kernel,
    preparation: Preparation,
    ridge: float | Literal["auto"],
    landmarks: Landmarks,
    seed: int,
) -> LabelAudit:
    arguments.check("seed", seed, arguments.SEED)
    return LabelAudit(
        architecture=architecture, preparation=preparation, ridge=ridge, landmarks=landmarks, random_state=seed
    )
