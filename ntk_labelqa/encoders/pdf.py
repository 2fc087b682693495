"""PDFs: the text of their pages."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ntk_labelqa.dataset import ItemKind, LabeledDataset
from ntk_labelqa.encoders.encoder import Encoding, Progress, paths_of
from ntk_labelqa.encoders.files import Extra, UnreadableFile
from ntk_labelqa.encoders.text import encode_texts

PDF = Extra("pdf", ("pypdf",), "PDFs")
MOST_PAGES = 50
"""Pages that are read, from the first."""


class Pages:
    """The words of PDFs."""

    name = "pdf"
    kinds: frozenset[ItemKind] = frozenset({"pdf"})

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """Features of the words, as :func:`ntk_labelqa.encoders.text.encode_texts` makes them; zero without a text."""
        texts, read = [], reader(dataset)
        for path in (paths := paths_of(dataset)):
            texts.append(read(path))
            if progress:
                progress(len(texts), len(paths))
        note = "Features are the words of the pages; pictures in them are not read."
        return Encoding(encode_texts(texts, seed=seed), note)


def reader(_dataset: LabeledDataset) -> Callable[[str], str]:
    """What reads a PDF, see :func:`text_of`; raises InvalidInputError where a library is missing."""
    PDF.check()
    return text_of


def text_of(path: str) -> str:
    """The text of the first :data:`MOST_PAGES` pages; empty for scans without one.

    Raises UnreadableFile where a password is needed, and what pypdf raises for damaged files.

    Cost: some milliseconds to some hundred a page, by how full it is.
    """
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every flaw that it gets over
    document = pypdf.PdfReader(path)
    if document.is_encrypted and not _opens_without_a_password(document):
        raise UnreadableFile("encrypted PDF")
    text = "\n".join(page.extract_text() for page in document.pages[:MOST_PAGES])
    return text.encode("utf-8", "ignore").decode("utf-8")  # half characters are no text to others


def _opens_without_a_password(document: object) -> bool:
    import pypdf

    assert isinstance(document, pypdf.PdfReader)
    try:
        return bool(document.decrypt(""))
    except (pypdf.errors.DependencyError, NotImplementedError):
        return False
