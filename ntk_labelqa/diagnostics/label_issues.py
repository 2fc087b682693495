"""Which annotations are wrong, what they should be, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.flip_gains import bde_gains
from ntk_labelqa.gram.arrays import Array, fused, namespace, to_host
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.rows_there import panels_there
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.label_model import LabelPosterior, label_posterior
from ntk_labelqa.label_model.panel import Panel, lead_over_given, log_joint_of, posterior_of

PLAIN = {"pixels": "pixels", "frames": "pixels", "text": "words", "pdf": "words"}
"""Encoders that know nothing but the items themselves, and what they look at. In photos and prose, items that look
alike to them are often of different classes, and all votes share that mistake: no agreement of votes shows it."""
LEAST_AGREED = 0.5
"""Share of labels that a prediction by such features has to agree with before it may call others wrong: that people
should have mislabelled half of a data set is less likely than that its classes do not show in pixels or word counts."""


@dataclass(frozen=True)
class LabelIssues:
    """One entry an annotation, in the data set's order.

    Attributes:
        predicted: the item's most probable class, int64[A].
        error_probability: that the label given is wrong, float64[A], calibrated against noise of the kind estimated.
        suggested: the most probable class but the one given, int64[A]; where a label is doubted in favour of no class
            in particular, less probable than the given one.
        is_label_issue: bool[A], the abstaining rule: the label is more probably wrong than right, and the labels carry
            enough to say so (:attr:`~ntk_labelqa.label_model.label_model.LabelPosterior.is_informative`).
        margin: float64[A], leave-one-out prediction of the best other class less that of the given one, from the labels
            as given; high = suspect. It also ranks what the rule abstains from.
        bde_gain: float64[A], exact fall of the Block Diagonalization Error if the label became *predicted*.
        score_rank: float64[A], log-odds of the best other class against the given one; high = suspect. For ranking.
        posterior: the items' posterior and how it came about.
    """

    predicted: np.ndarray
    suggested: np.ndarray
    error_probability: np.ndarray
    is_label_issue: np.ndarray
    margin: np.ndarray
    bde_gain: np.ndarray
    score_rank: np.ndarray
    posterior: LabelPosterior

    def withheld(self, why: str) -> LabelIssues:
        """The same with nothing flagged, for the reason *why*."""
        posterior = replace(self.posterior, why_unknown=why)
        return replace(self, is_label_issue=np.zeros_like(self.is_label_issue), posterior=posterior)


def find_label_issues_in(dataset: LabeledDataset, inverse: RegularizedInverse, *, seed: int = 0) -> LabelIssues:
    """The label issues of *dataset*; see :func:`find_issues`.

    Args:
        dataset: N items with their annotations.
        inverse: G over the N items, at the ridge that fits the labels.
        seed: of the folds.
    """
    return find_issues(inverse, Annotations.of_dataset(dataset, seed=seed))


def why_not_by(encoder: str, issues: LabelIssues) -> str:
    """Why features by *encoder* are not believed, in words; empty where they are.

    Only where no round of the label model made the labels likelier: what is wrong at random comes out that way, however
    much it is.
    """
    agreed = float((issues.margin <= 0).mean())
    if encoder not in PLAIN or len(issues.posterior.rounds) > 1 or agreed >= LEAST_AGREED:
        return ""
    return f"By their {PLAIN[encoder]}, only {agreed:.0%} of the items are most alike to others of their label."


def find_issues(inverse: RegularizedInverse, annotations: Annotations) -> LabelIssues:
    """Judge every annotation by the posterior of its item.

    Args:
        inverse: G over the N items, at the ridge that fits the labels.
        annotations: of these items; with one class alone nothing is flagged.

    Cost: that of :func:`~ntk_labelqa.label_model.label_model.label_posterior` and one ``apply`` of K columns.
    """
    posterior = label_posterior(inverse, annotations)
    kinds = np.int64, np.int64, np.float64, np.float64, np.float64
    judged = [np.empty(len(annotations), kind) for kind in kinds]
    for rows in panels_there((annotations.item_count, annotations.class_count)):
        chosen, panels = annotations.entries(rows), [each.panel(rows) for each in posterior.rounds]
        found = to_host(_judged(posterior.answer.panel(rows), panels[0], panels[-1]))
        for values, of_panel in zip(judged, found, strict=True):
            values[chosen] = of_panel[: len(chosen)]
    predicted, suggested, error_probability, margin, score = judged
    return LabelIssues(
        predicted=predicted,
        suggested=suggested,
        error_probability=error_probability,
        is_label_issue=(error_probability > 0.5) & posterior.is_informative,
        margin=margin,
        bde_gain=bde_gains(inverse, annotations, predicted),
        score_rank=score,
        posterior=posterior,
    )


@fused()
def _judged(answer: Panel, first: Panel, last: Panel) -> tuple[Array, ...]:
    """Of each annotation the class predicted, that suggested, the error probability, the margin and, for ranking, how
    far the best other class is ahead of the label given, in nats.

    The latter is the mean of the first and the last round, for the first ranks better where later ones add little.
    Without lookalikes: that an item looks like the label given speaks for the label, whoever errs how.
    """
    annotations, probabilities = answer.annotations, posterior_of(answer)
    xp, of_items = namespace(probabilities), probabilities[annotations.items]
    given = annotations.labels[:, None] == np.arange(annotations.class_count)
    error_probability = xp.clip(1.0 - xp.where(given, of_items, 0).sum(axis=1), 0.0, 1.0)
    suggested = xp.where(given, -1.0, of_items).argmax(axis=1)
    leads = [lead_over_given(log_joint_of(each), annotations) for each in (first, last)]
    margin = lead_over_given(first.predictions, annotations)
    return of_items.argmax(axis=1), suggested, error_probability, margin, sum(leads) / 2
