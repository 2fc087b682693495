"""From scores to probabilities, by what was planted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa.diagnostics.region_presence.scan import MOVED, NOTHING, RIGHT, Scanned

ENOUGH = 20
"""Planted places below which nothing is flagged: their share found would be anything."""
BINS, FEWEST_BINS = 20, 2
"""Steps of a probability, each of as many planted."""
GIVEN_A_BIN = 2
"""Of those that score as the upper half of the planted do: a bin without any says nothing."""
LEAST_TAIL = 0.1
"""Share of the planted above the threshold at which the given are compared with them: of fewer, chance is the least."""
ISSUE = 0.5
"""Probability from which on a region, or a candidate, is flagged."""


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


def judged_regions(seen: Sequence[Scanned]) -> tuple[pd.DataFrame, Planted, Planted]:
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


def judged_candidates(seen: Sequence[Scanned]) -> tuple[pd.DataFrame, Planted, float | None]:
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


def nothing_judged() -> RegionPresence:
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
