"""What a model folder may hold: no code, no pickle, and what was fetched, unchanged."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ntk_labelqa.encoders.model_folder import MANIFEST, look_through, open_model
from ntk_labelqa.encoders.sentence_models import SentenceModel
from ntk_labelqa.encoders.torch_models import TimmModel, TransformersModel
from ntk_labelqa.errors import InvalidInputError
from tests.pretrained import sentence_folder


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights/model.pkl", "0_Transformer/model.ckpt"])
def test_a_pickle_is_refused_unread(sentence_model: Path, tmp_path: Path, name: str) -> None:
    folder, trace = tmp_path / "model", tmp_path / "was read"
    shutil.copytree(sentence_model, folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(InvalidInputError, match=f"code or pickles: {name}.*never run"):
        open_model(folder)
    assert not trace.exists()


def test_code_that_a_model_brings_is_refused_unrun(sentence_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sentence_model, tmp_path / "model")
    (folder / "modeling_own.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')")
    with pytest.raises(InvalidInputError, match=r"modeling_own\.py"):
        open_model(folder)
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", {"auto_map": {"AutoModel": "org/name--modeling.Own"}}),
        ("modules.json", [{"idx": 0, "name": "0", "path": "", "type": "own_module.Own"}]),
        ("config.json", {"text_config": {"auto_map": {"AutoModel": "org/name--modeling.Own"}}}),
        ("config.json", {"attn_implementation": "org/kernels"}),
        ("config.json", {"_attn_implementation_internal": "org/kernels"}),  # CVE-2026-4372
        ("config.json", {"vision_config": {"_experts_implementation_internal": {"": "org/kernels"}}}),
        ("config.json", {"model_type": "lightglue", "trust_remote_code": True}),  # CVE-2026-5241
        ("wordembedding_config.json", {"tokenizer_class": "own_module.Own"}),
        ("processor_config.json", {"auto_map": {"AutoProcessor": "org/name--processing.Own"}}),
        ("router_config.json", {"types": {"": "own_module.Own"}}),
        ("dense_config.json", {"activation_function": "own_module.call"}),
    ],
)
def test_settings_that_ask_for_code_of_their_own_are_refused(tmp_path: Path, name: str, content: Any) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(InvalidInputError, match="asks for code of the model's own"):
        open_model(tmp_path)


def test_settings_that_name_the_libraries_own_classes_are_taken(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    dense = {"activation_function": "torch.nn.modules.activation.Tanh", "attn_implementation": "sdpa"}
    words = {"tokenizer_class": "sentence_transformers.models.tokenizer.WhitespaceTokenizer"}
    plain = {"_attn_implementation_internal": "sdpa", "trust_remote_code": False, "tokenizer_class": "BertTokenizer"}
    (tmp_path / "wordembedding_config.json").write_text(json.dumps(words))
    (tmp_path / "config.json").write_text(json.dumps({**dense, **plain, "rope_scaling": {"type": "linear"}}))
    assert isinstance(open_model(tmp_path), SentenceModel)


def test_weights_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("theirs")
    (tmp_path / "model").mkdir()
    location = b"../secret"
    (tmp_path / "model" / "model.onnx").write_bytes(b"\n\x08location\x12" + bytes([len(location)]) + location)
    with pytest.raises(InvalidInputError, match="outside its folder"):
        open_model(tmp_path / "model")


def test_what_is_no_model_is_said_to_be_none(tmp_path: Path, sentence_model: Path) -> None:
    with pytest.raises(InvalidInputError, match="There is no model"):
        open_model(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="neither an ONNX file nor a model in safetensors"):
        open_model(tmp_path)
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"neither preprocessor_config\.json nor tokenizer\.json"):
        open_model(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"holds 2 ONNX files: a\.onnx, b\.onnx"):
        open_model(tmp_path)
    shutil.copy(sentence_model / "tokenizer.json", tmp_path)
    with pytest.raises(InvalidInputError, match="cannot be loaded as ONNX"):
        open_model(tmp_path / "a.onnx").load()


def test_a_file_that_changed_since_it_was_fetched_is_refused(sentence_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sentence_model, tmp_path / "model")
    (folder / MANIFEST).write_text(json.dumps({"files": look_through(folder).digests}))
    open_model(folder)
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(InvalidInputError, match=r"tokenizer_config\.json is not the file that was fetched"):
        open_model(folder)
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(InvalidInputError, match="is not the file that was fetched"):
        open_model(folder)


def test_a_missing_library_is_named_with_its_extra(
    sentence_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxruntime", "tokenizers"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, name, None)
            with pytest.raises(InvalidInputError, match=rf"{name}.*ntk-labelqa\[embeddings\]"):
                open_model(sentence_model).load()
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InvalidInputError, match=r"ntk-labelqa\[torch\]"):
        open_model(sentence_folder()).load()


@pytest.mark.parametrize(
    ("files", "form", "library"),
    [
        (["config.json", "preprocessor_config.json"], TransformersModel, "torch"),
        (["config.json", "tokenizer.json"], SentenceModel, "sentence-transformers"),
        (["config.json", "modules.json"], SentenceModel, "sentence-transformers"),
        (["timm"], TimmModel, "torch"),
    ],
)
def test_the_form_follows_from_the_files_and_its_library_is_asked_for(
    tmp_path: Path, files: list[str], form: type, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {
        "config.json": {"model_type": "dinov2"},
        "modules.json": [{"type": "sentence_transformers.models.Dense"}],
    }
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    for name in files:
        content = {"architecture": "resnet18"} if name == "timm" else contents.get(name, {})
        (tmp_path / ("config.json" if name == "timm" else name)).write_text(json.dumps(content))
    model = open_model(tmp_path)
    assert type(model) is form
    for name in ("torch", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InvalidInputError, match=rf"need {library}, .*ntk-labelqa\[torch\]"):
        model.load()


def test_sentence_transformers_is_asked_for_a_folder_alone_and_for_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class SentenceTransformer:
        def __init__(self, folder: str, **how: Any) -> None:
            asked.update(how, folder=folder)

        def encode(self, batch: list[str], **_: Any) -> np.ndarray:
            return np.array([[len(text)] for text in batch])

    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined] # a stand-in has what it is given
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    assert open_model(sentence_folder()).load()(["abc"]).tolist() == [[3]]
    assert asked == {
        "folder": str(sentence_folder()),
        "local_files_only": True,
        "trust_remote_code": False,
        "model_kwargs": {"use_safetensors": True},
    }
