r"""How labels go wrong: T[t, y], the probability that an item of class t was labelled y.

T is counted on anchors: items whose leave-one-out prediction is clear-cut. An anchor's own label has no part in its
choice, so anchors are labelled as wrongly as any other item, and counting (predicted, given) pairs among them gives T.
Counting over all items instead would take the overlap of classes for noise. (Where that does not hold, because items
are all alike, :mod:`~ntk_labelqa.diagnostics.first_channel` takes other anchors.)

Counts are few where classes are small, so every frequency is pulled towards a common value as strongly as the rows'
likeness suggests (empirical Bayes): a row's error rate towards the overall one, the shape of its errors towards
uniform, and an annotator's channel towards the one that all share. Source: the three are one Dirichlet-multinomial
model (see Minka, "Estimating a Dirichlet distribution", 2000), its strength chosen by maximum likelihood. Errors of
one shape are the rule, though: it takes clear evidence to give a class a shape of its own.

An anchor may be of another class than the one predicted. What is known of that is heeded by expectation maximisation
(:meth:`NoiseChannel.of_true_classes`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import gammaln, rel_entr

from ntk_labelqa.diagnostics.annotations import Annotations

ANCHOR_SHARE = 0.15
"""Of the items predicted to be of a class, the share that become its anchors: those with the widest margin."""
FEWEST_ANCHORS = 20
"""Anchors of a class, while it has that many items."""
LEAST_SHARE = 1e-3
"""Of its errors, what a channel keeps at the least when it is softened: all entries stay positive."""
SHAPES_DIFFER_BY = 4.5
"""Nats by which errors shaped class by class have to be likelier than uniform ones: three standard errors."""
STEPS = 20
"""Of expectation maximisation."""
LABELS_FOR_OWN_CHANNEL = 100
"""Labels from which an annotator gets a channel of their own."""

RATE_STRENGTHS = np.geomspace(5, 5000, 16)
SHAPE_STRENGTHS = np.geomspace(0.1, 300, 18)
"""A class; the strength of K − 1 classes is that many times as large."""
ANNOTATOR_STRENGTHS = np.geomspace(1, 10_000, 17)


@dataclass(frozen=True)
class NoiseChannel:
    """The channels, and who labels through which.

    Attributes:
        tables: T, float64[C, K, K], the channel that all share first, then one for each annotator with enough labels;
            row = true class, column = given label; rows sum to 1, all entries positive.
        table_of_annotation: int64[A], into *tables*.
        anchors: int64[n], rows of the items that the channels were counted on.
        counts: of their labels, by class predicted and label given, int64[C, K, K]: everybody's first.
        anchor_share: of the items predicted to be of a class, the share that are anchors.
    """

    tables: np.ndarray
    table_of_annotation: np.ndarray
    anchors: np.ndarray
    counts: np.ndarray
    anchor_share: float

    @property
    def shared(self) -> np.ndarray:
        """The channel that all share, float64[K, K]."""
        return self.tables[0]

    @property
    def anchor_labels(self) -> int:
        """Number of labels that the channels were counted from."""
        return int(self.counts[0].sum())

    @property
    def agreement(self) -> float:
        """Share of those labels that are of the class predicted; 1 if there is none."""
        return float(np.trace(self.counts[0]) / self.anchor_labels) if self.anchor_labels else 1.0

    def log_likelihood(self, annotations: Annotations) -> np.ndarray:
        """log p(labels of the item | true class t), float64[N, K]; zero where an item has none."""
        by_label = np.log(self.tables).transpose(0, 2, 1)
        total = np.zeros((annotations.item_count, annotations.class_count))
        np.add.at(total, annotations.items, by_label[self.table_of_annotation, annotations.labels])
        return total

    def of_true_classes(self, of_predicted: np.ndarray) -> Self:
        """The channels if an anchor predicted to be of class c is of class t with probability *of_predicted*[c, t].

        Expectation maximisation: each T is counted from how often each true class is expected to have got each label
        by the T before, and pulled as strongly as these counts suggest. Several labels of one anchor are taken to tell
        of it independently.

        Args:
            of_predicted: float64[K, K]; rows sum to 1.

        Cost: twenty times that of estimating the channels from their counts, for each of the C; of one channel of 500
        classes 2 to 6 s, of ten of 100 classes 1.5 s.
        """
        tables = self.tables
        for _ in range(STEPS):
            expected = [
                _of_true_classes(counts, of_predicted, table) for counts, table in zip(self.counts, tables, strict=True)
            ]
            tables = _tables(expected[0], expected[1:])
        return replace(self, tables=tables)

    def agrees_beyond_chance(self, standard_errors: float) -> bool:
        """Whether anchors' labels are of the class predicted more often than labels drawn alike of all classes."""
        chance = 1 / len(self.shared)
        by_chance = standard_errors * np.sqrt(chance * (1 - chance) / max(self.anchor_labels, 1))
        return bool(self.anchor_labels and self.agreement > chance + by_chance)

    def softened(self, share: float) -> Self:
        """The same channels with each error *share* times as probable."""
        kept = np.eye(len(self.shared))
        share = max(share, LEAST_SHARE)
        return replace(self, tables=share * self.tables + (1 - share) * kept)

    def raised(self, rate: float) -> Self:
        """The same channels with errors of every class at least as frequent as *rate*, in the shape they have."""
        return replace(self, tables=_with_error_rates(self.tables, np.maximum(_error_rates(self.tables), rate)))

    def lowered(self, to: Self) -> Self:
        """The same channels with errors of every class at most as frequent as by the channels *to*, in their shape."""
        rates = np.minimum(_error_rates(self.tables), _error_rates(to.tables))
        return replace(self, tables=_with_error_rates(self.tables, rates))

    def with_unseen_errors(self, share: float) -> Self:
        """The same channels for labels of which *share* are wrong besides, each other class as probable."""
        if len(self.shared) == 1:
            return self
        others = (1 - np.eye(len(self.shared))) * (share / (len(self.shared) - 1))
        return replace(self, tables=(1 - share) * self.tables + others)

    @property
    def error_rate(self) -> float:
        """Probability of a wrong label if classes are equally frequent."""
        return float(1 - np.diag(self.shared).mean())

    def doubt_of(self, other: Self) -> float:
        """How much less likely the anchors' errors are at the error rates of *other* than at the own ones, in nats."""
        mine, its = 1 - np.diag(self.shared), 1 - np.diag(other.shared)
        return float(self.counts[0].sum(axis=1) @ (rel_entr(mine, its) + rel_entr(1 - mine, 1 - its)))

    def information(self) -> float:
        """What one label tells of its item's class if classes are equally frequent, in nats; 0 = nothing."""
        mean = self.shared.mean(axis=0)
        return float((self.shared * np.log(self.shared / mean)).sum() / len(mean))


