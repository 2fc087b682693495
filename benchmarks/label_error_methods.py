"""The methods that ``label_errors.py`` sets side by side: features and labels in, a verdict on each label out.

``ntk-labelqa`` is :func:`ntk_labelqa.find_label_issues` as it comes. cleanlab needs out-of-sample class probabilities,
so its rows train a classifier on 5 folds; everything is given the same features and the same labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from label_error_scores import Verdict
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ntk_labelqa.diagnostics.architecture_choice import choose_architecture
from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.label_model.annotations import Annotations

FOLDS = 5
NEIGHBOURS = 10

Method = Callable[[np.ndarray, np.ndarray], Verdict]


def ntk_labelqa(features: np.ndarray, given: np.ndarray) -> Verdict:
    """The product's own, with its defaults."""
    class_count = int(given.max()) + 1
    labels = np.eye(class_count)[given]
    inverse = invert(features, labels, architecture=choose_architecture(features, labels).name)
    issues = find_issues(inverse, Annotations.of_codes(given, class_count))
    corrected = np.where(issues.is_label_issue, issues.predicted, given)
    return Verdict(issues.score_rank, issues.is_label_issue, corrected, issues.error_probability)


def margin(features: np.ndarray, given: np.ndarray) -> Verdict:
    """Leave-one-out margin of the same kernel, every contradicted label flagged."""
    class_count = int(given.max()) + 1
    labels = np.eye(class_count)[given]
    inverse = invert(features, labels, architecture=choose_architecture(features, labels).name)
    return by_probabilities(leave_one_out(inverse, labels), given, calibrated=False)


def cg_score(features: np.ndarray, given: np.ndarray) -> Verdict:
    """Complexity gap (Ki et al., ICLR 2023) in closed form, (G y)² / G_ii with y = ±1 for the class given.

    It ranks only: the median is as good a threshold as any, and it suggests no label.
    """
    class_count = int(given.max()) + 1
    signs = 2 * np.eye(class_count)[given] - 1
    inverse = invert(features, signs, architecture="2-L", ridge=1e-3)
    score = inverse.apply(signs)[np.arange(len(given)), given] ** 2 / inverse.diagonal()
    return Verdict(score, score > np.median(score), given)


def knn_vote(features: np.ndarray, given: np.ndarray) -> Verdict:
    """Labels of the nearest neighbours by cosine; flagged where most of them agree on another class."""
    return by_probabilities(knn_votes(features, given), given)


def knn_votes(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of each class among the *labels* of an item's nearest neighbours by cosine, float64[N, K]."""
    rows = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(rows).kneighbors(return_distance=False)
    return np.eye(int(labels.max()) + 1)[labels[neighbours[:, :NEIGHBOURS]]].mean(axis=1)


def disagreement(features: np.ndarray, given: np.ndarray) -> Verdict:
    """Every label that an out-of-sample logistic regression contradicts."""
    return by_probabilities(_out_of_sample(_logistic(), features, given), given)


def cleanlab_with(classifier: Callable[[], ClassifierMixin]) -> Method:
    """Confident learning (Northcutt et al., JAIR 2021) on the out-of-sample probabilities of *classifier*."""

    def method(features: np.ndarray, given: np.ndarray) -> Verdict:
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

        probabilities = _out_of_sample(classifier(), features, given)
        flagged = find_label_issues(given, probabilities, n_jobs=1)
        corrected = np.where(flagged, probabilities.argmax(axis=1), given)
        score = 1 - get_label_quality_scores(given, probabilities)
        return Verdict(score, flagged, corrected, 1 - probabilities[np.arange(len(given)), given])

    return method


def _logistic() -> ClassifierMixin:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))


def _neighbours() -> ClassifierMixin:
    return make_pipeline(StandardScaler(), KNeighborsClassifier(NEIGHBOURS))


def _boosting() -> ClassifierMixin:
    return HistGradientBoostingClassifier(max_iter=50, random_state=0)


def _out_of_sample(classifier: ClassifierMixin, features: np.ndarray, given: np.ndarray) -> np.ndarray:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(classifier, features, given, cv=folds, method="predict_proba")


def by_probabilities(values: np.ndarray, given: np.ndarray, *, calibrated: bool = True) -> Verdict:
    """Scored by margin, that of the best other class over the given one; flagged where another class is ahead."""
    rows = np.arange(len(given))
    others = values.copy()
    others[rows, given] = -np.inf
    predicted = values.argmax(axis=1)
    doubt = 1 - values[rows, given] if calibrated else None
    return Verdict(others.max(axis=1) - values[rows, given], predicted != given, predicted, doubt)


OURS = "ntk-labelqa"
METHODS: dict[str, Method] = {
    OURS: ntk_labelqa,
    "margin alone": margin,
    "cleanlab, logistic": cleanlab_with(_logistic),
    "cleanlab, k-NN": cleanlab_with(_neighbours),
    "cleanlab, boosting": cleanlab_with(_boosting),
    "CG-score": cg_score,
    "k-NN vote": knn_vote,
    "disagreement": disagreement,
}
OWN = (OURS, "margin alone")
"""Not counted among the baselines."""
