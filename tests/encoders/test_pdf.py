"""PDFs: their words, and what has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import pytest

from ntk_labelqa.dataset import LabeledDataset, from_arrays
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.encoder import TEXTS
from ntk_labelqa.encoders.files import UnreadableFile
from ntk_labelqa.encoders.pdf import text_of
from ntk_labelqa.encoders.pretrained import Embeddings
from ntk_labelqa.encoders.text import encode_texts
from tests.media_files import save_pdf


def pdfs(folder: Path, texts: list[str]) -> LabeledDataset:
    for row, text in enumerate(texts):
        save_pdf(folder / f"{row}.pdf", text)
    paths = [str(folder / f"{row}.pdf") for row in range(len(texts))]
    items = pd.DataFrame({"task_id": np.arange(len(texts)), "value": "", "path": paths})
    return replace(from_arrays(["a", "b"] * (len(texts) // 2)), kind="pdf", items=items)


def encrypted(path: Path, password: str) -> None:
    """The PDF at *path*, so that *password* is needed to read it."""
    writer = pypdf.PdfWriter(clone_from=path)
    writer.encrypt(password, "owner", algorithm="RC4-128")
    writer.write(path)


TEXTS_OF_TWO = ["the ship and the harbour", "a loan of the bank", "the harbour at tide", "the bank and its interest"]


def test_features_are_those_of_the_texts(tmp_path: Path) -> None:
    features = encode(pdfs(tmp_path, TEXTS_OF_TWO)).features
    np.testing.assert_allclose(features, encode_texts(TEXTS_OF_TWO), atol=1e-6)


def test_a_scan_without_a_text_is_blank(tmp_path: Path) -> None:
    encoded = encode(pdfs(tmp_path, ["the ship", "a loan", "", "the harbour"]))
    assert encoded.dataset.left_out[0].ids == (2,)


def test_only_a_password_that_is_needed_stands_in_the_way(tmp_path: Path) -> None:
    for name, password in (("open", ""), ("closed", "secret")):
        save_pdf(tmp_path / f"{name}.pdf", "the ship")
        encrypted(tmp_path / f"{name}.pdf", password)
    assert text_of(str(tmp_path / "open.pdf")).strip() == "the ship"
    with pytest.raises(UnreadableFile, match="encrypted PDF"):
        text_of(str(tmp_path / "closed.pdf"))


def test_pages_are_read_in_order_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = pypdf.PdfWriter()
    for word in ("one", "two", "three"):
        save_pdf(tmp_path / "page.pdf", word)
        writer.append(str(tmp_path / "page.pdf"))
    writer.write(tmp_path / "book.pdf")
    assert text_of(str(tmp_path / "book.pdf")).split() == ["one", "two", "three"]
    monkeypatch.setattr("ntk_labelqa.encoders.pdf.MOST_PAGES", 2)
    assert text_of(str(tmp_path / "book.pdf")).split() == ["one", "two"]


class Letters:
    """A model of texts: how many letters they have, and a one."""

    kinds, identity = TEXTS, "letters"

    def load(self):
        return lambda batch: np.array([[len(text), 1.0] for text in batch], np.float32)


def test_pretrained_models_of_texts_read_pdfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ntk_labelqa.encoders.registry.find", lambda name: Embeddings(name, Letters(), "letters"))
    encoded = encode(pdfs(tmp_path, ["the ship", "a loan", "", "the harbour"]), encoder="letters")
    assert encoded.features.tolist() == [[8, 1], [6, 1], [11, 1]]
    assert encoded.dataset.left_out[0].ids == (2,)
