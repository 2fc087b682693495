r"""Regions where nothing is, regions beside their thing, and things that nobody labelled: without a detector.

Kernel regression learns the project's classes and one more, the background: places where nobody labelled anything, and
places that overlap a region in part. With φ the low-rank features of the kernel and Y the one-hot classes,

.. math:: W_f = (Φ^\top Φ - Φ_f^\top Φ_f + λI)^{-1} (Φ^\top Y - Φ_f^\top Y_f), \qquad
    s(x) = \sum_k (φ(x) W_f)_k - (φ(x) W_f)_{\text{background}}

where f is the fold of whole tasks that x's task is in: a task's own places never vote on themselves. s is the presence
of a thing. Windows of the shapes that people drew are scanned over each task; the best, refined, none on top of another
or of a region, are its candidates.

Probabilities come from what is planted in the data itself (:func:`mixture_share`). Of regions: false ones at places of
the background, and copies moved off their thing. Of candidates: some regions are hidden, and it is seen where they come
out among the candidates. A region's own task does not take part in judging it, so hiding it changes nothing but where
candidates may lie: neither a second fit nor a second scan is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ntk_labelqa.encoders.places import apart, overlaps, touching
from ntk_labelqa.gram.landmarks import landmarks_of
from ntk_labelqa.gram.low_rank import JITTER
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.kernels.dense import DenseNetwork
from ntk_labelqa.kernels.kernel import Kernel

FOLDS = 5
LANDMARKS = 1000
LANDMARK_ROWS = 20_000
"""Places at most that landmarks are drawn from, half of them regions: of most tasks, the background is nearly all."""
RIDGES = (0.5, 0.05, 0.005)
"""Relative to the kernel's diagonal; the one with the least squared error on the folds left out is taken. What it is
matters little."""
PANELS = tuple(2**power for power in range(6, 12))
"""Places whose kernel values are computed at once, filled up to one of these: each number of them is compiled anew."""
FEWEST_BACKGROUND = 4
"""Background places a task at least, where there is room: one of each kind for each region beyond."""
BESIDE = 0.1
"""A window that overlaps a region by this may be where the region should have been."""
SAME = 0.5
"""Intersection over union from which on a candidate is the region that was hidden."""
PEAKS = 15
"""Candidates a task that are refined, and kept, at most."""
REFINED = 2
HIDDEN = 0.2
"""Share of the regions hidden at once: the others still say where candidates may not lie."""
ENOUGH = 20
"""Planted places below which nothing is flagged: their share found would be anything."""
BINS, FEWEST_BINS = 20, 2
"""Steps of a probability, each of as many planted."""
GIVEN_A_BIN = 2
"""Of those that score as the upper half of the planted do: a bin without any says nothing."""
LEAST_TAIL = 0.1
"""Share of the planted above the threshold at which the given are compared with them: of fewer, chance is the least."""
ISSUE = 0.5
RIGHT, NOTHING, MOVED = 0, 1, 2


class Scene(Protocol):
    """What a task shows, and the regions drawn in it. A place is a row of *places*; see
    :mod:`ntk_labelqa.encoders.places`.
    """

    task_id: int
    places: np.ndarray
    """Regions, [R, 4] or [R, 2]; those that several people drew, once."""
    labels: np.ndarray
    """Their classes, int64[R]."""

    def background(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Up to *count* places of usual sizes where no region is, and up to *count* that overlap one in part."""
        ...

    def nowhere(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Up to *count* places of usual sizes where no region is."""
        ...

    def moved(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Copies of regions, moved off their thing, and the regions' rows, int64[n]."""
        ...

    def candidates(self) -> np.ndarray:
        """Places to look at, of all usual sizes."""
        ...

    def around(self, places: np.ndarray, finer: int) -> np.ndarray:
        """Variants of each of *places*, itself among them, [n, v, …]; nearer to it the larger *finer* is."""
        ...

    def features(self, places: np.ndarray) -> np.ndarray:
        """float32[n, D], of one D for all tasks."""
        ...


@dataclass(frozen=True)
class Planted:
    """What is found of errors planted in the data itself. None where none could be planted.

    Attributes:
        count: of those planted.
        recall: share of them that is flagged.
        precision: share of what is flagged that is an error, by the probabilities given.
    """

    count: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class RegionPresence:
    """What is drawn and not there, and what is there and not drawn.

    Attributes:
        regions: one row a region: ``task_id``, ``region`` (its row in the scene), ``probability`` that it is not right
            as drawn, of that ``probability_nothing`` and ``probability_moved`` (it is drawn beside its thing),
            ``score_nothing`` and ``score_moved`` (log-odds of either against right, were they equally common; for
            ranking), ``presence`` (s; low = suspect), ``nearby`` (the best s of a window beside it),
            ``suggested_place`` (that window), ``is_issue``, ``kind`` (``spurious`` or ``shifted``, whichever is
            likelier).
        candidates: one row a place where a region seems to be missing: ``task_id``, ``place``, ``label`` (class code),
            ``presence``, ``probability``, ``is_issue``; the highest presence first.
        spurious, shifted, missing: how well each is found.
        missing_found: share of the hidden regions that came out among the candidates, flagged or not.
    """

    regions: pd.DataFrame
    candidates: pd.DataFrame
    spurious: Planted
    shifted: Planted
    missing: Planted
    missing_found: float | None


def find_region_presence(
    scenes: Sequence[Scene],
    class_count: int,
    *,
    seed: int = 0,
    landmarks: int = LANDMARKS,
    kernel: Kernel | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RegionPresence:
    """Judge every region, and scan every task for what is missing.

    Args:
        scenes: the tasks; those without regions are scanned too.
        class_count: K.
        seed: of folds, landmarks and what is planted. The order of *scenes* does not matter.
        landmarks: m, at most.
        kernel: on the scenes' features; two layers if None.
        progress: called with (tasks done, tasks), over both passes.

    Nothing is judged where fewer than two tasks have regions, or no background was found.

    Cost: two passes over the tasks. n windows of D features take nmD + 40nm flops; memory for the features of the
    regions and of about twice as many places, and an m by m matrix a fold.
    """
    ordered = sorted(scenes, key=lambda scene: scene.task_id)
    tick = progress or (lambda _done, _total: None)
    model = _fitted(ordered, class_count, seed, landmarks, kernel or DenseNetwork(2), tick)
    if model is None:
        return _nothing_judged()
    seen = []
    for done, scene in enumerate(ordered, start=1):
        seen.append(_scanned(scene, model, seed, int(model.fold_of[done - 1])))
        tick(len(ordered) + done, 2 * len(ordered))
    regions, spurious, shifted = _judged_regions(seen)
    candidates, missing, found = _judged_candidates(seen)
    return RegionPresence(regions, candidates, spurious, shifted, missing, found)


@dataclass(frozen=True)
class _Model:
    """The kernel regression of each fold.

    Attributes:
        anchors: landmarks, prepared, [m, D].
        weights: float32[FOLDS, m, K + 1], on kernel values with the landmarks; the last column is the background.
        fold_of: int64[tasks].
    """

    kernel: Kernel
    anchors: np.ndarray
    weights: np.ndarray
    fold_of: np.ndarray

    def predictions(self, features: np.ndarray, fold: int) -> np.ndarray:
        """P, float32[n, K + 1], of places of a task in *fold*."""
        parts = [block @ self.weights[fold] for block in _blocks(self.kernel, features, self.anchors)]
        return np.concatenate([*parts, np.empty((0, self.weights.shape[2]), np.float32)])


def presence_of(predictions: np.ndarray) -> np.ndarray:
    """s, [n]: all classes together less the background, so that a thing of doubtful class is one all the same."""
    return predictions[:, :-1].sum(axis=1) - predictions[:, -1]


def _blocks(kernel: Kernel, features: np.ndarray, anchors: np.ndarray) -> Iterator[np.ndarray]:
    """Kernel values with the anchors, a panel at a time, each padded to a fixed number of rows."""
    for start in range(0, len(features), PANELS[-1]):
        rows = features[start : start + PANELS[-1]]
        panel = next(panel for panel in PANELS if panel >= len(rows))
        padded = np.concatenate([rows, np.repeat(rows[:1], panel - len(rows), axis=0)])
        yield kernel.block(kernel.prepare(padded, np.dtype(np.float32)), anchors)[: len(rows)]


def _rng(seed: int, scene: Scene, purpose: int) -> np.random.Generator:
    """By the task and not by its position."""
    return np.random.default_rng([seed, scene.task_id % 2**63, purpose])


def _fitted(
    scenes: Sequence[Scene],
    class_count: int,
    seed: int,
    landmarks: int,
    kernel: Kernel,
    tick: Callable[[int, int], None],
) -> _Model | None:
    features, codes, tasks = [], [], []
    for row, scene in enumerate(scenes):
        count = len(scene.places)
        background = scene.background(_rng(seed, scene, 0), max(FEWEST_BACKGROUND, count))
        features.append(scene.features(np.concatenate([scene.places, background])))
        codes.append(np.concatenate([scene.labels, np.full(len(background), class_count)]))
        tasks.append(np.full(len(codes[-1]), row))
        tick(row + 1, 2 * len(scenes))
    if not scenes:
        return None
    inputs, classes, task = np.concatenate(features), np.concatenate(codes).astype(np.int64), np.concatenate(tasks)
    is_region = classes < class_count
    if is_region.all() or len(np.unique(task[is_region])) < 2:
        return None
    rng = np.random.default_rng(seed)
    fold_of = _folds(scenes, rng)
    drawn = _drawn_alike(is_region, rng)
    prepared = kernel.prepare(inputs[drawn], np.dtype(np.float32))
    anchors = landmarks_of(kernel, prepared, min(landmarks, max(1, len(drawn) // 2)), seed=seed)
    weights = _weights(kernel, inputs, np.eye(class_count + 1)[classes], fold_of[task], anchors)
    return _Model(kernel, anchors, weights, fold_of)


def _drawn_alike(is_region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of as many regions as places of the background, int64[n], n ≤ LANDMARK_ROWS."""
    kinds = [np.flatnonzero(is_region), np.flatnonzero(~is_region)]
    each = min(LANDMARK_ROWS // 2, *map(len, kinds))
    return np.sort(np.concatenate([rng.permutation(rows)[:each] for rows in kinds]))


def _folds(scenes: Sequence[Scene], rng: np.random.Generator) -> np.ndarray:
    """Tasks with regions are spread evenly, and so are those without: int64[tasks]."""
    folds = np.empty(len(scenes), np.int64)
    for rows in (
        [row for row, scene in enumerate(scenes) if len(scene.places)],
        [row for row, scene in enumerate(scenes) if not len(scene.places)],
    ):
        folds[rows] = rng.permutation(len(rows)) % min(FOLDS, max(len(rows), 1))
    return folds


def _weights(
    kernel: Kernel, inputs: np.ndarray, targets: np.ndarray, folds: np.ndarray, anchors: np.ndarray
) -> np.ndarray:
    """The regression without each fold, float32[FOLDS, m, K + 1]. Cost: N·m² + 15m³ flops.

    With L the landmarks' Cholesky factor, φ(x) = k(x, landmarks) L⁻ᵀ; so weights on kernel values are L⁻ᵀ W.
    """
    own = gram_of(kernel, anchors).astype(np.float64)
    scale, size = float(own.diagonal().mean()), len(anchors)
    whitener = np.linalg.inv(np.linalg.cholesky(own + 10 * JITTER * scale * np.eye(size))).T
    moments, sums = np.zeros((FOLDS, size, size)), np.zeros((FOLDS, size, targets.shape[1]))
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        at = 0
        for block in _blocks(kernel, inputs[rows], anchors):
            mapped = block @ whitener.astype(np.float32)
            moments[fold] += mapped.T @ mapped
            sums[fold] += mapped.T @ targets[rows[at : at + len(block)]].astype(np.float32)
            at += len(block)
    trials = [_cross_fitted(moments, sums, ridge * scale) for ridge in RIDGES]
    best = min(trials, key=lambda trial: trial[1])[0]
    return np.array([whitener @ weights for weights in best], np.float32)


def _cross_fitted(moments: np.ndarray, sums: np.ndarray, shift: float) -> tuple[list[np.ndarray], float]:
    """W of each fold, fitted without it, and the squared error on all that was left out, up to a constant."""
    weights, error = [], 0.0
    for own, targets in zip(moments, sums, strict=True):
        left = moments.sum(axis=0) - own + shift * np.eye(len(own))
        fitted = np.linalg.solve(left, sums.sum(axis=0) - targets)
        weights.append(fitted)
        error += float((fitted * (own @ fitted)).sum() - 2 * (fitted * targets).sum())
    return weights, error


@dataclass(frozen=True)
class _Seen:
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


def _scanned(scene: Scene, model: _Model, seed: int, fold: int) -> _Seen:
    rng = _rng(seed, scene, 1)
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
    return _Seen(
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
    model: _Model,
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


def _judged_regions(seen: Sequence[_Seen]) -> tuple[pd.DataFrame, Planted, Planted]:
    evidence = np.concatenate([each.evidence for each in seen])
    truth = np.concatenate([each.truth for each in seen])
    likelihood = _likelihoods(evidence, truth)
    suspicion = 1.0 - likelihood[:, RIGHT]
    real = truth == RIGHT
    wrong = mixture_share(suspicion[~real], suspicion[real])(suspicion)
    of_wrong = likelihood[:, [NOTHING, MOVED]] / np.maximum(suspicion, 1e-12)[:, None]
    log_odds = np.log(likelihood[:, [NOTHING, MOVED]] + 1e-12) - np.log(likelihood[:, [RIGHT]] + 1e-12)
    flagged = wrong >= ISSUE
    is_moved = of_wrong[:, 1] > of_wrong[:, 0]
    regions = pd.DataFrame(
        {
            "task_id": np.concatenate([np.full((each.truth == RIGHT).sum(), each.task_id) for each in seen]),
            "region": np.concatenate([np.arange((each.truth == RIGHT).sum()) for each in seen]),
            "probability": wrong[real],
            "probability_nothing": (wrong * of_wrong[:, 0])[real],
            "probability_moved": (wrong * of_wrong[:, 1])[real],
            "score_nothing": log_odds[real, 0],
            "score_moved": log_odds[real, 1],
            "presence": evidence[real, 0],
            "nearby": evidence[real, 0] + evidence[real, 2],
            "suggested_place": [tuple(place.tolist()) for each in seen for place in each.better],
            "is_issue": flagged[real],
            "kind": np.where(is_moved, "shifted", "spurious")[real],
        }
    )
    found = [
        Planted(
            count=int((truth == kind).sum()),
            recall=_mean(flagged[truth == kind]),
            precision=_mean(wrong[real & flagged & (is_moved == (kind == MOVED))]),
        )
        for kind in (NOTHING, MOVED)
    ]
    return regions, found[0], found[1]


def _likelihoods(evidence: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How a place with this evidence came about, were right, nothing and moved equally common: float64[n, 3]."""
    from sklearn.linear_model import LogisticRegression

    result = np.zeros((len(truth), 3))
    kinds = np.unique(truth)
    if len(kinds) < 2 or RIGHT not in kinds:
        result[:, RIGHT] = 1.0
        return result
    scaled = (evidence - evidence.mean(axis=0)) / np.maximum(evidence.std(axis=0), 1e-9)
    regression = LogisticRegression(class_weight="balanced", max_iter=1000).fit(scaled, truth)
    result[:, kinds] = regression.predict_proba(scaled)
    return result


def _judged_candidates(seen: Sequence[_Seen]) -> tuple[pd.DataFrame, Planted, float | None]:
    presence = np.concatenate([each.presence for each in seen])
    hidden = np.concatenate([each.hidden for each in seen])
    met = hidden[np.isfinite(hidden)]
    share = mixture_share(met, presence)
    probabilities = share(presence)
    flagged = probabilities >= ISSUE
    candidates = pd.DataFrame(
        {
            "task_id": np.concatenate([np.full(len(each.presence), each.task_id) for each in seen]),
            "place": [tuple(place.tolist()) for each in seen for place in each.found],
            "label": np.concatenate([each.label for each in seen]).astype(np.int64),
            "presence": presence,
            "probability": probabilities,
            "is_issue": flagged,
        }
    )
    recall = float((share(met) >= ISSUE).sum() / len(hidden)) if len(hidden) else None
    missing = Planted(len(hidden), recall, _mean(probabilities[flagged]))
    ordered = candidates.sort_values("presence", ascending=False, kind="stable").reset_index(drop=True)
    return ordered, missing, len(met) / len(hidden) if len(hidden) else None


def mixture_share(planted: np.ndarray, given: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    r"""From a score to the probability that a thing given is of the kind that was planted.

    What is given is a mixture, u(s) = M f₁(s) + f₀(s), and what was planted shows f₁. Where u is least in proportion to
    f₁, there is the least besides that kind; so that M is the most that the given allow,

    .. math:: M = \min_t U(s > t) / F_1(s > t), \qquad p(s) = M f_1(s) / u(s)

    in bins of as many planted each, made monotone. What scores as the planted do and is something else is counted with
    them: nothing in the labels tells it from them. With fewer than :data:`ENOUGH` planted, 0.

    Args:
        planted: scores of what was planted, float[H]; high = of that kind.
        given: scores of what is judged, float[n].
    """
    from sklearn.isotonic import IsotonicRegression

    if len(planted) < ENOUGH or not len(given):
        return lambda scores: np.zeros(len(scores))
    alike = int((given >= np.median(planted)).sum())
    bins = min(BINS, len(planted) // (ENOUGH // 2), max(FEWEST_BINS, alike // GIVEN_A_BIN))
    edges = np.unique(np.quantile(planted, np.linspace(0, 1, bins + 1)))
    inner = edges[1:-1]
    of_planted = np.bincount(np.searchsorted(inner, planted), minlength=len(inner) + 1)
    of_given = np.bincount(np.searchsorted(inner, given[given >= edges[0]]), minlength=len(inner) + 1)
    planted_above, given_above = np.cumsum(of_planted[::-1])[::-1], np.cumsum(of_given[::-1])[::-1]
    enough = planted_above >= max(ENOUGH, LEAST_TAIL * len(planted))
    total = float(((given_above + 1.0) / planted_above)[enough].min())  # M / H; none among few is no proof of none
    # One more is supposed in each bin: an empty one does not say that there is nothing else.
    raw = np.minimum(total * of_planted / (of_given + 1.0), 1.0)
    middles = np.concatenate([[edges[0]], (edges[1:] + edges[:-1]) / 2]) if len(edges) > 1 else edges
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    curve.fit(middles, np.append(0.0, raw)[: len(middles)], sample_weight=np.append(1, of_planted)[: len(middles)])
    return lambda scores: np.where(scores < edges[0], 0.0, curve.predict(np.asarray(scores, np.float64)))


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _nothing_judged() -> RegionPresence:
    none = Planted(0, None, None)
    columns: dict[str, Any] = {"task_id": np.empty(0, np.int64), "region": np.empty(0, np.int64)}
    for name in ("", "_nothing", "_moved"):
        columns[f"probability{name}"] = np.empty(0)
    for name in ("score_nothing", "score_moved", "presence", "nearby"):
        columns[name] = np.empty(0)
    regions = pd.DataFrame({**columns, "suggested_place": [], "is_issue": np.empty(0, bool), "kind": []})
    candidates = pd.DataFrame(
        {
            "task_id": np.empty(0, np.int64),
            "place": [],
            "label": np.empty(0, np.int64),
            "presence": np.empty(0),
            "probability": np.empty(0),
            "is_issue": np.empty(0, bool),
        }
    )
    return RegionPresence(regions, candidates, none, none, none, None)
