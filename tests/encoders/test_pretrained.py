"""Real photos and sentences through real pretrained models: what is alike, and that nothing is embedded twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from ntk_labelqa.cache import cache_root
from ntk_labelqa.dataset import LabeledDataset, from_arrays
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.encoder import PICTURES, TEXTS
from ntk_labelqa.encoders.model_folder import open_model
from ntk_labelqa.encoders.model_outputs import one_vector
from ntk_labelqa.encoders.onnx import OnnxModel
from ntk_labelqa.encoders.pretrained import BATCH, embed
from ntk_labelqa.encoders.store import EmbeddingStore
from ntk_labelqa.errors import InvalidInputError

QUESTIONS = [
    "How old is the president of France?",
    "What is the age of the French head of state?",
    "Which city hosted the Olympic games in 1992?",
    "Where were the 1992 summer Olympics held?",
]


def images(paths: list[Path]) -> LabeledDataset:
    items = pd.DataFrame({"task_id": np.arange(len(paths)), "value": "", "path": list(map(str, paths))})
    return replace(from_arrays(["a", "b"] * (len(paths) // 2)), kind="image", items=items)


def texts(values: list[str]) -> LabeledDataset:
    plain = from_arrays(["a", "b"] * (len(values) // 2))
    return replace(plain, kind="text", items=plain.items.assign(value=pd.Series(values, dtype=object)))


def cosines(features: np.ndarray) -> np.ndarray:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two views each of a temple and of a flower."""
    folder = tmp_path_factory.mktemp("photos")
    for photo, name in zip(load_sample_images().images, ("temple", "flower"), strict=True):
        Image.fromarray(photo[60:400, 80:420]).save(folder / f"{name}1.png")
        Image.fromarray(photo[20:420, 120:560]).save(folder / f"{name}2.png")
    return [folder / f"{name}{view}.png" for name in ("temple", "flower") for view in (1, 2)]


def test_photos_of_one_thing_are_alike(photo_model: Path, photos: list[Path]) -> None:
    encoded = encode(images(photos), encoder=f"onnx:{photo_model}")
    alike = cosines(encoded.features)
    assert encoded.features.shape == (4, 1280)
    assert min(alike[0, 1], alike[2, 3]) > alike[:2, 2:].max() + 0.2
    assert "embeddings by the model in" in encoded.dataset.provenance.notes[-1]


def test_sentences_of_one_meaning_are_alike(sentence_model: Path) -> None:
    alike = cosines(encode(texts(QUESTIONS), encoder=f"onnx:{sentence_model}").features)
    assert min(alike[0, 1], alike[2, 3]) > alike[:2, 2:].max() + 0.3


def test_a_sentence_has_the_same_embedding_whatever_else_is_in_the_batch(sentence_model: Path) -> None:
    encode_batch = open_model(sentence_model).load()
    alone = encode_batch([QUESTIONS[0]])
    together = encode_batch([QUESTIONS[0], "a much longer text " * 40])
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_of_a_span_its_context_is_read_as_well(sentence_model: Path) -> None:
    words = ["I paid at the ⟦bank⟧ counter", "We sat on the ⟦bank⟧ of the river"]
    spans = replace(texts(words), kind="span")
    assert cosines(encode(spans, encoder=f"onnx:{sentence_model}").features)[0, 1] < 0.9


def test_spans_of_one_sentence_are_told_apart(sentence_model: Path) -> None:
    words = ["⟦Anna⟧ flew to Berlin", "Anna flew to ⟦Berlin⟧", "an ⟦ ⟧ apple", "none"]
    encoded = encode(replace(texts(words), kind="span"), encoder=f"onnx:{sentence_model}")
    assert encoded.dataset.left_out[0].ids == (2, 3)
    assert cosines(encoded.features)[0, 1] < 0.97


def test_blank_texts_and_images_of_one_colour_are_left_out(
    sentence_model: Path, photo_model: Path, tmp_path: Path, photos: list[Path]
) -> None:
    for _again in range(2):  # the second time from what is kept
        encoded = encode(texts(["a text", " ", "another", ""]), encoder=f"onnx:{sentence_model}")
        assert encoded.dataset.left_out[0].ids == (1, 3)
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    encoded = encode(images([photos[0], tmp_path / "white.png"]), encoder=f"onnx:{photo_model}")
    assert encoded.dataset.left_out[0].ids == (1,)


