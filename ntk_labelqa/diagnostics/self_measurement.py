"""How well this audit finds wrong labels, measured on errors that it plants itself.

A small share of the labels (of fewer than 500 ten, of fewer than 50 a fifth) is changed: half of it anywhere, along
the confusions that the audit found; half as people err, more often the less clear the item is, and to a class that it
looks like. The labels are judged again with the kernel already inverted; where the items are few, several times, each
time with other labels. What was planted is known, so recall is counted; every other label is wrong with the probability
that the audit itself gave.

Where many labels are wrong, findings are corrected in exchange, as far as there are any, so that the noise stays as
strong as it is: with 40 % wrong, a few more would be far harder to find. Where few are, that would leave mostly errors
that are hard to find, and few more do no harm.
Labels planted or corrected here stay in this module alone: nothing of them reaches a finding.

The measurement speaks of errors like those planted, and cannot show by how much all predictions are mistaken together;
the error rate's interval and the calibration error allow for that
(:class:`~ntk_labelqa.label_model.error_rates.ErrorRates`), the interval's upper end for every contradicted label.
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_issues
from ntk_labelqa.diagnostics.panels import label_counts
from ntk_labelqa.diagnostics.recalibration import Recalibration, recalibrated
from ntk_labelqa.gram.arrays import to_host
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.label_model.annotations import Annotations

PLANTED_SHARE = 0.02
"""Of the annotations, at a time: more would change the noise among which they are to be found."""
FEWEST_PLANTED = 10
"""At a time, but:"""
LARGEST_SHARE = 0.2
"""Of the annotations, planted at a time at most, however few they are."""
ENOUGH_PLANTED = 200
"""In all, for which as many times as it takes are gone through, but:"""
MOST_TIMES = 5
CORRECTED_FROM = 0.2
"""Share of wrong labels from which findings are corrected in exchange. Of Fashion-MNIST's with 10 % wrong, .71 of the
errors planted are found if they are, .75 if not, and .79 of those that were there; of two classes with 40 %, .36, .12
and .37."""
CALIBRATION_BINS = 15
Z = 1.96
"""Intervals hold 95 %."""


@dataclass(frozen=True)
class Proportion:
    """An estimated share and its 95 % interval; None where nothing was there to count."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class SelfMeasurement:
    """What the audit says of itself.

    Attributes:
        planted: number of errors planted.
        recall: share of the errors planted anywhere, along the confusions found, that were flagged.
        recall_hard: the same of those planted where items are hard, as people err.
        corrected: share of the planted errors for which the right label was suggested.
        precision: share of the audit's own findings that are wrong labels; high = good.
        planted_precision: the same of what was flagged with the first planted errors among the labels.
        calibration_error: mean distance of ``error_probability`` from the share of wrong labels, in bins, or half of
            what shared mistakes leave open of the error rate, if that is more; low = good.
        error_rate, error_rate_low, error_rate_high: share of wrong labels in the data set as it is. The upper end
            allows for every contradicted label being wrong.
        contradicted: share of the labels that the leave-one-out prediction contradicts.
        is_informative: see :attr:`~ntk_labelqa.label_model.label_model.LabelPosterior.is_informative`. Where false,
            nothing can be said of any label, the interval is the widest there is, and nothing is flagged.
        why_unknown: in words, why not; else empty.
        vote_accuracy: see :attr:`~ntk_labelqa.label_model.label_model.LabelPosterior.accuracy`.
    """

    planted: int
    recall: Proportion
    recall_hard: Proportion
    corrected: Proportion
    precision: Proportion
    planted_precision: Proportion
    calibration_error: float
    error_rate: float
    error_rate_low: float
    error_rate_high: float
    contradicted: float
    is_informative: bool
    why_unknown: str
    vote_accuracy: float

    def as_dict(self) -> dict[str, Any]:
        """Plain types, as the manifest holds them."""
        return asdict(self)


