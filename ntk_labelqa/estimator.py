"""The audit of features and labels as an estimator of scikit-learn's kind, which holds the kernel's inverse."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ntk_labelqa import arguments, auditing
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import from_labels, label_means
from ntk_labelqa.diagnostics.architectures import BUDGET, SAMPLE, check_fit_options, fit_architectures
from ntk_labelqa.diagnostics.entanglement import Entanglement, entangle
from ntk_labelqa.diagnostics.fitted_kernel import FittedKernel, fit_kernel
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_label_issues_in
from ntk_labelqa.diagnostics.prediction import Predictor
from ntk_labelqa.diagnostics.refurbishment import METHODS, MOVING_RIDGE, Method, check_method
from ntk_labelqa.diagnostics.scheme_ranking import check_classes, rank_pooled
from ntk_labelqa.diagnostics.schemes import encoded, pooled
from ntk_labelqa.gram.inverse_plan import Landmarks
from ntk_labelqa.inputs.alignment import Labelled, labelled
from ntk_labelqa.inputs.features import in_columns_of, read_features
from ntk_labelqa.inputs.held import FeaturesLike, LabelsLike
from ntk_labelqa.kernels.architectures import NAMES
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.options import AuditOptions, Device, DType, KernelOptions, Preparation
from ntk_labelqa.progress import Stages
from ntk_labelqa.row_store import HELD
from ntk_labelqa.runtime import using_device

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
R = TypeVar("R")
SHOWN = 10
"""Label issues that a notebook shows."""


def _where_fitted(method: Callable[Concatenate[LabelAudit, P], R]) -> Callable[Concatenate[LabelAudit, P], R]:
    """*method* once something is fitted, on the device that it was fitted on."""

    @wraps(method)
    def called(self: LabelAudit, *args: P.args, **options: P.kwargs) -> R:
        check_is_fitted(self)
        with using_device(self._options.device):
            return method(self, *args, **options)

    return called


class LabelAudit(ClassifierMixin, BaseEstimator):
    """Features and labels of the same items, audited: one kernel is inverted by ``fit``, and answers every question.

    It keeps the conventions of scikit-learn: options are set at the start and may be read by ``get_params``, ``fit``
    returns the estimator, what it found out has a name that ends in ``_``, and it can be cloned and pickled. The
    functions :func:`ntk_labelqa.find_label_issues`, :func:`~ntk_labelqa.class_entanglement` and
    :func:`~ntk_labelqa.refurbish` fit one for a single question.

    Args:
        architecture: a name such as ``2-L``, ``module:attribute`` of a stax network, or a kernel; ``auto`` takes the
            one with the best leave-one-out error on a sample.
        preparation: of features float[N, D]. ``standardize`` brings each column of plain numbers to mean 0 and
            deviation 1, ``center`` takes off its mean and keeps their common unit, and both add a constant column;
            ``none`` leaves all as it is, so that the direction of a row is what counts; ``auto`` standardises, unless
            another surely has the lower leave-one-out error on a sample. Zeros and ones of truth values and categories
            stay in any case.
        ridge: relative to tr(H)/N, positive; ``auto`` takes the one with the best leave-one-out error.
        landmarks: of the low-rank inverse; ``all`` inverts exactly; ``auto`` does so for up to 3,000 items.
        dtype: of kernel values, ``float32`` or ``float64``.
        random_state: of samples and landmarks: a whole number, a generator of NumPy, or None for a new one each time.
        scheduler: of Dask, whose workers share the low-rank inverse: ``local`` for the cores of this machine, an
            address such as ``tcp://host:8786``, or a client; None computes in this process.
        device: that all of it is computed on: ``cpu``, ``gpu``, or ``auto``, which leaves it to jax.

    Attributes:
        classes_: the K classes, sorted, of the type of the labels.
        n_features_in_: columns of the features, or of images the length of their second axis.
        feature_names_in_: their names, where they have any.
        architecture_, preparation_, ridge_: what was taken.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat([[4, 0, 0, 0], [0, 4, 0, 0]], 30, axis=0)
        >>> names = ["cat"] * 30 + ["dog"] * 30
        >>> names[7] = "dog"
        >>> audit = LabelAudit(architecture="2-L").fit(rows, names)
        >>> issues = audit.label_issues()
        >>> issues.loc[issues.is_label_issue, ["given_label", "suggested_label"]]
          given_label suggested_label
        7         dog             cat
        >>> audit.predict([[5.0, 0.0, 0.0, 0.0]]).tolist()
        ['cat']
    """

    classes_: np.ndarray
    n_features_in_: int
    feature_names_in_: np.ndarray

    def __init__(
        self,
        *,
        architecture: str | Kernel = "auto",
        preparation: Preparation = "auto",
        ridge: float | Literal["auto"] = "auto",
        landmarks: Landmarks = "auto",
        dtype: DType = "float32",
        random_state: int | np.random.RandomState | np.random.Generator | None = 0,
        scheduler: str | Client | None = None,
        device: Device = "auto",
    ) -> None:
        self.architecture = architecture
        self.preparation = preparation
        self.ridge = ridge
        self.landmarks = landmarks
        self.dtype = dtype
        self.random_state = random_state
        self.scheduler = scheduler
        self.device = device

    def fit(self, X: FeaturesLike, y: LabelsLike) -> Self:
        """Prepare the numbers, choose the architecture and the ridge, and invert the kernel.

        Args:
            X: features, float[N, D] for dense kernels, float[N, H, W, C] or float[N, H, W] for convolutional ones, in
                anything that :func:`ntk_labelqa.find_label_issues` takes. An array of more than 256 MiB is not copied:
                do not change it while this is used.
            y: N class names or ids. With an index, they go to the features of that index.

        Raises:
            InvalidInputError: features, labels or options cannot be read or do not fit, values are missing, the indexes
                of features and labels are of different items, or there is no such device.
            MemoryBudgetError: the kernel, or a sparse matrix made dense, does not fit into memory.

        Cost: for N up to 3,000 items about 10N³ flops; 4Nm² with m landmarks.
        """
        options = KernelOptions(
            self.architecture,
            self.preparation,
            self.ridge,
            self.landmarks,
            self.dtype,
            _seed(self.random_state),
            self.scheduler,
            self.device,
        )
        given = labelled(X, y)
        dataset = from_labels(given.labels, names=given.index)
        with using_device(options.device):
            fitted = fit_kernel(given.values, label_means(dataset), options, numbers=given.features.numbers)
        if fitted.features is given.values and given.values.nbytes <= HELD:  # the caller may change it
            fitted = replace(fitted, features=given.values.copy())
        self._keep(given, fitted)
        self._options, self._dataset = options, dataset
        self._issues: LabelIssues | None = None
        return self

    def _keep(self, given: Labelled, fitted: FittedKernel) -> None:
        of_no_row = replace(given.features, values=given.values[:0].copy())
        self._given, self._fitted = replace(given, features=of_no_row), fitted
        self._order = _sorted_order(given.labels.classes)
        self.classes_ = given.labels.classes.take(self._order).to_numpy()
        self.architecture_, self.ridge_ = fitted.architecture, fitted.inverse.ridge
        self.preparation_ = fitted.preparation.name
        names = given.features.names
        if names is None:
            self.n_features_in_ = given.values.shape[1]
            self.__dict__.pop("feature_names_in_", None)
        else:
            self.feature_names_in_ = np.array(names, object)
            self.n_features_in_ = len(names)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")

    def label_issues(self) -> pd.DataFrame:
        """Which labels are wrong, what they should be, and how sure: see :func:`ntk_labelqa.find_label_issues`.

        Raises InvalidInputError where there is one class alone.
        """
        issues = self._label_issues()
        table = auditing.findings_table(self._dataset, issues, classes=self._given.labels.classes)
        table = table.set_axis(self._given.index)
        table.attrs.update(
            is_informative=issues.posterior.is_informative,
            why_unknown=issues.posterior.why_unknown,
            architecture=str(self.architecture_),
            preparation=self.preparation_,
        )
        return table

    @_where_fitted
    def entanglement(self) -> Entanglement:
        """Which classes training would confuse: see :func:`ntk_labelqa.class_entanglement`."""
        return entangle(self._fitted.inverse, label_means(self._dataset), self._given.labels.classes)

    @_where_fitted
    def refurbish(self, method: Method = "posterior") -> tuple[np.ndarray | pd.Series, pd.DataFrame]:
        """The labels put right, and every change made to them: see :func:`ntk_labelqa.refurbish`."""
        check_method(method)
        auditing.check_auditable(self._dataset)
        inverse, labels = self._fitted.inverse, self._given.labels
        if self._options.ridge == "auto" and method != "posterior":
            inverse = inverse.at(MOVING_RIDGE)
        labelling = METHODS[method](inverse, labels.codes, len(labels.classes))
        moves = labelling.moves()
        table = pd.DataFrame(
            {
                "item": moves.items,
                "given_label": labels.named(moves.given),
                "new_label": labels.named(moves.taken),
                "step": moves.steps,
            }
        )
        return labels.like_given(labelling.codes), table.set_axis(self._given.index.take(moves.items))

    @_where_fitted
    def schemes(
        self, schemes: Mapping[Any, LabelsLike] | pd.DataFrame, *, classes: LabelsLike | None = None
    ) -> pd.DataFrame:
        """Which of several labellings of the fitted items is the least noisy: see :func:`ntk_labelqa.rank_schemes`.

        The kernel, its architecture and its ridge are those that were fitted. The labels fitted are no scheme unless
        they are among *schemes*.
        """
        count = len(self._given.labels)
        parts, names = encoded(schemes, count, classes, self._given.index)
        labels = pooled(parts, count, len(names))
        check_classes(labels)
        return rank_pooled(self._fitted.inverse, parts, labels, seed=self._options.seed)

    @_where_fitted
    def architectures(
        self, architectures: Sequence[str] = NAMES, *, sample: int = SAMPLE, budget: float = BUDGET
    ) -> pd.DataFrame:
        """Which kind of network suits the data: see :func:`ntk_labelqa.architecture_fit`."""
        check_fit_options(architectures, sample, budget)
        names = tuple(str(name) for name in self._given.labels.classes)
        return fit_architectures(
            self._fitted.features,
            self._given.labels.codes,
            names,
            architectures,
            sample=sample,
            budget=budget,
            seed=self._options.seed,
        ).table()

    @_where_fitted
    def predict_proba(self, X: FeaturesLike) -> np.ndarray:
        """How probable each class is for items that were not fitted, float64[n, K], in the order of ``classes_``.

        Labels taken for wrong hardly count. Where :attr:`is_informative` is false, this is little more than the share
        of each class.

        Args:
            X: features of the same columns as those fitted.

        Raises InvalidInputError where they are others, or cannot be read.

        Cost: one kernel value for each pair of a new and a fitted item, or of a new item and a landmark.
        """
        issues = self._label_issues()
        values = in_columns_of(read_features(X), self._given.features)
        predictor = Predictor.of(self._fitted, issues.posterior, dtype=self._options.dtype)
        return predictor.probabilities(values)[:, self._order]

    def predict(self, X: FeaturesLike) -> np.ndarray:
        """The most probable class of items that were not fitted, of the type of the labels."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    @property
    def is_informative(self) -> bool:
        """Whether anything can be said of the labels; where not, none is flagged, and :attr:`why_unknown` says why."""
        return not self.why_unknown

    @property
    def why_unknown(self) -> str:
        """Why nothing can be said of any label; empty where something can."""
        if len(self.classes_) < 2:
            return f"Every item is labelled {self.classes_[0]!r}: with one class no label can look wrong."
        return self._label_issues().posterior.why_unknown

    def audit(self) -> Audit:
        """All of it as an :class:`~ntk_labelqa.Audit`, to be saved, gated and compared with others.

        Raises InvalidInputError where there is one class alone.
        """
        check_is_fitted(self)
        auditing.check_auditable(self._dataset)
        options = AuditOptions(**{**vars(self._options), "architecture": str(self.architecture_)})
        stages = Stages(quiet=True)
        return auditing.audit_fitted(self._fitted, self._dataset, options, encoder="precomputed", stages=stages)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write all of it to *path*, as one HTML page that needs nothing else, and return the path.

        Raises LabelQAError where that cannot be written to.
        """
        from ntk_labelqa.report.html import write_report

        return write_report(self.audit(), path)

    @_where_fitted
    def _label_issues(self) -> LabelIssues:
        auditing.check_auditable(self._dataset)
        if self._issues is None:
            self._issues = find_label_issues_in(self._dataset, self._fitted.inverse, seed=self._options.seed)
        return self._issues

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline, and the worst label issues."""
        if not self.__sklearn_is_fitted__():
            return f"<pre>{html.escape(repr(self))}</pre>"
        if len(self.classes_) < 2:
            return f"<p><b>{html.escape(self.why_unknown)}</b></p>"
        issues = self.label_issues()
        flagged = issues[issues["is_label_issue"]].sort_values("label_score", kind="stable")
        said = f"{len(flagged):,} of {len(issues):,} labels are probably wrong."
        if not self.is_informative:
            said = f"No label can be called wrong or right. {self.why_unknown}"
        how = f"Architecture {self.architecture_}, preparation {self.preparation_}, ridge {self.ridge_:.3g}."
        columns = ["given_label", "suggested_label", "error_probability"]
        table = flagged[columns].head(SHOWN).to_html(float_format="{:.3f}".format) if len(flagged) else ""
        return f"<p><b>{html.escape(said)}</b><br>{html.escape(how)}</p>{table}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def _sorted_order(classes: pd.Series) -> np.ndarray:
    """Rows of *classes*, sorted as scikit-learn expects them; as they are where they have no order."""
    try:
        return np.argsort(np.array(classes.tolist(), object), kind="stable")
    except TypeError:
        return np.arange(len(classes))


def _seed(random_state: object) -> int:
    """The seed that *random_state* stands for; a generator is asked for one."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if random_state is None or isinstance(random_state, np.random.RandomState):
        return int(check_random_state(random_state).randint(2**31 - 1))
    arguments.check("random_state", random_state, arguments.SEED)
    return int(random_state)  # type: ignore[call-overload]
