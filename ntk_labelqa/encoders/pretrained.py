"""Items through a pretrained model: each content once, in batches, kept as they are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from ntk_labelqa.cache import cache_root
from ntk_labelqa.contents import contents
from ntk_labelqa.dataset import LabeledDataset, split_span
from ntk_labelqa.encoders import frames, pdf
from ntk_labelqa.encoders.encoder import PICTURES, TEXTS, EncodeBatch, Encoding, Model, Progress, kinds_read, paths_of
from ntk_labelqa.encoders.store import EmbeddingStore
from ntk_labelqa.encoders.text import refuse_addresses
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from ntk_labelqa.images import decoded, eight_bit

BATCH = 32
"""Items embedded, and kept, at a time: what a kill can cost, and what Ctrl-C waits for."""
READERS = 2
"""Threads that decode the next batch while the model works."""


class Embeddings:
    """Embeddings by a pretrained model.

    Args:
        name: as it was asked for.
        model: that makes them; it is brought into memory only where an item is new.
        about: the model in words, for the audit's notes.
    """

    def __init__(self, name: str, model: Model, about: str) -> None:
        self.name, self.model, self.about, self.kinds = name, model, about, kinds_read(model.kinds)

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """One embedding an item, float32[N, D]; zero where a text is blank, or an image of one colour.

        That of a video is the mean of its frames'; that of a PDF is its text's.

        Cost: one pass of the model over contents that it has not seen before, one look-up for all others.
        """
        if dataset.kind in TEXTS:
            refuse_addresses(dataset)
        inputs, prepare = inputs_of(dataset)
        model: Model = frames.FramesModel(self.model) if dataset.kind == "video" else self.model
        rows = embed(model, contents(dataset).tolist(), inputs, prepare, progress=progress)
        return Encoding(rows, f"Features are embeddings by {self.about}.")


class InMemory:
    """A model that stays in memory once it was needed, for a service that is asked again and again."""

    def __init__(self, model: Model) -> None:
        self.kinds, self.identity = model.kinds, model.identity
        self.load = cache(model.load)


def inputs_of(dataset: LabeledDataset) -> tuple[list[str], Callable[[str], Any]]:
    """What a model is given of each item: its file or text, and how that becomes an input; None where it is blank."""
    if dataset.kind in PICTURES:
        return paths_of(dataset), as_picture
    if dataset.kind in TEXTS:
        values = dataset.items["value"].tolist()
        texts = [_span_first(*split_span(value)) for value in values] if dataset.kind == "span" else values
        return texts, lambda text: text.encode(errors="replace").decode() if text.strip() else None
    if dataset.kind == "video":
        read = frames.reader(dataset)
        return paths_of(dataset), lambda path: None if frames.are_blank(shown := read(path)) else shown
    if dataset.kind == "pdf":
        text_of = pdf.reader(dataset)
        return paths_of(dataset), lambda path: text_of(path).strip() or None
    raise InvalidInputError(f"No pretrained model reads items of kind {dataset.kind!r}.", remedy="Give --features.")


def _span_first(before: str, span: str, after: str) -> str:
    """A span and then its context: by the context alone, all spans of one sentence would be the same."""
    return f"{span}: {before}{span}{after}" if span.strip() else ""


def embed(
    model: Model,
    keys: Sequence[str],
    inputs: Sequence[str],
    prepare: Callable[[str], Any],
    *,
    progress: Progress | None = None,
) -> np.ndarray:
    """Embeddings of *inputs*, float32[N, D], from the store as far as they are there.

    Args:
        model: that embeds.
        keys: a hash of each input; equal ones are embedded once.
        inputs: files or texts.
        prepare: an input to what the model is given; None where there is nothing to embed, whose row is zero.
        progress: called with (new contents done, new contents).

    Raises InvalidInputError where the model cannot be loaded, or cannot read these items.
    """
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    with EmbeddingStore(cache_root() / "embeddings.sqlite") as store:
        known = store.get(model.identity, list(first))
        new = [key for key in first if key not in known]
        if new:
            encode = _loaded(model)
            done = 0
            for some, batch in _prepared(new, [inputs[first[key]] for key in new], prepare):
                rows = _encoded(encode, batch)
                store.put(model.identity, some, rows)
                known.update(zip(some, rows, strict=True))
                done += len(some)
                if progress:
                    progress(done, len(new))
    lengths = {len(row) for row in known.values() if len(row)}
    if len(lengths) > 1:
        raise InvalidInputError(
            f"The model gives {' or '.join(map(str, sorted(lengths)))} numbers an item.",
            why="It is not the one that made those that are kept, though its `identity` says so.",
            remedy=f"Give it another `identity`, or delete {cache_root() / 'embeddings.sqlite'}.",
        )
    features = np.zeros((len(keys), max(lengths, default=1)), np.float32)
    for row, key in enumerate(keys):
        features[row, : len(known[key])] = known[key]
    return features


def _loaded(model: Model) -> EncodeBatch:
    """*model* in memory, made to say in one way that it fails: models of other packages raise whatever they like."""

    def tried(what: str, run: Callable[..., Any], *given: Any) -> Any:
        try:
            return run(*given)
        except LabelQAError:
            raise
        except Exception as error:
            raise InvalidInputError(
                f"The model {what}: {type(error).__name__}: {error}",
                remedy="Ask those who make it, or take another encoder.",
            ) from error

    encode = tried("cannot be loaded", model.load)
    return lambda batch: tried("fails on these items", lambda: np.asarray(encode(batch), np.float32))


def _prepared(
    keys: Sequence[str], inputs: Sequence[str], prepare: Callable[[str], Any]
) -> Iterator[tuple[Sequence[str], list[Any]]]:
    """Batches of prepared inputs with their keys; the next one is under way while a batch is being used."""
    pool = ThreadPoolExecutor(READERS)
    try:
        under_way: deque[tuple[Sequence[str], Iterator[Any]]] = deque()
        for start in range(0, len(keys), BATCH):
            part = slice(start, start + BATCH)
            under_way.append((keys[part], pool.map(prepare, inputs[part])))
            if len(under_way) > 1:
                some, ready = under_way.popleft()
                yield some, list(ready)
        for some, ready in under_way:
            yield some, list(ready)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _encoded(encode: EncodeBatch, batch: Sequence[Any]) -> list[np.ndarray]:
    """The embedding of each input of a batch, float32[D]; empty where the input is None."""
    there = [given for given in batch if given is not None]
    made = encode(there) if there else np.empty((0, 1), np.float32)
    if made.ndim != 2 or len(made) != len(there) or not made.shape[1] or not np.isfinite(made).all():
        raise InvalidInputError(
            f"The model gives {list(made.shape)} numbers for {len(there)} items, or numbers that are not finite.",
            remedy="Take another model, or one of full precision.",
        )
    rows = iter(made)
    return [np.empty(0, np.float32) if given is None else next(rows) for given in batch]


def as_picture(path: str) -> Any:
    """The image at *path* as a model is given it: RGB, as it is decoded everywhere; None where it is of one colour."""
    image = eight_bit(decoded(path)).convert("RGB")
    is_blank = image.getcolors(1) is not None  # it gives up at the second colour
    return None if is_blank else image
