"""How well this audit finds wrong labels, measured on errors that it plants itself.

A small share of the labels (of fewer than 500 ten, of fewer than 50 a fifth) is changed, half of it to any other class
and half along the confusions that the audit found, and the labels are judged again with the kernel already
inverted; where the items are few, several times, each time with other labels. What was planted is known, so recall is
counted; every other label is wrong with the probability that the audit itself gave.

Where many labels are wrong, findings are mended in exchange, as far as there are any, so that the noise stays as strong
as it is: with 40 % wrong, a few more would be far harder to find. Where few are, that would leave mostly errors that
are hard to find, and few more do no harm.
Labels planted or mended live in this module alone: nothing of them reaches a finding.

The measurement speaks of errors like those planted. Errors where classes meet look like difficult items and are harder
to find; the upper end of the error rate's interval allows for them.
"""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_issues
from ntk_labelqa.diagnostics.recalibration import Recalibration, recalibrated
from ntk_labelqa.gram.inverse import RegularizedInverse

PLANTED_SHARE = 0.02
"""Of the annotations, at a time: more would change the noise among which they are to be found."""
FEWEST_PLANTED = 10
"""At a time, but:"""
LARGEST_SHARE = 0.2
"""Of the annotations, planted at a time at most, however few they are."""
ENOUGH_PLANTED = 200
"""In all, for which as many times as it takes are gone through, but:"""
MOST_TIMES = 5
MENDED_FROM = 0.2
"""Share of wrong labels from which findings are mended in exchange. Of Fashion-MNIST's with 10 % wrong, .71 of the
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
        recall: share of the errors planted along the observed confusions that were flagged: of errors like those
            that the audit found.
        recall_uniform: the same of those planted uniformly, of which it may have seen none.
        corrected: share of the planted errors for which the right label was suggested.
        precision: share of the audit's own findings that are wrong labels; high = good.
        planted_precision: the same of what was flagged with the first planted errors among the labels.
        calibration_error: mean distance of ``error_probability`` from the share of wrong labels, in bins; low = good.
        error_rate, error_rate_low, error_rate_high: share of wrong labels in the data set as it is. The upper end
            allows for every contradicted label being wrong.
        contradicted: share of the labels that the leave-one-out prediction contradicts.
        is_informative: see :attr:`~ntk_labelqa.diagnostics.posterior.LabelPosterior.is_informative`. Where false,
            nothing can be said of any label, the interval is the widest there is, and nothing is flagged.
    """

    planted: int
    recall: Proportion
    recall_uniform: Proportion
    corrected: Proportion
    precision: Proportion
    planted_precision: Proportion
    calibration_error: float
    error_rate: float
    error_rate_low: float
    error_rate_high: float
    contradicted: float
    is_informative: bool

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
    annotations = Annotations.of_dataset(dataset)
    plantings = _plantings(annotations, issues, np.random.default_rng(seed))
    trials = [_tried(planting, annotations, inverse, issues, recalibration) for planting in plantings]
    first, of = trials[0], _together(trials)
    low, high = _error_rate_interval(issues, float(of.doubted.mean() - of.wrong.mean()))
    return SelfMeasurement(
        planted=len(of.caught),
        recall=share(of.caught[~of.uniform], of.was_right[~of.uniform]),
        recall_uniform=share(of.caught[of.uniform], of.was_right[of.uniform]),
        corrected=share(of.corrected, of.was_right),
        precision=share(issues.error_probability[issues.is_label_issue]),
        planted_precision=share(first.wrong[first.flagged]),
        calibration_error=calibration_error(of.doubted, of.wrong),
        error_rate=float(issues.error_probability.mean()),
        error_rate_low=low,
        error_rate_high=high,
        contradicted=float((issues.margin > 0).mean()),
        is_informative=issues.posterior.is_informative,
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
    """Labels with errors planted and, where many are wrong, findings mended.

    Attributes:
        labels: int64[A].
        chosen: int64[n], the annotations that errors were planted at.
        uniform: bool[n], whether to any other class; else along the confusions.
    """

    labels: np.ndarray
    chosen: np.ndarray
    uniform: np.ndarray


@dataclass(frozen=True)
class _Trial:
    """What the audit makes of a planting.

    Attributes:
        was_right, caught, corrected, uniform: of the planted errors, [n]: how probable it is that the label changed was
            right; whether the error was flagged; whether the label was suggested; as planted.
        doubted, wrong, flagged: of all annotations, [A]: error probability; how probable it is that the label is wrong,
            by what is known; whether it was flagged.
    """

    was_right: np.ndarray
    caught: np.ndarray
    corrected: np.ndarray
    uniform: np.ndarray
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
        again = recalibrated(again, changed, recalibration)
    at = planting.chosen
    caught = again.is_label_issue[at]
    return _Trial(
        was_right=1.0 - issues.error_probability[at],
        caught=caught,
        corrected=caught & (again.predicted[at] == annotations.labels[at]),
        uniform=planting.uniform,
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
    chosen = rng.permutation(total)[: times * 2 * half].reshape(times, 2 * half)
    return [_planted(annotations, issues, rows, rng) for rows in chosen]


def _planted(annotations: Annotations, issues: LabelIssues, chosen: np.ndarray, rng: np.random.Generator) -> _Planting:
    """Errors at *chosen*, the first half of them uniform ones."""
    k, half = annotations.class_count, len(chosen) // 2
    labels, given = annotations.labels.copy(), annotations.labels[chosen]
    confusions = _confusions_found(annotations, issues)
    labels[chosen[:half]] = (given[:half] + rng.integers(1, max(k, 2), half)) % k
    labels[chosen[half:]] = _drawn(confusions[given[half:]], rng)

    if issues.error_probability.mean() >= MENDED_FROM:
        mended = _to_mend(issues, chosen, rng)
        labels[mended] = issues.predicted[mended]
    return _Planting(labels, chosen, np.arange(len(chosen)) < half)


def _confusions_found(annotations: Annotations, issues: LabelIssues) -> np.ndarray:
    """How many labels of each class y are thought to be of items of class t, float64[t, y], diagonal 0.

    Not the noise channel itself: that is pulled towards errors of any kind, as classes have few anchors, and so has
    errors in it that are harder to find than those found.
    """
    k = annotations.class_count
    found = issues.posterior.probabilities[annotations.items].T @ np.eye(k)[annotations.labels]
    return np.maximum(found, np.finfo(float).tiny) * (1 - np.eye(k))


def _to_mend(issues: LabelIssues, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Findings to mend: the share of them that errors planted at *chosen* are of all errors expected.

    Errors that the audit has missed stay. To mend as many more in their place would take too many from where errors
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


def _error_rate_interval(issues: LabelIssues, off: float) -> tuple[float, float]:
    """The estimate, more and less what anchors can have missed by chance and by how much planting shows it *off*."""
    if not issues.posterior.is_informative:
        return 0.0, 1.0
    rate = float(issues.error_probability.mean())
    by_chance = np.sqrt(rate * (1 - rate) / max(issues.posterior.last.channel.anchor_labels, 1))
    half = np.hypot(Z * by_chance, off)
    contradicted = float((issues.margin > 0).mean())
    return max(0.0, rate - half), min(1.0, max(rate + half, contradicted))