def test_what_was_embedded_is_not_embedded_again(
    photo_model: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = encode(images(photos), encoder=f"onnx:{photo_model}").features
    monkeypatch.setattr(OnnxModel, "load", lambda _self: pytest.fail("the model was loaded"))
    again = encode(images([photos[2], photos[0]]), encoder=f"onnx:{photo_model}").features
    np.testing.assert_array_equal(again, first[[2, 0]])


def test_another_model_or_other_settings_embed_anew(photo_model: Path, photos: list[Path], tmp_path: Path) -> None:
    first = encode(images(photos), encoder=f"onnx:{photo_model}").features
    (tmp_path / "model.onnx").symlink_to(photo_model / "model.onnx")
    settings = json.loads((photo_model / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": [0.0] * 3}))
    assert not np.allclose(encode(images(photos), encoder=f"onnx:{tmp_path}").features, first)


class Counting:
    """A model that says how many inputs it was given."""

    kinds, identity = TEXTS, "counts letters"

    def __init__(self) -> None:
        self.given: list[Any] = []

    def load(self):
        def encode_batch(batch):
            self.given += batch
            return np.array([[len(text), 1.0] for text in batch])

        return encode_batch


def test_equal_contents_are_embedded_once() -> None:
    model = Counting()
    rows = embed(model, ["x", "y", "x"], ["aa", "bbb", "aa"], lambda text: text)
    assert (rows.tolist(), sorted(model.given)) == ([[2, 1], [3, 1], [2, 1]], ["aa", "bbb"])


def test_numbers_that_are_not_finite_are_an_error_and_not_kept() -> None:
    model = Counting()
    model.load = lambda: lambda batch: np.full((len(batch), 2), np.nan)  # type: ignore[method-assign]
    with pytest.raises(InvalidInputError, match="not finite"):
        embed(model, ["x"], ["aa"], lambda text: text)
    assert EmbeddingStore(cache_root() / "embeddings.sqlite").counts() == {}


def test_an_embedding_of_another_length_is_an_error_and_not_filled_up() -> None:
    model = Counting()
    embed(model, ["x"], ["aa"], lambda text: text)
    model.load = lambda: lambda batch: np.ones((len(batch), 3))  # type: ignore[method-assign]
    with pytest.raises(InvalidInputError, match=r"2 or 3 numbers an item.*identity"):
        embed(model, ["x", "y"], ["aa", "bbb"], lambda text: text)


def refuse(*_: object) -> None:
    raise RuntimeError("no licence")


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (refuse, "cannot be loaded: RuntimeError: no licence"),
        (lambda: refuse, "fails on these items: RuntimeError: no licence"),
        (lambda: lambda _batch: [[1, 2], [1]], "fails on these items: ValueError"),
        (lambda: lambda batch: np.ones((len(batch), 0)), r"gives \[2, 0\] numbers for 2 items"),
    ],
)
def test_a_model_of_another_package_that_fails_is_named_as_what_failed(load: Any, said: str) -> None:
    model = Counting()
    model.load = load  # type: ignore[method-assign]
    with pytest.raises(InvalidInputError, match=said):
        embed(model, ["x", "y"], ["aa", "bbb"], lambda text: text)


def test_half_a_character_is_read_as_an_unknown_one(sentence_model: Path) -> None:
    rows = encode(texts(["why\ud83d", "why\ufffd", "because", "so"]), encoder=f"onnx:{sentence_model}").features
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


SLOW = """
import sys, time, numpy as np
from ntk_labelqa.encoders.encoder import TEXTS
from ntk_labelqa.encoders.pretrained import embed

class Slow:
    kinds, identity = TEXTS, "slow"
    def load(self):
        def encode(batch):
            time.sleep(0.05)
            with open(sys.argv[1], "a") as log:
                log.writelines(text + "\\n" for text in batch)
            return np.array([[int(text), 1.0] for text in batch])
        return encode

names = [str(number) for number in range(1000)]
rows = embed(Slow(), names, names, lambda text: text)
assert rows[:, 0].tolist() == list(range(1000))
"""


@pytest.mark.long
def test_killed_three_times_and_resumed_nothing_kept_is_embedded_again(tmp_path: Path, empty_cache: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(tmp_path / "log")]
    kept: set[str] = set()
    for _kill in range(3):
        process = subprocess.Popen(command)
        until = len(kept) + 5 * BATCH
        while len(kept) < until:
            assert process.poll() is None
            time.sleep(0.02)
            kept = _kept(empty_cache)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command).returncode == 0
    times = Counter((tmp_path / "log").read_text().split())
    assert len(times) == 1000
    assert sum(times.values()) - 1000 <= 3 * BATCH  # the batch that was in the works at each kill


def _kept(cache: Path) -> set[str]:
    import sqlite3

    if not (cache / "embeddings.sqlite").is_file():
        return set()
    connection = sqlite3.connect(f"file:{cache / 'embeddings.sqlite'}?mode=ro", uri=True)
    try:
        return {content for (content,) in connection.execute("SELECT content FROM embeddings")}
    except sqlite3.OperationalError:  # locked, or its table is being made
        return set()
    finally:
        connection.close()


def test_what_networks_give_becomes_one_vector() -> None:
    tokens = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    mask = np.array([[1, 1, 0]])
    assert one_vector(tokens, mask, first_token=False).tolist() == [[2, 3, 4, 5]]
    assert one_vector(tokens, mask, first_token=True).tolist() == [[0, 1, 2, 3]]
    assert one_vector(tokens, None, first_token=False).tolist() == [[0, 1, 2, 3]]
    assert one_vector(tokens.reshape(1, 3, 2, 2), None, first_token=False).tolist() == [[1.5, 5.5, 9.5]]
    assert one_vector(tokens[:, 0], None, first_token=False).tolist() == [[0, 1, 2, 3]]


def test_which_items_a_model_reads_follows_from_its_settings(photo_model: Path, sentence_model: Path) -> None:
    assert open_model(photo_model).kinds == PICTURES
    assert open_model(sentence_model).kinds == TEXTS
    with pytest.raises(
        InvalidInputError, match=r"does not fit items of kind 'text'\. It reads items of kind crop, image"
    ):
        encode(texts(QUESTIONS), encoder=f"onnx:{photo_model}")