def measure(
    dataset: LabeledDataset,
    inverse: RegularizedInverse,
    issues: LabelIssues,
    *,
    recalibration: Recalibration | None = None,
    seed: int = 0,
) -> SelfMeasurement:
    """Plant errors, judge the labels again, and count.

    Args:
        dataset: as audited.
        inverse: G, as audited with.
        issues: what the audit found.
        recalibration: with which it put its error probabilities right, if it did.
        seed: of what is planted.

    Cost: as much as finding the issues did, of fewer than 10,000 annotations up to five times as much.
    """
    annotations = Annotations.of_dataset(dataset, seed=seed)
    plantings = _plantings(annotations, issues, np.random.default_rng(seed))
    trials = [_tried(planting, annotations, inverse, issues, recalibration) for planting in plantings]
    first, of = trials[0], _together(trials)
    low, high = _error_rate_interval(issues, float(of.doubted.mean() - of.wrong.mean()))
    return SelfMeasurement(
        planted=len(of.caught),
        recall=share(of.caught[~of.hard], of.was_right[~of.hard]),
        recall_hard=share(of.caught[of.hard], of.was_right[of.hard]),
        corrected=share(of.corrected, of.was_right),
        precision=share(issues.error_probability[issues.is_label_issue]),
        planted_precision=share(first.wrong[first.flagged]),
        calibration_error=max(calibration_error(of.doubted, of.wrong), _left_open(issues)),
        error_rate=float(issues.error_probability.mean()),
        error_rate_low=low,
        error_rate_high=high,
        contradicted=float((issues.margin > 0).mean()),
        is_informative=issues.posterior.is_informative,
        why_unknown=issues.posterior.why_unknown,
        vote_accuracy=issues.posterior.accuracy,
    )