def _error_rates(tables: np.ndarray) -> np.ndarray:
    """Of each class, float64[…, K, 1]."""
    return (tables * (1 - np.eye(tables.shape[-1]))).sum(axis=-1, keepdims=True)


def _with_error_rates(tables: np.ndarray, rates: np.ndarray) -> np.ndarray:
    kept = np.eye(tables.shape[-1])
    errors = tables * (1 - kept)
    errors *= rates / np.maximum(_error_rates(tables), np.finfo(float).tiny)
    return errors + kept * (1 - errors.sum(axis=-1, keepdims=True))


def estimate_channel(
    predictions: np.ndarray,
    annotations: Annotations,
    *,
    anchor_share: float = ANCHOR_SHARE,
    sureness: np.ndarray | None = None,
) -> NoiseChannel:
    """The noise channel, from leave-one-out predictions and the labels as given.

    Args:
        predictions: P, float[N, K], each row made without the item's own labels.
        annotations: of the N items.
        anchor_share: of the items predicted to be of a class, the share that become its anchors.
        sureness: float[N], the highest of which make anchors; None: the gap between an item's two best classes.

    Cost: one sort of N items; twice K² numbers an annotator with enough labels, tables and counts.
    """
    predicted = predictions.argmax(axis=1)
    anchors = _anchors(predicted, _gaps(predictions) if sureness is None else sureness, anchor_share)
    is_anchor = np.zeros(len(predictions), bool)
    is_anchor[anchors] = True
    chosen = np.flatnonzero(is_anchor[annotations.items])
    truth, given = predicted[annotations.items[chosen]], annotations.labels[chosen]
    counts = _counts(truth, given, annotations.class_count)

    own = _annotators_with_enough(annotations)
    if len(own) < 2:  # A lone annotator's channel is the shared one.
        own = own[:0]
    who = annotations.annotators[chosen]
    of_own = [_counts(truth[who == a], given[who == a], annotations.class_count) for a in own]
    table_of_annotator = np.zeros(annotations.annotators.max(initial=0) + 1, np.int64)
    table_of_annotator[own] = 1 + np.arange(len(own))
    return NoiseChannel(
        tables=_tables(counts, of_own),
        table_of_annotation=table_of_annotator[annotations.annotators],
        anchors=anchors,
        counts=np.stack([counts, *of_own]),
        anchor_share=anchor_share,
    )


