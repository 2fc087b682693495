"""Texts without a download: TF-IDF weights, projected to a few hundred directions (latent semantic analysis)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

DIRECTIONS = 300
SPAN_DIRECTIONS, CONTEXT_DIRECTIONS = 200, 100
_WORDS: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
Encoder = Callable[[Sequence[str]], np.ndarray]
CONTEXT_WEIGHT = 0.5
"""What the words around a span count beside its own: they tell a name of a place from that of a person, not more."""


def encode_texts(texts: Sequence[str], *, seed: int = 0, directions: int = DIRECTIONS) -> np.ndarray:
    """Latent semantic features of *texts*, float32[N, min(directions, vocabulary)], one row a text.

    Words and pairs of words, sublinear term frequency. The row of a text without a known word is zero. The projection
    is fitted on these texts alone; features of two different data sets cannot be compared.
    """
    return _features(texts, seed=seed, directions=directions, **_WORDS)


def fit_texts(texts: Sequence[str], *, seed: int = 0, directions: int = DIRECTIONS) -> tuple[np.ndarray, Encoder]:
    """:func:`encode_texts` of *texts*, and the encoder fitted on them, which gives further texts the same features.

    A further text whose words none of *texts* has gets a row of zeros.
    """
    return _fitted(texts, seed=seed, directions=directions, **_WORDS)


def encode_spans(spans: Sequence[tuple[str, str, str]], *, seed: int = 0) -> np.ndarray:
    """Features of spans in their context, float32[N, D]: the letters of each span, and the words around it.

    Args:
        spans: text before, the span, text after, one an item.
        seed: for the projections.

    The row of a blank span is zero.
    """
    inside = [span for _before, span, _after in spans]
    around = [f"{before} {after}" for before, _span, after in spans]
    letters = _features(
        inside, seed=seed, directions=SPAN_DIRECTIONS, analyzer="char_wb", ngram_range=(1, 4), lowercase=False
    )
    words = CONTEXT_WEIGHT * encode_texts(around, seed=seed, directions=CONTEXT_DIRECTIONS)
    features = np.concatenate([letters, words], axis=1)
    features[[not span.strip() for span in inside]] = 0.0
    return features


def _features(texts: Sequence[str], *, seed: int, directions: int, **how: Any) -> np.ndarray:
    return _fitted(texts, seed=seed, directions=directions, **how)[0]


def _fitted(texts: Sequence[str], *, seed: int, directions: int, **how: Any) -> tuple[np.ndarray, Encoder]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **how)
    if not any(text.strip() for text in texts):
        return _nothing(texts), _nothing
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # scikit-learn's answer to texts of punctuation alone
        return _nothing(texts), _nothing
    kept = min(directions, *(side - 1 for side in weights.shape))
    if kept < 1:
        return weights.toarray(), lambda further: vectorizer.transform(further).toarray()
    projection = TruncatedSVD(kept, random_state=seed)
    features = projection.fit_transform(weights).astype(np.float32)
    return features, lambda further: projection.transform(vectorizer.transform(further)).astype(np.float32)


def _nothing(texts: Sequence[str]) -> np.ndarray:
    return np.zeros((len(texts), 1), np.float32)
