"""One task looked through: its regions, what is planted beside them, and candidates for missing ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.diagnostics.region_presence.regression import PresenceModel, presence_of
from ntk_labelqa.diagnostics.region_presence.scene import Scene, generator
from ntk_labelqa.encoders.places import apart, overlaps, touching

BESIDE = 0.1
"""A window that overlaps a region by this may be where the region should have been."""
SAME = 0.5
"""Intersection over union from which on a candidate is the region that was hidden."""
PEAKS = 15
"""Candidates a task that are refined, and kept, at most."""
REFINED = 2
HIDDEN = 0.2
"""Share of the regions hidden at once: the others still say where candidates may not lie."""
RIGHT, NOTHING, MOVED = 0, 1, 2
"""How a place came about: as drawn, at a place of the background, moved off its thing."""


@dataclass(frozen=True)
class Scanned:
    """What the scan made of one task.

    Attributes:
        evidence: of regions and of what was planted beside them, float64[n, 3].
        truth: of the same: :data:`RIGHT` (as drawn), :data:`NOTHING`, :data:`MOVED`.
        better: the best window beside each region, [R, …].
        found, presence, label: the candidates.
        hidden: presence of the candidate that is each hidden region, −inf where none is, [H].
    """

    task_id: int
    evidence: np.ndarray
    truth: np.ndarray
    better: np.ndarray
    found: np.ndarray
    presence: np.ndarray
    label: np.ndarray
    hidden: np.ndarray


def scanned(scene: Scene, model: PresenceModel, seed: int, fold: int) -> Scanned:
    rng = generator(seed, scene, 1)
    regions = scene.places
    nowhere = scene.nowhere(rng, max(1, len(regions)))
    moved, source = scene.moved(rng)
    windows = scene.candidates()
    planted = np.concatenate([regions, nowhere, moved])
    predictions = model.predictions(scene.features(np.concatenate([planted, windows])), fold)
    own, of_windows = presence_of(predictions[: len(planted)]), presence_of(predictions[len(planted) :])
    truth = np.repeat([RIGHT, NOTHING, MOVED], [len(regions), len(nowhere), len(moved)])
    itself = np.concatenate([np.arange(len(regions)), np.full(len(nowhere), -1), source]).astype(np.int64)
    on = touching(windows, regions)
    best = _best_beside(planted, itself, windows, of_windows, on)
    nearby = np.where(best >= 0, of_windows[best], -np.inf) if len(windows) else np.full(len(planted), -np.inf)
    gain = np.maximum(nearby - own, 0.0)
    hidden = rng.random(len(regions)) < HIDDEN
    (found, presence, label), (shown, shown_presence, _) = _peaks(scene, model, fold, windows, of_windows, on, hidden)
    return Scanned(
        task_id=scene.task_id,
        evidence=np.column_stack([own, predictions[: len(planted), -1], gain]).astype(np.float64),
        truth=truth,
        better=np.where((gain > 0)[: len(regions), None], windows[best[: len(regions)]], regions)
        if len(windows)
        else regions,
        found=found,
        presence=presence,
        label=label,
        hidden=_met(regions[hidden], shown, shown_presence),
    )


def _best_beside(
    places: np.ndarray, itself: np.ndarray, windows: np.ndarray, presence: np.ndarray, on: np.ndarray
) -> np.ndarray:
    """For each place the row of the best window that overlaps it and is on no region but *itself*, −1 where none is."""
    if not len(windows):
        return np.full(len(places), -1)
    times = on.sum(axis=1)
    best = np.full(len(places), -1)
    beside = overlaps(places, windows) >= BESIDE
    for row, region in enumerate(itself):
        others = times - on[:, region] if region >= 0 else times
        usable = np.flatnonzero(beside[row] & (others == 0))
        if len(usable):
            best[row] = usable[presence[usable].argmax()]
    return best


_Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]


def _peaks(
    scene: Scene,
    model: PresenceModel,
    fold: int,
    windows: np.ndarray,
    presence: np.ndarray,
    on: np.ndarray,
    hidden: np.ndarray,
) -> tuple[_Candidates, _Candidates]:
    """Candidates (places, presence, class) beside all regions, and beside those that are not hidden."""
    masks = (np.ones(len(hidden), bool), ~hidden)
    starts = []
    for shown in masks:
        free = np.flatnonzero(~on[:, shown].any(axis=1))
        starts.append(free[apart(windows[free], presence[free], PEAKS)])
    rows = np.unique(np.concatenate(starts))
    places, predictions = windows[rows], np.empty((0, model.weights.shape[2]), np.float32)
    for finer in range(REFINED if len(rows) else 0):
        variants = scene.around(places, finer)
        count = variants.shape[1]
        flat = model.predictions(scene.features(variants.reshape(-1, variants.shape[2])), fold)
        best = presence_of(flat).reshape(-1, count).argmax(axis=1)
        each = np.arange(len(places))
        places, predictions = variants[each, best], flat[each * count + best]
    results = []
    for start, shown in zip(starts, masks, strict=True):
        chosen = np.searchsorted(rows, start)
        free = chosen[~touching(places[chosen], scene.places[shown]).any(axis=1)]
        score = presence_of(predictions[free])
        kept = apart(places[free], score, PEAKS)
        results.append((places[free][kept], score[kept], predictions[free][kept, :-1].argmax(axis=1)))
    return results[0], results[1]


def _met(regions: np.ndarray, candidates: np.ndarray, presence: np.ndarray) -> np.ndarray:
    """Presence of the best candidate that is each of *regions*, −inf where none is."""
    if not len(candidates):
        return np.full(len(regions), -np.inf)
    return np.where(overlaps(regions, candidates) >= SAME, presence, -np.inf).max(axis=1)
