"""What a whole audit will take, stage by stage, before it is begun: memory and disk counted, time tried on a sample."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import sample
from ntk_labelqa.gram.inverse_plan import (
    LANDMARKS,
    Landmarks,
    exact_bytes,
    largest_landmarks,
    low_rank_bytes,
    usual_landmarks,
)
from ntk_labelqa.gram.landmarks import LandmarkMap
from ntk_labelqa.gram.low_rank import LowRankInverse
from ntk_labelqa.gram.matrix import prepare
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.label_model.annotations import FOLDS, Annotations
from ntk_labelqa.label_model.cross_fitting import predicted
from ntk_labelqa.label_model.label_model import label_posterior, sampled_items
from ntk_labelqa.memory import in_units, require_memory, usable_memory
from ntk_labelqa.row_store import HELD, PANEL_NUMBERS, STORED, Rows

TRIED = 4000
"""Items that the stages are tried on."""
ROUNDS_KEPT = 3
"""Rounds of the label model whose predictions are kept at a time: the first, the last, and the one that is tried."""
SAMPLE_ARRAYS, PANEL_ARRAYS = 12, 12
"""Arrays at a time of the probabilities that a channel is fitted to, and of a panel, in float64."""
TABLE_ROW = 1000
"""Bytes of an annotation in all tables together."""
TIMES_JUDGED = 2
"""The labels as given, and once more with errors planted among them."""


@dataclass(frozen=True)
class Stage:
    """One stage of an audit.

    Attributes:
        name: as it is shown while it runs.
        memory: bytes at its peak, those of earlier stages that are still held among them.
        disk: bytes of temporary files.
        seconds: extrapolated from a sample; None where it was not tried.
    """

    name: str
    memory: int
    disk: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class AuditPlan:
    """What an audit will take.

    Attributes:
        items, classes: N and K.
        landmarks: m; None for the exact inverse.
        stages: in their order.
        grown: with twice the landmarks, which ``auto`` takes where these change what is found; None where it does not.
    """

    items: int
    classes: int
    landmarks: int | None
    stages: tuple[Stage, ...]
    grown: AuditPlan | None = None

    @property
    def memory(self) -> int:
        """Bytes at the peak, beside the features themselves."""
        return max(stage.memory for stage in self.stages)

    @property
    def seconds(self) -> float | None:
        """Of all stages that were tried."""
        tried = [stage.seconds for stage in self.stages if stage.seconds is not None]
        return sum(tried) if tried else None

    def largest(self, memory_limit: int | None = None) -> AuditPlan:
        """With the most landmarks that it may grow to and that fit; itself where no more do."""
        limit = usable_memory() if memory_limit is None else memory_limit
        return self if self.grown is None or self.grown.memory > limit else self.grown.largest(limit)

    def require(self, memory_limit: int | None = None) -> None:
        """Raise MemoryBudgetError where it does not fit, with what would."""
        worst = max(self.stages, key=lambda stage: stage.memory)
        remedy = "Free some memory, or audit a part of the items."
        if self.landmarks is None:
            remedy = f"Use --landmarks {LANDMARKS}."
        elif worst.memory > 2 * low_rank_bytes(self.items, self.landmarks, 4):
            remedy = "Free some memory, audit a part of the items, or have fewer classes: join those that are rare."
        elif self.landmarks > 1:
            remedy = f"Use fewer landmarks (--landmarks {max(1, self.landmarks // 2)}), or free some memory."
        what = f"{worst.name} of {self.items:,} items in {self.classes:,} classes"
        require_memory(worst.memory, what, remedy=remedy, memory_limit=memory_limit)


def plan_audit(
    inputs: Rows, class_count: int, label_count: int, *, landmarks: Landmarks = "auto", itemsize: int = 4
) -> AuditPlan:
    """What an audit takes, counted.

    Args:
        inputs: as the kernel is to see them, [N, …]; only their shape counts.
        class_count, label_count: K and A.
        landmarks: m, ``all`` or ``auto``.
        itemsize: bytes of a kernel value.

    Cost: none.
    """
    items = len(inputs)
    first = _landmarks(items, landmarks, itemsize)
    most = largest_landmarks(items, itemsize) if landmarks == "auto" and first == LANDMARKS else 0

    def with_landmarks(count: int | None) -> AuditPlan:
        stages = _stages(inputs, class_count, label_count, count, itemsize)
        grown = with_landmarks(2 * count) if count and 2 * count <= most else None
        return AuditPlan(items, class_count, count, stages, grown)

    return with_landmarks(first)


def _stages(inputs: Rows, k: int, labels: int, count: int | None, itemsize: int) -> tuple[Stage, ...]:
    """With *count* landmarks; None is the exact inverse."""
    items, width = len(inputs), int(np.prod(inputs.shape[1:]))
    if count is None:
        inverse, columns = exact_bytes(items, itemsize), items
    else:
        inverse, columns = low_rank_bytes(items, count, itemsize), count
    prepared = 2 * _held(items * width * itemsize) + _held(8 * items * k)  # and the labels, one number a class
    # And what turns further items into such features.
    features = 8 * items**2 if count is None else items * count * itemsize + 8 * count**2
    values, views = 8 * items * k, 4 * items * FOLDS * k
    kept = [values] * (2 * ROUNDS_KEPT) + [views] * ROUNDS_KEPT
    held = sum(size for size in kept if size <= STORED)
    coefficients = (8 + 8 + 4) * columns * FOLDS * k
    fitted = 8 * SAMPLE_ARRAYS * k * min(items, sampled_items(k))
    panels = 8 * PANEL_ARRAYS * min(PANEL_NUMBERS, items * FOLDS * k)
    # Votes are of all items at once; channels are fitted, and panels judged, when those are counted.
    model = features + held + coefficients + max(values, fitted, panels)
    disk, tables = sum(kept) - held, TABLE_ROW * labels
    return (
        Stage("Inverting the kernel", prepared + inverse),
        Stage("Finding label issues", prepared + model, disk),
        Stage("Measuring itself", prepared + model + held + values + tables, 2 * disk),
        Stage("Comparing classes and schemes", prepared + features + 2 * values + panels + tables, disk),
    )


def tried_plan(
    plan: AuditPlan, features: Rows, annotations: Annotations, kernel: str | Kernel, *, seed: int = 0
) -> AuditPlan:
    """*plan* with the time of its stages, tried on some of the *features*, as the kernel is to see them, [N, …].

    The panels of all items are extrapolated from those of the sample, and what is fitted to a sample anyway is not
    extrapolated beyond that one.

    Cost: an audit of :data:`TRIED` items with as many landmarks.
    """
    rows = sample(plan.items, TRIED)
    some = replace(annotations.of_items(rows), seed=seed)
    landmarks = min(plan.landmarks or len(rows), len(rows))
    began = time.perf_counter()
    inverse = invert(features[rows], some.means(), architecture=kernel, landmarks=landmarks, ridge=1.0)
    inverted = time.perf_counter()
    posterior = label_posterior(inverse, some)
    judged = time.perf_counter()
    first = posterior.rounds[0]
    predicted(inverse, first.posteriors(), first.posteriors_apart(), first.predictions.folds)
    of_panels = (time.perf_counter() - judged) * (len(posterior.rounds) + 1)
    of_fits = max(judged - inverted - of_panels, 0.0)
    share = plan.items / len(rows)
    fits = of_fits * min(plan.items, sampled_items(plan.classes)) / len(rows)
    judging = of_panels * share * _wider(plan, landmarks, len(rows)) + fits
    inverting = inverted - began
    if plan.landmarks is None:
        inverting *= share**3
    elif isinstance(inverse, LowRankInverse) and inverse.landmarks is not None:
        inverting += (share - 1) * _streaming(features[rows], kernel, inverse.landmarks)
    seconds = {"Inverting the kernel": inverting, "Finding label issues": judging, "Measuring itself": judging}
    return replace(plan, stages=tuple(replace(one, seconds=seconds.get(one.name)) for one in plan.stages))


def _streaming(features: Rows, architecture: str | Kernel, landmarks: LandmarkMap) -> float:
    """Seconds of what an inverse from *landmarks* takes for so many items more: kernel values, 4m² flops an item."""
    kernel, inputs = prepare(features, architecture, "float32")
    few, projection = inputs[:], landmarks.projection.astype(np.float32)
    kernel.block(few, landmarks.inputs) @ projection  # compiles
    began = time.perf_counter()
    values = kernel.block(few, landmarks.inputs)
    valued = time.perf_counter()
    values @ projection
    return valued - began + 2 * (time.perf_counter() - valued)


def _wider(plan: AuditPlan, landmarks: int, items: int) -> float:
    """By how much a panel takes longer with the plan's features than with those of the sample."""
    return (plan.landmarks or plan.items) / (landmarks if plan.landmarks else items)


