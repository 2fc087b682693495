"""Folders with a pretrained model: what is in them, that it is data and not code, and that it is what was fetched."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntk_labelqa.encoders.encoder import Model
from ntk_labelqa.errors import InvalidInputError

MANIFEST = "ntk_labelqa_model.json"
"""Written last into a folder that was fetched: its files' digests, and where they came from."""
CODE = frozenset(
    [
        ".py",
        ".pyc",
        ".so",
        ".dll",
        ".dylib",
        ".pkl",
        ".pickle",
        ".pt",
        ".pth",
        ".bin",
        ".ckpt",
        ".joblib",
        ".h5",
        ".keras",
    ]
)
"""Endings of files that hold code, or that libraries read by running what they hold."""
ONNX_SETTINGS = (
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
"""Files that say what an ONNX model is given, and what of its output is wanted."""
_LOCATION = re.compile(rb"\n\x08location\x12([\x01-\x7f])")
"""What stands before the name of a file with weights in an ONNX file, in protobuf's encoding; the last byte is the
name's length."""
_LIBRARIES = ("sentence_transformers.", "torch.nn.")
"""Where the classes are that settings may name."""
_NAMING_CLASSES = ("type", "types", "activation_function", "activation_fn", "module_types", "tokenizer_class")
"""Settings by which sentence-transformers imports a class."""
_FETCHING = re.compile(r"(attn|experts)_implementation")
"""Settings, also such as ``_attn_implementation_internal``, by which transformers fetches code from the Hub."""
_RUNNING = ("auto_map", "trust_remote_code")
"""Settings by which transformers runs a model's own code; some of its versions believe the second in a model."""
_SENTENCE_FILES = (".safetensors", ".json", ".txt", ".model")
_WEIGHTS = ("vision_model.onnx", "model.onnx", "onnx/vision_model.onnx", "onnx/model.onnx")


@dataclass(frozen=True)
class Folder:
    """A folder that has been looked through.

    Attributes:
        path: of the folder.
        digests: SHA-256 of each file that makes up the model, by its path in the folder.
        weights: the ONNX file; None where the model is of safetensors.
        origin: what the manifest says of where it was fetched from; empty for a user's own.
    """

    path: Path
    digests: dict[str, str]
    weights: Path | None
    origin: dict[str, Any]

    @property
    def identity(self) -> str:
        """Equal for folders with the same model."""
        return hashlib.sha256(json.dumps(self.digests, sort_keys=True).encode()).hexdigest()

    @property
    def has_weights(self) -> bool:
        """Whether there is anything to load."""
        return any(name.endswith((".onnx", ".safetensors")) for name in self.digests)

    def setting(self, name: str) -> dict[str, Any]:
        """The JSON file *name* beside the weights, or of the folder that ``onnx/`` lies in; empty if there is none."""
        found = self.find(name)
        if found is None:
            return {}
        try:
            content = json.loads(found.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{found} cannot be read: {error}", remedy="Fetch the model again.") from error
        return content if isinstance(content, dict) else {"": content}

    def find(self, name: str) -> Path | None:
        """The file *name* beside the weights, or of the folder that ``onnx/`` lies in; None if there is none."""
        return _find(self.weights.parent if self.weights else self.path, name)


def look_through(path: Path) -> Folder:
    """The model at *path*, a folder or an ``.onnx`` file.

    Raises InvalidInputError where there is none, where the folder holds code or a pickle, or where a file is not the
    one that was fetched.

    Cost: every file of the model is read once.
    """
    if not path.exists():
        raise InvalidInputError(
            f"There is no model {str(path)!r}.",
            remedy="Name a folder with an ONNX or a sentence-transformers model, or an .onnx file.",
        )
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        _refuse_code(folder)
    weights = path if path.is_file() else _weights_in(folder)
    files = _onnx_files(weights) if weights else _files(folder, *_SENTENCE_FILES)
    digests = {os.path.relpath(file, folder): _digest(file) for file in files if file.name != MANIFEST}
    origin = _origin(folder)
    for name, digest in origin.get("files", {}).items():
        if not (folder / name).is_file() or digests.get(name, digest) != digest:
            raise InvalidInputError(
                f"{folder / name} is not the file that was fetched.",
                why="It was damaged, changed or deleted since.",
                remedy=f"Delete {folder}, and fetch the model again.",
            )
    return Folder(folder, digests, weights, origin)


def open_model(path: Path, *, prefix: str = "") -> Model:
    """The model at *path*; *prefix* goes before each text.

    Raises InvalidInputError as :func:`look_through` does, and where the folder holds no model of a form that is read.
    """
    from ntk_labelqa.encoders.onnx import OnnxModel
    from ntk_labelqa.encoders.sentence_models import SentenceModel
    from ntk_labelqa.encoders.torch_models import TimmModel, TransformersModel

    folder = look_through(path)
    for form in (OnnxModel, SentenceModel, TransformersModel, TimmModel):
        if folder.has_weights and form.reads(folder):
            return form(folder, prefix=prefix)
    raise InvalidInputError(
        f"{path} holds no model that can be loaded.",
        why="It has neither an ONNX file nor a model in safetensors with the settings of sentence-transformers, "
        "transformers or timm.",
        remedy="Name a folder that one of them has saved, or one with an ONNX model.",
    )


def _weights_in(folder: Path) -> Path | None:
    """The ONNX file of *folder*; None where it has none."""
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    found = _files(folder, ".onnx")
    if len(found) > 1:
        raise InvalidInputError(
            f"{folder} holds {len(found)} ONNX files: {', '.join(file.name for file in found[:5])}.",
            remedy="Name the one: --encoder onnx:PATH/TO/FILE.onnx.",
        )
    return found[0] if found else None


def _onnx_files(weights: Path) -> list[Path]:
    """The weights, the files beside them in which ONNX keeps what is too large for one, and the settings."""
    settings = [_find(weights.parent, name) for name in ONNX_SETTINGS]
    return [weights, *_outside(weights), *(file for file in settings if file)]


def _outside(weights: Path) -> list[Path]:
    """The files in which an ONNX file keeps its weights, if not in itself."""
    if not os.path.getsize(weights):
        return []
    with open(weights, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = {os.fsdecode(content[at.end() : at.end() + at[1][0]]) for at in _LOCATION.finditer(content)}
    files = [file for file in (weights.parent / name for name in sorted(names)) if file.is_file()]
    for file in files:
        if not file.resolve().is_relative_to(weights.parent.resolve()):
            raise InvalidInputError(
                f"{weights} keeps its weights in {file}, outside its folder.",
                why="Nothing outside a model's folder is read because the model says so.",
                remedy="Take another model, or put its weights beside it.",
            )
    return files


def _find(beside: Path, name: str) -> Path | None:
    places = [beside, beside.parent] if beside.name == "onnx" else [beside]
    return next((place / name for place in places if (place / name).is_file()), None)


def _files(folder: Path, *endings: str) -> list[Path]:
    """Files below *folder* with one of *endings*, in order; not those of hidden folders."""
    found = (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in endings and file.is_file())
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def _refuse_code(folder: Path) -> None:
    code = _files(folder, *CODE)
    why = "Such files run what they hold when they are read, and a model's code is never run."
    if code:
        raise InvalidInputError(
            f"{folder} holds files that are code or pickles: "
            f"{', '.join(file.relative_to(folder).as_posix() for file in code[:5])}.",
            why=why,
            remedy="Delete them if the folder has the model as .onnx or .safetensors too; else take another model.",
        )
    for file in _files(folder, ".json"):
        if file.name not in ("tokenizer.json", "vocab.json"):  # long, and data alone
            _refuse_code_by_name(file, why)


def _refuse_code_by_name(file: Path, why: str) -> None:
    """Raise where the settings in *file* ask for classes that are not those of the libraries themselves."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # whoever needs the file says so
    foreign = next(_foreign(content), None)
    if foreign is not None:
        raise InvalidInputError(
            f"{file} asks for code of the model's own: {reprlib.repr(foreign)}.",
            why=why,
            remedy="Take a model that sentence-transformers knows by itself, or one in ONNX.",
        )


def _foreign(content: Any) -> Iterator[Any]:
    """What settings name, at any depth, that is neither data nor a class of the libraries themselves."""
    for part in content if isinstance(content, list) else ():
        yield from _foreign(part)
    for key, value in content.items() if isinstance(content, dict) else ():
        named = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        if value and (
            key in _RUNNING
            or (key in _NAMING_CLASSES and any(_is_foreign_class(name) for name in named))
            or (_FETCHING.search(key) and any("/" in str(name) for name in named))
        ):
            yield value
        yield from _foreign(value)


def _is_foreign_class(name: object) -> bool:
    return isinstance(name, str) and "." in name and not name.startswith(_LIBRARIES)


def _origin(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{folder / MANIFEST} cannot be read: {error}", remedy=f"Delete {folder}, and fetch the model again."
        ) from error


def _digest(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
