"""Texts in which spans are judged: runs of tokens as long as people drew, their letters and what stands around them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
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
RECORD_WEIGHT = 0.5
"""What the record of a string elsewhere, its length and its capitals count beside its letters and surroundings."""
MORE = 2
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
        """Each span with its ends moved by up to a token, int64[n, 9, 2]; those that cannot be are itself."""
        results = []
        for span in places:
            variants = self._variants(span)
            results.append(variants + [tuple(span)] * (9 - len(variants)))
        return np.array(results, np.int64).reshape(-1, 9, 2)

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
        drawn, shown: by string, in how many tasks it is a span, and in how many it stands; by letters alone.
    """

    longest: int = 1
    length_shares: np.ndarray = field(default_factory=lambda: np.zeros(MOST_TOKENS + 1))
    drawn: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    vectorizer: Any = None
    projection: Any = None

    def features(self, scene: TextScene, places: np.ndarray) -> np.ndarray:
        """See :meth:`TextScene.features`."""
        width = self.projection.n_components
        if not len(places):
            return np.empty((0, width + 5), np.float32)
        letters = self.projection.transform(self.vectorizer.transform([scene.clues(place) for place in places]))
        return np.column_stack([letters, RECORD_WEIGHT * self.records(scene, places)]).astype(np.float32)

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

    rng = np.random.default_rng(seed)
    clues = list(_sampled(scenes, rng))
    common.vectorizer = TfidfVectorizer(analyzer=_as_is, sublinear_tf=True, dtype=np.float32, max_features=50_000)
    weights = common.vectorizer.fit_transform(clues)
    directions = max(1, min(DIRECTIONS, *(side - 1 for side in weights.shape)))
    common.projection = TruncatedSVD(directions, random_state=seed).fit(weights)


def _sampled(scenes: Sequence[TextScene], rng: np.random.Generator) -> Iterator[list[str]]:
    """Clues of the spans, and of as many places of the background as the budget leaves."""
    each = max(1, (FIT_PLACES - sum(len(scene.places) for scene in scenes)) // len(scenes))
    for scene in scenes:
        runs = scene.candidates()
        chosen = runs[rng.permutation(len(runs))[:each]]
        for place in np.concatenate([scene.places, chosen])[:FIT_PLACES]:
            yield scene.clues(place)


def _as_is(clues: list[str]) -> list[str]:
    return clues


def _form(text: str) -> str:
    """Its kinds of letters, runs shortened: ``Xx`` for a capitalised word, ``X``, ``x``, ``0``.

    >>> _form("iPhone 4S")
    'xXx 0X'
    """
    kinds = ["X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in text]
    return "".join(kind for at, kind in enumerate(kinds) if at == 0 or kind != kinds[at - 1])[:12]
