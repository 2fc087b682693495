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

from ntk_labelqa.gram.arrays import Array, fused, log_softmax, namespace
from ntk_labelqa.gram.inverse import RegularizedInverse, learnt
from ntk_labelqa.gram.rows_there import panels_there, room_for
from ntk_labelqa.label_model.annotations import FOLDS
from ntk_labelqa.row_store import Rows


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
        told: V, float64[N, K]; None at first, when it is *fed* less *values*.
        values: P, float64[N, K].
        views: P_m, float32[N, M K]; None at first, when no fold sees anything else than P.
        folds: int64[N], where it is calculated with.
    """

    inverse: RegularizedInverse
    fed: Rows
    told: Rows | None
    values: Rows
    views: Rows | None
    folds: Rows

    @classmethod
    def of_labels(cls, inverse: RegularizedInverse, labels: Rows, folds: Rows) -> Predictions:
        """From the labels as given, float64[N, K]; both where they are calculated with."""
        regression = learnt(inverse.regression(), labels)
        values = room_for(labels.shape)
        for rows in panels_there(labels.shape):
            values[rows] = regression.left_out(rows, labels[rows])
        return cls(inverse, labels, None, values, None, folds)

    def posteriors_apart(self, judged: Callable[[slice, Array, Array, Array], tuple[Array, Array]]) -> Posteriors:
        """What each fold makes of its view.

        Args:
            judged: of some items what :func:`posteriors_of` gives, from which they are and the last three arguments of
                that.

        Cost: one ``apply`` of 5 K columns.
        """
        count, k = self.values.shape
        panels = list(panels_there((count, FOLDS * k)))
        regression = self.inverse.regression()
        for rows in panels:
            regression.learn(rows, self._own(rows))
        seen, told = room_for((count, FOLDS * k), np.float32), room_for((count, k))
        for rows in panels:
            folds, views = self.folds[rows], self.values if self.views is None else self.views
            heard = regression.left_out(rows, self._own(rows))
            seen[rows], told[rows] = judged(rows, views[rows], heard, folds)
        return Posteriors(seen, told)

    def _own(self, rows: slice) -> Array:
        """1_m ∘ V of the items *rows*, float32[n, M K]."""
        if self.told is None:
            return _own(self.fed[rows], self.values[rows], self.folds[rows])
        return _own(self.told[rows], None, self.folds[rows])


def posteriors_of(
    log_prior_of: Callable[[Array], Array], log_likelihood: Array, views: Array, heard: Array, folds: Array
) -> tuple[Array, Array]:
    """Q_m of some items, float32[n, M K], and V, float64[n, K]: of each item's own fold, posterior less prior.

    Args:
        log_prior_of: from predictions, float64[n, K], to log-probabilities, up to a constant an item.
        log_likelihood: log p(labels of item i | class t), float64[n, K], up to a constant an item.
        views: P_m, float[n, M K], or P, float64[n, K], which all folds see.
        heard: L (1_m ∘ V), float64[n, M K].
        folds: of the items, int64[n].
    """
    xp, parts = namespace(heard), _by_fold(heard)
    seen = _by_fold(views) if views.shape == heard.shape else [views] * FOLDS
    log_priors = [log_prior_of(view - part) for view, part in zip(seen, parts, strict=True)]
    posteriors = [xp.exp(log_softmax(log_prior + log_likelihood)) for log_prior in log_priors]
    own = [folds[:, None] == fold for fold in range(FOLDS)]
    told = xp.select(own, posteriors) - xp.exp(log_softmax(xp.select(own, log_priors)))
    return xp.concatenate([posterior.astype(np.float32) for posterior in posteriors], axis=1), told


def predicted(inverse: RegularizedInverse, fed: Rows, apart: Posteriors, folds: Rows) -> Predictions:
    """What the items say of each other by *inverse*, of posteriors *fed*, float64[N, K], as each fold sees them.

    Cost: one ``apply`` of 5 K columns.
    """
    regression = learnt(inverse.regression(), apart.seen)
    values, views = room_for(fed.shape), room_for(apart.seen.shape, np.float32)
    for rows in panels_there(apart.seen.shape):
        said = regression.left_out(rows, apart.seen[rows])
        views[rows], values[rows] = _of_folds(said, folds[rows])
    return Predictions(inverse, fed, apart.told, values, views, folds)


@fused()
def _own(told: Array, less: Array | None, folds: Array) -> Array:
    told = told if less is None else told - less
    mine = folds[:, None] == np.arange(FOLDS)
    return (mine[:, :, None] * told[:, None].astype(np.float32)).reshape(len(told), -1)


@fused()
def _of_folds(stacked: Array, folds: Array) -> tuple[Array, Array]:
    """*stacked* as views, float32[n, M K], and the part of it that is of each item's own fold, [n, K]."""
    own = namespace(stacked).select([folds[:, None] == fold for fold in range(FOLDS)], _by_fold(stacked))
    return stacked.astype(np.float32), own


def _by_fold(stacked: Array) -> list[Array]:
    k = stacked.shape[1] // FOLDS
    return [stacked[:, fold * k : (fold + 1) * k] for fold in range(FOLDS)]
