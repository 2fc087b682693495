"""Which annotations are wrong, what they should be, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.flip_gains import bde_gains
from ntk_labelqa.diagnostics.posterior import LabelPosterior, label_posterior
from ntk_labelqa.gram.inverse import RegularizedInverse


@dataclass(frozen=True)
class LabelIssues:
    """One entry an annotation, in the data set's order.

    Attributes:
        predicted: the item's most probable class, int64[A].
        error_probability: that the label given is wrong, float64[A], calibrated against noise of the kind estimated.
        is_label_issue: bool[A], the abstaining rule: another class is the most probable one, and the labels carry
            enough to say so (:attr:`~ntk_labelqa.diagnostics.posterior.LabelPosterior.is_informative`).
        margin: float64[A], leave-one-out prediction of the best other class less that of the given one, from the labels
            as given; high = suspect. It also ranks what the rule abstains from.
        bde_gain: float64[A], exact fall of the Block Diagonalization Error if the label became *predicted*.
        score_rank: float64[A], log-odds of the best other class against the given one; high = suspect. For ranking.
        posterior: the items' posterior and how it came about.
    """

    predicted: np.ndarray
    error_probability: np.ndarray
    is_label_issue: np.ndarray
    margin: np.ndarray
    bde_gain: np.ndarray
    score_rank: np.ndarray
    posterior: LabelPosterior


def find_label_issues_in(dataset: LabeledDataset, inverse: RegularizedInverse) -> LabelIssues:
    """The label issues of *dataset*; see :func:`find_issues`.

    Args:
        dataset: N items with their annotations.
        inverse: G over the N items, at the ridge that fits the labels.
    """
    return find_issues(inverse, Annotations.of_dataset(dataset))


def find_issues(inverse: RegularizedInverse, annotations: Annotations) -> LabelIssues:
    """Judge every annotation by the posterior of its item.

    Args:
        inverse: G over the N items, at the ridge that fits the labels.
        annotations: of these items; with one class alone nothing is flagged.

    Cost: that of :func:`~ntk_labelqa.diagnostics.posterior.label_posterior` and one ``apply`` of K columns.
    """
    posterior = label_posterior(inverse, annotations)
    probabilities = posterior.probabilities
    each = np.arange(len(annotations))
    given = probabilities[annotations.items, annotations.labels]
    predicted = probabilities.argmax(axis=1)[annotations.items]
    margins = posterior.first.predictions.values[annotations.items]
    of_given = margins[each, annotations.labels]
    margins[each, annotations.labels] = -np.inf
    return LabelIssues(
        predicted=predicted,
        error_probability=np.clip(1.0 - given, 0.0, 1.0),
        is_label_issue=(predicted != annotations.labels) & posterior.is_informative,
        margin=margins.max(axis=1) - of_given,
        bde_gain=bde_gains(inverse, annotations, predicted),
        score_rank=posterior.log_odds(annotations),
        posterior=posterior,
    )