def share(outcomes: np.ndarray, weights: np.ndarray | None = None) -> Proportion:
    """Weighted mean of *outcomes* (each in 0 to 1) with Wilson's interval for as many as the weights are worth."""
    weights = np.ones(len(outcomes)) if weights is None else weights
    total = weights.sum()
    if total <= 0:
        return Proportion(None, 0.0, 1.0)
    count = total**2 / np.square(weights).sum()
    mean = float(weights @ outcomes / total)
    centre = (mean + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * np.sqrt(mean * (1 - mean) / count + (Z / (2 * count)) ** 2) / (1 + Z**2 / count)
    return Proportion(mean, float(max(centre - half, 0.0)), float(min(centre + half, 1.0)))


def calibration_error(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: |mean probability − share of outcomes| in equal bins, weighted by their entries.

    Example:
        >>> round(calibration_error(np.array([0.2, 0.2, 0.2, 0.2, 0.2]), np.array([1.0, 0, 0, 0, 0])), 12)
        0.0
    """
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(which, probabilities - outcomes, minlength=bins)
    return float(np.abs(gaps).sum() / len(probabilities))


@dataclass(frozen=True)
class _Planting:
    """Labels with errors planted and, where many are wrong, findings corrected.

    Attributes:
        labels: int64[A].
        chosen: int64[n], the annotations that errors were planted at.
        hard: bool[n], whether as people err; else anywhere.
    """

    labels: np.ndarray
    chosen: np.ndarray
    hard: np.ndarray


@dataclass(frozen=True)
class _Trial:
    """What the audit makes of a planting.

    Attributes:
        was_right, caught, corrected, hard: of the planted errors, [n]: how probable it is that the label changed was
            right; whether the error was flagged; whether the label was suggested; as planted.
        doubted, wrong, flagged: of all annotations, [A]: error probability; how probable it is that the label is wrong,
            by what is known; whether it was flagged.
    """

    was_right: np.ndarray
    caught: np.ndarray
    corrected: np.ndarray
    hard: np.ndarray
    doubted: np.ndarray
    wrong: np.ndarray
    flagged: np.ndarray


def _together(trials: list[_Trial]) -> _Trial:
    """All of them as one."""
    return _Trial(*(np.concatenate(parts) for parts in zip(*(astuple(trial) for trial in trials), strict=True)))


def _tried(
    planting: _Planting,
    annotations: Annotations,
    inverse: RegularizedInverse,
    issues: LabelIssues,
    recalibration: Recalibration | None,
) -> _Trial:
    changed = annotations.relabelled(planting.labels)
    again = find_issues(inverse, changed)
    if recalibration:
        again = recalibrated(again, recalibration)
    at = planting.chosen
    caught = again.is_label_issue[at]
    return _Trial(
        was_right=1.0 - issues.error_probability[at],
        caught=caught,
        corrected=caught & (again.suggested[at] == annotations.labels[at]),
        hard=planting.hard,
        doubted=again.error_probability,
        wrong=_wrong(annotations, issues, changed),
        flagged=again.is_label_issue,
    )


def _plantings(annotations: Annotations, issues: LabelIssues, rng: np.random.Generator) -> list[_Planting]:
    """As many as it takes, each at other annotations; one of nothing where there is a single class."""
    total = len(annotations)
    most = int(LARGEST_SHARE * total) if annotations.class_count > 1 else 0
    half = min(max(FEWEST_PLANTED, round(PLANTED_SHARE * total)), most) // 2
    times = min(MOST_TIMES, -(-ENOUGH_PLANTED // (2 * half))) if half else 1
    unclear = to_host(issues.posterior.rates.clearness[annotations.items])
    # Weighted draws without replacement: the largest of u^(1/w), Efraimidis and Spirakis (2006).
    hard = np.argsort(-(rng.random(total) ** (1 / unclear)))[: times * half]
    anywhere = rng.permutation(np.setdiff1d(np.arange(total), hard))[: times * half]
    both = zip(hard.reshape(times, half), anywhere.reshape(times, half), strict=True)
    return [_planted(annotations, issues, *rows, rng) for rows in both]


def _planted(
    annotations: Annotations, issues: LabelIssues, hard: np.ndarray, anywhere: np.ndarray, rng: np.random.Generator
) -> _Planting:
    """Errors as people make them at the annotations *hard*, and along the confusions found at *anywhere*."""
    chosen = np.concatenate([hard, anywhere])
    labels = annotations.labels.copy()
    looks = np.maximum(np.exp(_looks(annotations, issues, hard)), np.finfo(float).tiny)
    looks[np.arange(len(hard)), labels[hard]] = 0.0
    labels[hard] = _drawn(looks, rng)
    labels[anywhere] = _drawn(_confusions_found(annotations, issues)[labels[anywhere]], rng)

    if issues.error_probability.mean() >= CORRECTED_FROM:
        corrected = _to_correct(issues, chosen, rng)
        labels[corrected] = issues.predicted[corrected]
    return _Planting(labels, chosen, np.arange(len(chosen)) < len(hard))


def _looks(annotations: Annotations, issues: LabelIssues, of: np.ndarray) -> np.ndarray:
    """log s of the items of the annotations *of*, float64[n, K]."""
    items, place = np.unique(annotations.items[of], return_inverse=True)
    return to_host(issues.posterior.answer.log_prior(items))[place]


def _confusions_found(annotations: Annotations, issues: LabelIssues) -> np.ndarray:
    """How many labels of each class y are thought to be of items of class t, float64[t, y], diagonal 0.

    Not the noise channel itself: that is pulled towards errors of any kind, as classes have few anchors, and so has
    errors in it that are harder to find than those found.
    """
    k = annotations.class_count
    given = label_counts(annotations.items, annotations.labels, annotations.item_count, k)
    found = (given.T @ issues.posterior.probabilities).T
    return np.maximum(found, np.finfo(float).tiny) * (1 - np.eye(k))


def _to_correct(issues: LabelIssues, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Findings to correct: the share of them that errors planted at *chosen* are of all errors expected.

    Errors that the audit has missed stay. To correct as many more in their place would take too many from where errors
    are plain, which is where the noise is measured.
    """
    probabilities = issues.error_probability
    errors, planted = probabilities.sum(), (1.0 - probabilities[chosen]).sum()
    findings = np.setdiff1d(np.flatnonzero(issues.is_label_issue), chosen)
    return findings[errors * rng.random(len(findings)) < planted]


def _drawn(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A class for each row of *weights*, float[n, K], drawn in proportion to them, int64[n]."""
    up_to = weights.cumsum(axis=1)
    return (up_to <= rng.random((len(weights), 1)) * up_to[:, -1:]).sum(axis=1)


def _wrong(annotations: Annotations, issues: LabelIssues, changed: Annotations) -> np.ndarray:
    """How probable it is, by what the audit found, that each label of *changed* is wrong, float64[A]."""
    before, after = (issues.posterior.probabilities[of.items, of.labels] for of in (annotations, changed))
    # Where error probabilities were put right, the odds among the other classes stay as they are.
    scale = np.divide(issues.error_probability, 1.0 - before, out=np.ones_like(before), where=before < 1.0)
    return np.where(changed.labels == annotations.labels, issues.error_probability, 1.0 - scale * after)


def _left_open(issues: LabelIssues) -> float:
    """Half of the error rates that are possible, for all that is known of mistakes that predictions share."""
    rates = issues.posterior.rates
    return (rates.high - rates.low) / 2


def _error_rate_interval(issues: LabelIssues, off: float) -> tuple[float, float]:
    """What shared mistakes leave open, by chance and by how much planting shows the estimate *off*."""
    if not issues.posterior.is_informative:
        return 0.0, 1.0
    rate, rates = float(issues.error_probability.mean()), issues.posterior.rates
    half = np.hypot(Z * np.sqrt(rate * (1 - rate) / max(len(issues.margin), 1)), off)
    contradicted = float((issues.margin > 0).mean())
    low, high = (rate * bound / max(rates.mean, np.finfo(float).tiny) for bound in (rates.low, rates.high))
    return max(0.0, min(rate, low) - half), min(1.0, max(max(rate, high) + half, contradicted))