def _landmarks(items: int, landmarks: Landmarks, itemsize: int) -> int | None:
    """m; None where the inverse is exact."""
    if landmarks == "all" or (landmarks == "auto" and items <= LANDMARKS):
        return None
    usual = usual_landmarks(items, itemsize) if landmarks == "auto" else landmarks
    return LANDMARKS if isinstance(usual, str) else usual


def _held(size: int) -> int:
    """Of an array of *size* bytes, those in memory."""
    return size if size <= HELD else 0


def as_text(plan: AuditPlan) -> str:
    """The plan as a table."""
    from ntk_labelqa.terminal import aligned

    rows = [("stage", "memory", "temporary files", "time")]
    for one in plan.stages:
        spent = "" if one.seconds is None else _duration(one.seconds)
        rows.append((one.name, in_units(one.memory), in_units(one.disk) if one.disk else "", spent))
    how = "exactly" if plan.landmarks is None else f"from {plan.landmarks:,} landmarks"
    head = f"{plan.items:,} items in {plan.classes:,} classes, the kernel inverted {how}."
    total = f"At the peak {in_units(plan.memory)} of memory beside the features"
    spent = "" if plan.seconds is None else f"; about {_duration(plan.seconds)} for what was tried on a sample"
    lines, most = [head, "", *aligned(rows), "", f"{total}{spent}."], plan.largest()
    if most is not plan:
        lines.append(
            f"Where more landmarks would change what is found, they are doubled, up to {most.landmarks:,}: then at the "
            f"peak {in_units(most.memory)}."
        )
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
