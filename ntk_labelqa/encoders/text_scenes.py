"""Texts in which spans are judged: runs of tokens as long as people drew, their letters and what stands around them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ntk_labelqa.encoders.places import overlaps, touching

TOKEN = re.compile(r"[@#$]?\w+(?:[-'’&./]\w+)*|[^\w\s]")
LENGTHS = 0.99
"""Share of the drawn spans that candidates are long enough for."""
MOST_TOKENS = 6
DIRECTIONS = 200
FIT_PLACES = 30_000
"""Places that the directions are fitted on at most."""
RECORD_WEIGHT = 1.0
"""What the record of a string elsewhere, its length and its capitals count beside its letters and surroundings."""
ODDS_WEIGHT, ODDS_SPREAD = 0.5, 4.0
"""What the odds of its clues elsewhere count, and the spread of their logarithm that counts as one."""
MORE = 5
"""Background places for each one asked for: most runs of tokens are no span of any kind."""


class TextScene:
    """One text with its spans; see :class:`ntk_labelqa.diagnostics.region_presence.Scene`."""

    def __init__(self, task_id: int, text: str, places: np.ndarray, labels: np.ndarray, common: _Common) -> None:
        self.task_id, self.text, self._common = task_id, text, common
        self.places = np.asarray(places, np.int64).reshape(-1, 2)
        self.labels = np.asarray(labels, np.int64)
        self._tokens = np.array([found.span() for found in TOKEN.finditer(text)], np.int64).reshape(-1, 2)
        self.strings = [text[start:end].casefold() for start, end in self.places]

    def candidates(self) -> np.ndarray:
        """Runs of tokens that begin and end with a word."""
        words = [any(map(str.isalnum, self.text[start:end])) for start, end in self._tokens]
        runs = [
            (self._tokens[first, 0], self._tokens[last, 1])
            for first in range(len(words))
            for last in range(first, min(first + self._common.longest, len(words)))
            if words[first] and words[last]
        ]
        return np.array(runs, np.int64).reshape(-1, 2)

    def background(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Runs of tokens where no span is, and such that share tokens with one."""
        runs = self.candidates()
        most = overlaps(runs, self.places).max(axis=1, initial=0.0)
        empty, partly = runs[most == 0], runs[(most > 0) & (most < 1)]
        return np.concatenate([each[rng.permutation(len(each))[: MORE * count]] for each in (empty, partly)])

    def nowhere(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Runs of tokens where no span is, as long as spans are."""
        runs = self.candidates()
        runs = runs[~touching(runs, self.places).any(axis=1)]
        if not len(runs):
            return runs
        chance = self._common.length_shares[self._lengths(runs)]
        if not chance.sum():
            return runs[:0]
        return runs[rng.choice(len(runs), count, p=chance / chance.sum())]

    def moved(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Each span with one end moved by a token, and whose it is."""
        found, source = [], []
        for row, span in enumerate(self.places):
            options = [option for option in self._variants(span) if (option[0] == span[0]) != (option[1] == span[1])]
            if options:
                found.append(options[rng.integers(len(options))])
                source.append(row)
        return np.array(found, np.int64).reshape(-1, 2), np.array(source, np.int64)

    def around(self, places: np.ndarray, finer: int) -> np.ndarray:
        """Each span alone, int64[n, 1, 2]: the candidates hold every variant of one another."""
        return places[:, None]

    def features(self, places: np.ndarray) -> np.ndarray:
        """float32[n, D]."""
        return self._common.features(self, places)

    def clues(self, place: np.ndarray) -> list[str]:
        """What the place's letters and surroundings say, as names."""
        start, end = int(place[0]), int(place[1])
        inside = [self._token(at) for at in np.flatnonzero((self._tokens[:, 1] > start) & (self._tokens[:, 0] < end))]
        first = int(np.searchsorted(self._tokens[:, 1], start, side="right"))
        last = int(np.searchsorted(self._tokens[:, 0], end, side="left"))
        span = self.text[start:end]
        clues = [f"all={span.casefold()}", f"form={_form(span)}", f"size={min(len(inside), 5)}"]
        clues += [f"word={token.casefold()}" for token in inside] + [f"forms={_form(token)}" for token in inside]
        if inside:
            clues += [f"first={inside[0].casefold()}", f"last={inside[-1].casefold()}"]
        bounded = f"^{span.casefold()}$"
        clues += [f"letters={bounded[at : at + size]}" for size in (2, 3, 4) for at in range(len(bounded) - size + 1)]
        for distance in (1, 2):
            for side, at in (("before", first - distance), ("after", last + distance - 1)):
                token = self._token(at) if 0 <= at < len(self._tokens) else "|"
                clues += [f"{side}{distance}={token.casefold()}", f"{side}{distance}form={_form(token)}"]
        return clues

    def _token(self, at: int) -> str:
        return self.text[self._tokens[at, 0] : self._tokens[at, 1]]

    def _variants(self, span: np.ndarray) -> list[tuple[int, int]]:
        starts, ends = self._tokens[:, 0], self._tokens[:, 1]
        first = int(np.searchsorted(ends, span[0], side="right"))
        last = int(np.searchsorted(starts, span[1], side="left")) - 1
        found = [
            (int(starts[a]), int(ends[b]))
            for a in range(max(0, first - 1), min(first + 2, len(starts)))
            for b in range(max(a, last - 1), min(last + 2, len(starts)))
        ]
        return [(int(span[0]), int(span[1])), *[each for each in found if each != tuple(span)]][:9]

    def _lengths(self, spans: np.ndarray) -> np.ndarray:
        """In tokens, at most :data:`MOST_TOKENS`."""
        first = np.searchsorted(self._tokens[:, 1], spans[:, 0], side="right")
        last = np.searchsorted(self._tokens[:, 0], spans[:, 1], side="left")
        return np.clip(last - first, 0, MOST_TOKENS)


@dataclass
class _Common:
    """What the texts of a project share.

    Attributes:
        longest: tokens of a candidate at most.
        length_shares: how common spans of 0, 1, … tokens are.
        vectorizer, projection, scale: from clues to letters and surroundings, of unit length on average.
        of_spans, of_background: how often each clue is one of a span and of a place of the background, and in
            ``own`` what each task adds to both.
        drawn, shown: by string, in how many tasks it is a span, and in how many it stands; by letters alone.
    """

    longest: int = 1
    length_shares: np.ndarray = field(default_factory=lambda: np.zeros(MOST_TOKENS + 1))
    drawn: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    vectorizer: Any = None
    projection: Any = None
    scale: float = 1.0
    of_spans: np.ndarray = field(default_factory=lambda: np.zeros(0))
    of_background: np.ndarray = field(default_factory=lambda: np.zeros(0))
    own: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def features(self, scene: TextScene, places: np.ndarray) -> np.ndarray:
        """See :meth:`TextScene.features`."""
        if not len(places):
            return np.empty((0, self.projection.n_components + 6), np.float32)
        weights = self.vectorizer.transform([scene.clues(place) for place in places])
        letters = self.projection.transform(weights) / self.scale
        odds = ODDS_WEIGHT / ODDS_SPREAD * (weights @ self.log_odds(scene.task_id))
        return np.column_stack([letters, odds, RECORD_WEIGHT * self.records(scene, places)]).astype(np.float32)

    def log_odds(self, task_id: int) -> np.ndarray:
        """Of each clue, by how much likelier it is of a span than of the background, in other tasks: float64[V]."""
        spans, background = self.of_spans.copy(), self.of_background.copy()
        for counts, own in zip((spans, background), self.own.get(task_id, ()), strict=False):
            np.subtract.at(counts, own.indices, own.data)
        ratio = max(background.sum(), 1.0) / max(spans.sum(), 1.0)
        return np.log(spans + 1) - np.log((background + ratio) / ratio)

    def records(self, scene: TextScene, places: np.ndarray) -> np.ndarray:
        """How often each string is a span in other tasks, of how many, its length and capitals: float64[n, 5]."""
        own, rows = set(scene.strings), []
        for start, end in places:
            string = scene.text[start:end]
            key = string.casefold()
            drawn = self.drawn[key] - (key in own)
            others = max(self.shown[key] - 1, drawn)
            capitals = sum(map(str.isupper, string)) / max(sum(map(str.isalpha, string)), 1)
            length = min(string.count(" "), MOST_TOKENS) / MOST_TOKENS
            rows.append((drawn / (others + 1.0), np.log1p(others) / 5, length, capitals, 1.0))
        return np.array(rows)


def text_scenes(
    task_ids: Sequence[int],
    texts: Sequence[str],
    places: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    *,
    seed: int = 0,
) -> list[TextScene]:
    """The scenes of texts.

    Args:
        task_ids, texts: one a task.
        places: each one's spans, int[R, 2]: first character, and that after the last.
        labels: their classes, int[R].
        seed: of the sample that the features are fitted on.

    Cost: about 50 µs a run of tokens.
    """
    common = _Common()
    scenes = [TextScene(*each, common) for each in zip(task_ids, texts, places, labels, strict=True)]
    ordered = sorted(scenes, key=lambda scene: scene.task_id)
    lengths = np.concatenate([*(scene._lengths(scene.places) for scene in scenes), np.empty(0, np.int64)])
    if not len(lengths):
        return []
    common.longest = int(np.clip(np.quantile(lengths, LENGTHS), 1, MOST_TOKENS))
    common.length_shares = np.bincount(lengths, minlength=MOST_TOKENS + 1) / len(lengths)
    for scene in ordered:
        common.drawn.update(set(scene.strings))
        common.shown.update({scene.text[start:end].casefold() for start, end in scene.candidates()})
    _fit(common, ordered, seed)
    return scenes


def _fit(common: _Common, scenes: Sequence[TextScene], seed: int) -> None:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    clues, tasks, is_span = _sampled(scenes, np.random.default_rng(seed))
    common.vectorizer = TfidfVectorizer(analyzer=_as_is, sublinear_tf=True, dtype=np.float32, max_features=50_000)
    weights = common.vectorizer.fit_transform(clues).tocsr()
    directions = max(1, min(DIRECTIONS, *(side - 1 for side in weights.shape)))
    common.projection = TruncatedSVD(directions, random_state=seed)
    common.scale = float(np.sqrt(np.square(common.projection.fit_transform(weights)).sum(axis=1).mean())) or 1.0
    counts = (weights > 0).astype(np.float64)
    common.of_spans = np.asarray(counts[is_span].sum(axis=0)).ravel()
    common.of_background = np.asarray(counts[~is_span].sum(axis=0)).ravel()
    bounds = np.searchsorted(tasks, np.arange(len(scenes) + 1))
    for row, scene in enumerate(scenes):
        own, spans = counts[bounds[row] : bounds[row + 1]], is_span[bounds[row] : bounds[row + 1]]
        common.own[scene.task_id] = (own[spans], own[~spans])


def _sampled(scenes: Sequence[TextScene], rng: np.random.Generator) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
    """Clues of the spans and of as many places of the background as the budget leaves; whose they are, by the scene's
    row, ascending; and which are spans.
    """
    each = max(1, (FIT_PLACES - sum(len(scene.places) for scene in scenes)) // len(scenes))
    clues, tasks, is_span = [], [], []
    for row, scene in enumerate(scenes):
        runs = scene.candidates()
        if len(runs):
            runs = runs[~(overlaps(runs, scene.places) == 1).any(axis=1)]
        chosen = runs[rng.permutation(len(runs))[:each]]
        clues += [scene.clues(place) for place in np.concatenate([scene.places, chosen])]
        tasks += [row] * (len(scene.places) + len(chosen))
        is_span += [True] * len(scene.places) + [False] * len(chosen)
    return clues, np.array(tasks), np.array(is_span)


def _as_is(clues: list[str]) -> list[str]:
    return clues


def _form(text: str) -> str:
    """Its kinds of letters, runs shortened: ``Xx`` for a capitalised word, ``X``, ``x``, ``0``.

    >>> _form("iPhone 4S")
    'xXx 0X'
    """
    kinds = ["X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in text]
    return "".join(kind for at, kind in enumerate(kinds) if at == 0 or kind != kinds[at - 1])[:12]