def _tables(of_all: np.ndarray, of_own: list[np.ndarray]) -> np.ndarray:
    """The channel of all labels, and those of annotators whose counts are *of_own*, float64[C, K, K]."""
    shared = shared_channel(of_all)
    if not of_own:
        return shared[None]
    return np.concatenate([shared[None], shrunk(np.stack(of_own), shared, ANNOTATOR_STRENGTHS)])


def shrunk(counts: np.ndarray, mean: np.ndarray, strengths: np.ndarray, *, surely: float = 0.0) -> np.ndarray:
    r"""Frequencies of *counts* along the last axis, pulled towards *mean*.

    .. math:: \frac{n_{rc} + κ m_{rc}}{\sum_c n_{rc} + κ}

    with κ the one of *strengths* under which Dirichlet-multinomial rows n_r ~ DM(κ m_r) are most likely, or the last
    of them unless the rows are likelier by *surely*.

    Args:
        counts: float[…, C].
        mean: positive, sums to 1 along the last axis, broadcasts against *counts*.
        strengths: κ to choose from, in observations, ascending.
        surely: in nats.

    Example:
        >>> alike = np.array([[90, 10], [91, 9], [89, 11]])
        >>> shrunk(alike, np.array([0.9, 0.1]), np.array([1.0, 1e6])).round(3)[0].tolist()
        [0.9, 0.1]
    """
    total = counts.sum(axis=-1)

    def log_likelihood(strength: float) -> float:
        prior = strength * mean
        rows = gammaln(strength) - gammaln(strength + total)
        return float(rows.sum() + (gammaln(counts + prior) - gammaln(prior)).sum())

    fits = [log_likelihood(strength) for strength in strengths]
    best = strengths[np.argmax(fits)] if max(fits) > fits[-1] + surely else strengths[-1]
    return (counts + best * mean) / (total + best)[..., None]


def _gaps(predictions: np.ndarray) -> np.ndarray:
    """Between each row's two best classes."""
    top = np.sort(predictions, axis=1)[:, -2:]
    return top[:, -1] - top[:, 0]


def _anchors(predicted: np.ndarray, sureness: np.ndarray, share: float) -> np.ndarray:
    """Rows of the items that are surest, class by class."""
    chosen = []
    for members in (np.flatnonzero(predicted == c) for c in np.unique(predicted)):
        wanted = max(min(FEWEST_ANCHORS, len(members)), int(share * len(members)))
        chosen.append(members[np.argsort(-sureness[members], kind="stable")[:wanted]])
    return np.concatenate(chosen)


def _counts(truth: np.ndarray, given: np.ndarray, class_count: int) -> np.ndarray:
    return np.bincount(truth * class_count + given, minlength=class_count**2).reshape(class_count, class_count)


def _of_true_classes(counts: np.ndarray, of_predicted: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """Of (predicted, given) counts, how many (true, given) ones are expected, float64[K, K]."""
    given_predicted = of_predicted @ channel
    return channel * (of_predicted.T @ (counts / given_predicted))


def shared_channel(counts: np.ndarray) -> np.ndarray:
    """T from (true, given) counts: error rates and the shape of errors shrunk apart, for noise has both in common."""
    k = len(counts)
    if k == 1:
        return np.ones((1, 1))
    off_diagonal = ~np.eye(k, dtype=bool)
    right, wrong = np.diag(counts), counts[off_diagonal].reshape(k, k - 1)
    overall = (wrong.sum() + 0.1) / (counts.sum() + 1)
    split = np.stack([wrong.sum(axis=1), right], axis=1)
    rate = shrunk(split, np.array([overall, 1 - overall]), RATE_STRENGTHS)[:, 0]
    shape = shrunk(wrong, np.full(k - 1, 1 / (k - 1)), (k - 1) * SHAPE_STRENGTHS, surely=SHAPES_DIFFER_BY)
    table = np.diag(1 - rate)
    table[off_diagonal] = (rate[:, None] * shape).ravel()
    return table


def _annotators_with_enough(annotations: Annotations) -> np.ndarray:
    return np.flatnonzero(np.bincount(annotations.annotators) >= LABELS_FOR_OWN_CHANNEL)
