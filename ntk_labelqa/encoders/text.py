"""Texts without a download: TF-IDF weights, projected to a few hundred directions (latent semantic analysis)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ntk_labelqa.dataset import LabeledDataset, split_span
from ntk_labelqa.encoders.encoder import TEXTS, Encoding, Progress
from ntk_labelqa.errors import InvalidInputError

DIRECTIONS = 300
SPAN_DIRECTIONS, CONTEXT_DIRECTIONS = 200, 100
_WORDS: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
Fitted = Callable[[Sequence[str]], np.ndarray]
CONTEXT_WEIGHT = 0.5
"""What the words around a span count beside its own: they tell a name of a place from that of a person, not more."""


_FILE_ADDRESS = re.compile(
    r"([a-z][a-z0-9+.-]*://|/data/)\S+\.(txt|text|md|json|jsonl|csv|tsv|xml|html?|pdf|docx?|rtf)(\?\S*)?"
    r"|(?!https?:)[a-z][a-z0-9+.-]*://\S+|/data/\S+",
    re.IGNORECASE,
)
"""Of a file by its ending, or by a scheme that leads nowhere else; web addresses as such may be what is judged."""


class Words:
    """The words of texts, and of spans and what stands around them."""

    name, kinds = "text", TEXTS

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """See :func:`encode_texts` and :func:`encode_spans`."""
        values = dataset.items["value"].tolist()
        refuse_addresses(dataset)
        if dataset.kind == "span":
            return Encoding(encode_spans(list(map(split_span, values)), seed=seed))
        return Encoding(encode_texts(values, seed=seed))


def refuse_addresses(dataset: LabeledDataset) -> None:
    """Raise InvalidInputError where most texts are addresses of files: their letters say nothing of what is in them."""
    values = dataset.items["value"].tolist()
    behind = [row for row, value in enumerate(values) if _FILE_ADDRESS.fullmatch(value.strip())]
    if 2 * len(behind) > len(values):
        raise InvalidInputError(
            f"{len(behind)} of {len(values)} texts are addresses of files, for example that of task "
            f"{dataset.items['task_id'].iloc[behind[0]]}: {values[behind[0]]!r}.",
            why="What is in the files is not read.",
            remedy="Import the texts themselves, or give features of them with --features.",
        )


def encode_texts(texts: Sequence[str], *, seed: int = 0, directions: int = DIRECTIONS) -> np.ndarray:
    """Latent semantic features of *texts*, float32[N, min(directions, vocabulary)], one row a text.

    Words and pairs of words, sublinear term frequency. The row of a text without a known word is zero. The projection
    is fitted on these texts alone; features of two different data sets cannot be compared.
    """
    return _features(texts, seed=seed, directions=directions, **_WORDS)


def fit_texts(texts: Sequence[str], *, seed: int = 0, directions: int = DIRECTIONS) -> tuple[np.ndarray, Fitted]:
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


def _fitted(texts: Sequence[str], *, seed: int, directions: int, **how: Any) -> tuple[np.ndarray, Fitted]:
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
