"""Texts without a download: TF-IDF weights, projected to a few hundred directions (latent semantic analysis)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DIRECTIONS = 300


def encode_texts(texts: Sequence[str], *, seed: int = 0, directions: int = DIRECTIONS) -> np.ndarray:
    """Latent semantic features of *texts*, float32[N, min(directions, vocabulary)], one row a text.

    Words and pairs of words, sublinear term frequency. The row of a text without a known word is zero. The projection
    is fitted on these texts alone; features of two different data sets cannot be compared.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", dtype=np.float32)
    if not any(text.strip() for text in texts):
        return np.zeros((len(texts), 1), np.float32)
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # scikit-learn's answer to texts of punctuation alone
        return np.zeros((len(texts), 1), np.float32)
    kept = min(directions, *(side - 1 for side in weights.shape))
    if kept < 1:
        return np.asarray(weights.todense(), np.float32)
    return TruncatedSVD(kept, random_state=seed).fit_transform(weights).astype(np.float32)
