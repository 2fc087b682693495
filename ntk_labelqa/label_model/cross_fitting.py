r"""Cross-fitting: what the others say of an item when its own label has had no part in it.

Once posteriors are fed back as soft labels, leaving an item out no longer forgets its label: it shaped its neighbours'
posteriors, and they shape its prediction. Items that confirm themselves look right: at a true error rate of .40 the
estimate was .30. So items are dealt into folds, and each fold m has a view of its own: predictions P_m of all items,
made as if its labels had had no part in any round so far. With L the leave-one-out operator, 1_m the items
of fold m and V what their labels said beyond what was expected of them (Y − P at first, then posterior less prior),

.. math:: Q_m = \operatorname{posterior}\bigl(P_m - L \, (1_m \circ V)\bigr), \qquad P'_m = L' Q_m

and each item is predicted by its own fold's view. Its own label is in its own Q_m, which does no harm, as L' leaves it
out; so are those of its fold, so that nothing but their part in the others' is missing.

Source: Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters" (2018). To
follow the labels through the posteriors by their slopes is no cheaper and takes out too much where items are near each
other: of anchors of TREC's questions with 40 % of the labels wrong, .44 seemed to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from ntk_labelqa.gram.inverse import RegularizedInverse, learnt
from ntk_labelqa.label_model.annotations import FOLDS
from ntk_labelqa.row_store import Rows, row_panels, row_store


@dataclass(frozen=True)
class Posteriors:
    """What each fold makes of its view, for the next predictions.

    Attributes:
        seen: Q_m, float32[N, M K].
        told: V, float64[N, K].
    """

    seen: Rows
    told: Rows


@dataclass(frozen=True)
class Predictions:
    """What the items say of each other, and what it was made from.

    Attributes:
        inverse: whose leave-one-out operator is L.
        fed: the labels it was made from, float64[N, K]: Y at first, then the posterior of the round before.
        told: V, float64[N, K].
        values: P, float64[N, K].
        views: P_m, float32[N, M K]; None at first, when no fold sees anything else than P.
        folds: int64[N].
    """

    inverse: RegularizedInverse
    fed: Rows
    told: Rows
    values: Rows
    views: Rows | None
    folds: np.ndarray

    @classmethod
    def of_labels(cls, inverse: RegularizedInverse, labels: Rows, folds: np.ndarray) -> Predictions:
        """From the labels as given, float64[N, K]."""
        regression = learnt(inverse.regression(), labels)
        values, told = row_store(labels.shape), row_store(labels.shape)
        for rows in row_panels(labels.shape):
            given = labels[rows]
            values[rows] = said = regression.left_out(rows, given)
            told[rows] = given - said
        return cls(inverse, labels, told, values, None, folds)

    def posteriors_apart(
        self, log_prior_of: Callable[[np.ndarray], np.ndarray], log_likelihood_of: Callable[[slice], np.ndarray]
    ) -> Posteriors:
        """What each fold makes of its view.

        Args:
            log_prior_of: from predictions, float64[n, K], to log-probabilities, up to a constant an item.
            log_likelihood_of: log p(labels of item i | class t) of some items, float64[n, K], up to a constant an item.

        Cost: one ``apply`` of 5 K columns.
        """
        count, k = self.values.shape
        panels = list(row_panels((count, FOLDS * k)))
        regression = self.inverse.regression()
        for rows in panels:
            regression.learn(rows, self._own(rows))
        seen, told = row_store((count, FOLDS * k), np.float32), row_store((count, k))
        for rows in panels:
            apart = self._views(rows) - _by_fold(regression.left_out(rows, self._own(rows)), k)
            log_likelihood, own = log_likelihood_of(rows), self.folds[rows]
            posteriors, beyond = np.empty(apart.shape, np.float32), np.empty((len(own), k))
            for fold in range(FOLDS):
                log_prior = log_prior_of(apart[:, fold])
                posterior = softmax(log_prior + log_likelihood, axis=1)
                posteriors[:, fold] = posterior
                mine = own == fold
                beyond[mine] = posterior[mine] - softmax(log_prior[mine], axis=1)
            seen[rows], told[rows] = posteriors.reshape(len(own), -1), beyond
        return Posteriors(seen, told)

    def _own(self, rows: slice) -> np.ndarray:
        """1_m ∘ V of the items *rows*, float64[n, M K]."""
        mine = self.folds[rows, None] == np.arange(FOLDS)
        return (mine[:, :, None] * self.told[rows][:, None]).reshape(len(mine), -1)

    def _views(self, rows: slice) -> np.ndarray:
        """P_m, float[n, M or 1, K]."""
        return self.values[rows][:, None] if self.views is None else _by_fold(self.views[rows], self.values.shape[1])


def predicted(inverse: RegularizedInverse, fed: Rows, apart: Posteriors, folds: np.ndarray) -> Predictions:
    """What the items say of each other by *inverse*, of posteriors *fed*, float64[N, K], as each fold sees them.

    Cost: one ``apply`` of 5 K columns.
    """
    regression = learnt(inverse.regression(), apart.seen)
    values, views = row_store(fed.shape), row_store(apart.seen.shape, np.float32)
    for rows in row_panels(apart.seen.shape):
        said = regression.left_out(rows, apart.seen[rows].astype(np.float64))
        views[rows] = said
        own = folds[rows]
        values[rows] = _by_fold(said, fed.shape[1])[np.arange(len(own)), own]
    return Predictions(inverse, fed, apart.told, values, views, folds)


def _by_fold(stacked: np.ndarray, class_count: int) -> np.ndarray:
    """*stacked*, [n, M K], as [n, M, K]."""
    return stacked.reshape(len(stacked), -1, class_count)
