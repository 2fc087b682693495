"""ONNX models of every form that exporters write: fixed batches, colours last, half precision, weights in files."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ntk_labelqa.encoders.model_folder import open_model
from ntk_labelqa.errors import InvalidInputError


def saved(folder: Path, inputs: dict[str, tuple[int, list]], nodes: list[Any], *weights: Any) -> Path:
    """A model of *nodes*, the last of which gives ``out``."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, *about) for name, about in inputs.items()],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        list(weights),
    )
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    return folder


def mean_colour(folder: Path, shape: list, *, kind: int = TensorProto.FLOAT, last: bool = False) -> Path:
    """A model of pictures whose embedding is their mean colour."""
    turned = helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 3, 1, 2] if last else [0, 1, 2, 3])
    pooled = helper.make_node("GlobalAveragePool", ["turned"], ["pooled"])
    as_float = helper.make_node("Cast", ["pooled"], ["wide"], to=TensorProto.FLOAT)
    saved(folder, {"x": (kind, shape)}, [turned, pooled, as_float, helper.make_node("Flatten", ["wide"], ["out"])])
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": 32}))
    return folder


def shades() -> list[Image.Image]:
    return [Image.new("RGB", (50, 40 + shade), (shade, 2 * shade, 0)) for shade in range(0, 70, 10)]


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ([1, 3, 32, 32], {}),
        ([4, 3, 32, 32], {}),
        (["n", 3, "h", "w"], {}),
        (["n", "h", "w", 3], {"last": True}),
        (["n", 3, 32, 32], {"kind": TensorProto.FLOAT16}),
    ],
)
def test_pictures_go_in_as_the_model_takes_them(tmp_path: Path, shape: list, how: dict[str, Any]) -> None:
    rows = open_model(mean_colour(tmp_path, shape, **how)).load()(shades())
    wanted = np.array([[shade, 2 * shade, 0] for shade in range(0, 70, 10)]) / 255
    np.testing.assert_allclose(rows, wanted, atol=2e-3)


@pytest.mark.parametrize(("shape", "kind"), [([1, "t"], 7), ([1, 8], 7), ([2, 8], 6), (["n", "t"], 6)])
def test_texts_go_in_as_the_model_takes_them(tmp_path: Path, sentence_model: Path, shape: list, kind: int) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(sentence_model / name, tmp_path / name)
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["wide", "axis"], ["out"]),
    ]
    names = dict.fromkeys(("input_ids", "attention_mask"), (kind, shape))
    saved(tmp_path, names, nodes, numpy_helper.from_array(np.array([2]), "axis"))
    rows = open_model(tmp_path).load()(["a", "a cat", "a"])
    assert rows.shape == (3, 1)
    assert rows[0] == rows[2] != rows[1]


def test_what_does_not_fit_is_said_to_the_dimension(tmp_path: Path, capfd) -> None:
    encode = open_model(mean_colour(tmp_path, ["n", 1, 32, 32])).load()
    with pytest.raises(InvalidInputError, match="index: 1 Got: 3 Expected: 1"):
        encode(shades())
    assert capfd.readouterr().err == ""


def test_ctrl_c_does_not_wait_for_the_end_of_a_batch(tmp_path: Path) -> None:
    names = ["x", *(f"x{step}" for step in range(300)), "out"]
    steps = [helper.make_node("MatMul", [given, "x"], [made]) for given, made in pairwise(names)]
    saved(tmp_path, {"x": (TensorProto.FLOAT, [1, 3, 1024, 1024])}, steps)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    encode = open_model(tmp_path).load()
    began = time.monotonic()
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        encode(shades())
    assert time.monotonic() - began < 8


def test_weights_under_any_name_are_part_of_what_the_model_is(tmp_path: Path) -> None:
    for folder, number in (("a", 1.0), ("b", 2.0)):
        weights = numpy_helper.from_array(np.full((3, 4), number, np.float32), "w")
        nodes = [
            helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["out"]),
        ]
        saved(tmp_path / folder, {"x": (TensorProto.FLOAT, ["n", 3, 32, 32])}, nodes, weights)
        model = onnx.load(tmp_path / folder / "model.onnx")
        onnx.save(model, tmp_path / folder / "model.onnx", save_as_external_data=True, location="w", size_threshold=0)
        (tmp_path / folder / "preprocessor_config.json").write_text("{}")
    one, other = (open_model(tmp_path / folder) for folder in "ab")
    assert (tmp_path / "a" / "model.onnx").read_bytes() == (tmp_path / "b" / "model.onnx").read_bytes()
    assert one.identity != other.identity
    np.testing.assert_allclose(2 * one.load()(shades()), other.load()(shades()), rtol=1e-4)
