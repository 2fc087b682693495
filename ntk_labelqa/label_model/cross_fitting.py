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

from ntk_labelqa.gram.inverse import RegularizedInverse, leave_one_out
from ntk_labelqa.label_model.annotations import FOLDS

COLUMNS_AT_ONCE = 160


@dataclass(frozen=True)
class Posteriors:
    """What each fold makes of its view, for the next predictions.

    Attributes:
        seen: Q_m, float32[N, M, K].
        told: V, float64[N, K].
    """

    seen: np.ndarray
    told: np.ndarray


@dataclass(frozen=True)
class Predictions:
    """What the items say of each other, and what it was made from.

    Attributes:
        inverse: whose leave-one-out operator is L.
        fed: the labels it was made from, float64[N, K]: Y at first, then the posterior of the round before.
        told: V, float64[N, K].
        values: P, float64[N, K].
        views: P_m, float[N, M, K].
        folds: int64[N].
    """

    inverse: RegularizedInverse
    fed: np.ndarray
    told: np.ndarray
    values: np.ndarray
    views: np.ndarray
    folds: np.ndarray

    @classmethod
    def of_labels(cls, inverse: RegularizedInverse, labels: np.ndarray, folds: np.ndarray) -> Predictions:
        """From the labels as given, float64[N, K]: no fold sees anything else than P, yet."""
        values = leave_one_out(inverse, labels)
        views = np.broadcast_to(values[:, None], (len(values), FOLDS, values.shape[1]))
        return cls(inverse, labels, labels - values, values, views, folds)

    def posteriors_apart(self, log_prior_of: Callable[[np.ndarray], np.ndarray], labels: np.ndarray) -> Posteriors:
        """What each fold makes of its view.

        Args:
            log_prior_of: from predictions, float64[N, K], to log-probabilities, up to a constant an item.
            labels: log p(labels of item i | class t), float64[N, K], up to a constant an item.

        Cost: one ``apply`` of 5 K columns.
        """
        folds, told = self.folds, np.empty(self.fed.shape)
        seen = np.empty(self.views.shape, np.float32)
        for some in _folds_at_once(self.fed.shape[1]):
            own = np.where((folds[:, None] == some)[:, :, None], self.told[:, None], 0.0)
            apart = self.views[:, some] - _left_out(self.inverse, own)
            for column, fold in enumerate(some):
                log_prior = log_prior_of(apart[:, column])
                posterior = softmax(log_prior + labels, axis=1)
                seen[:, fold] = posterior
                told[folds == fold] = (posterior - softmax(log_prior, axis=1))[folds == fold]
        return Posteriors(seen, told)


def predicted(inverse: RegularizedInverse, fed: np.ndarray, apart: Posteriors, folds: np.ndarray) -> Predictions:
    """What the items say of each other by *inverse*, of posteriors *fed*, float64[N, K], as each fold sees them.

    Cost: one ``apply`` of 5 K columns.
    """
    values = np.empty(fed.shape)
    views = np.empty(apart.seen.shape, np.float32)
    for some in _folds_at_once(fed.shape[1]):
        seen = _left_out(inverse, apart.seen[:, some])
        views[:, some] = seen
        for column, fold in enumerate(some):
            values[folds == fold] = seen[folds == fold, column]
    return Predictions(inverse, fed, apart.told, values, views, folds)


def _folds_at_once(class_count: int) -> list[np.ndarray]:
    """Large products are faster, but memory is not without end."""
    step = max(1, COLUMNS_AT_ONCE // class_count)
    return [np.arange(FOLDS)[start : start + step] for start in range(0, FOLDS, step)]


def _left_out(inverse: RegularizedInverse, stacked: np.ndarray) -> np.ndarray:
    """L of each of *stacked*, float[N, m, K]; float64."""
    columns = stacked.reshape(len(stacked), -1).astype(np.float64)
    return leave_one_out(inverse, columns).reshape(stacked.shape)
