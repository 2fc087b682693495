"""Models from the Hugging Face Hub: fetched when asked to, checked, and read from disk ever after."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ntk_labelqa.cache import VARIABLE, cache_root
from ntk_labelqa.encoders.encoder import Model
from ntk_labelqa.encoders.model_folder import MANIFEST, look_through, open_model
from ntk_labelqa.encoders.models import KNOWN, KnownModel, known_model
from ntk_labelqa.errors import InvalidInputError, LabelQAError, UsageError
from ntk_labelqa.files import private_folder, write_whole

EXTRA = "Install the extra: pip install 'ntk-labelqa[embeddings]'."
PREFIX = "hf:"
ADDRESS = "HF_ENDPOINT"
"""Variable with the address of another Hub, such as a mirror."""
LONGEST_REASON = 300
"""Letters of what the Hub's library says of a failure."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_WEIGHTS = ("onnx/vision_model.onnx", "vision_model.onnx", "onnx/model.onnx", "model.onnx")
"""ONNX files that are looked for in a repository, in this order: of CLIP's two halves, the one for pictures."""
_SETTINGS = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
_NOT_WRITABLE = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
)
_TOLD = (".json", ".txt", ".model")
"""Endings of all the settings that a model in safetensors may come with."""


@dataclass(frozen=True)
class Wanted:
    """A model on the Hub.

    Attributes:
        asked: as it was asked for, such as ``dinov2`` or ``hf:ORG/NAME``.
        repository, revision: of the Hub; the revision of a known model is a commit.
        known: what is known of it; None for any other model.
    """

    asked: str
    repository: str
    revision: str
    known: KnownModel | None = None

    @property
    def folder(self) -> Path:
        """Where it lies, or would."""
        place = f"{self.repository}@{self.revision}".replace("/", "--")
        return cache_root() / "models" / place

    @property
    def is_here(self) -> bool:
        """Whether it was fetched, whole."""
        return (self.folder / MANIFEST).is_file()

    @property
    def about(self) -> str:
        """The model in words."""
        return f"{self.repository} ({self.known.about})" if self.known else self.repository


def wanted(asked: str) -> Wanted | None:
    """The model that *asked* names: one of the known names, or ``hf:ORG/NAME`` or ``hf:ORG/NAME@REVISION``; else None.

    Raises UsageError where what follows ``hf:`` is no name of a repository.
    """
    if known := known_model(asked):
        return Wanted(asked, known.repository, known.revision, known)
    if not asked.startswith(PREFIX):
        return None
    named = asked.removeprefix(PREFIX)
    if not _NAME.fullmatch(named) or ".." in named:
        raise UsageError(f"{asked!r} names no model.", remedy="Write hf:ORG/NAME, or hf:ORG/NAME@REVISION.")
    repository, _, revision = named.partition("@")
    return Wanted(asked, repository, revision or "main")


def fetched() -> list[str]:
    """Models that were fetched besides the known ones, as ``--encoder`` takes them."""
    known = {found.folder for model in KNOWN if (found := wanted(model.name))}
    places = sorted((cache_root() / "models").glob(f"*/{MANIFEST}"))
    names = [place.parent.name for place in places if place.parent not in known]
    return [PREFIX + name.removesuffix("@main").replace("--", "/") for name in names]


def open_fetched(model: Wanted) -> Model:
    """*model* from disk. Raises InvalidInputError where it was not fetched, or is not whole any more."""
    if not model.is_here:
        size = f" ({model.known.size / 1e6:,.0f} MB, {model.known.licence})" if model.known else ""
        raise InvalidInputError(
            f"The model {model.asked!r} is not on this machine{size}.",
            why="Nothing is downloaded unless it is asked for.",
            remedy=f"Fetch it: ntk-labelqa encoders fetch {model.asked}; or add --download.",
        )
    return open_model(model.folder, prefix=model.known.prefix if model.known else "")


def fetch(model: Wanted) -> Path:
    """Download *model* if it is not here yet, check it, and give its folder.

    Only ONNX files, safetensors and settings are downloaded. What was cut off goes on where it stopped.

    Raises LabelQAError where the Hub cannot be reached or has no such model, InvalidInputError where it has no file
    that can be used, or where what came is not what was to come.
    """
    if model.is_here:
        return model.folder
    library = _library()
    try:
        return _fetched(library, model)
    except LabelQAError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
            raise LabelQAError(
                f"{model.folder} cannot be written: {os.strerror(error.errno or 0)}.",
                remedy=f"Make room there, or name another cache folder in {VARIABLE}.",
            ) from error
        raise LabelQAError(
            f"{model.repository} could not be fetched: {_in_one_line(error)}",
            why="The Hub cannot be reached from here, or it has no such model, or it asks for a key (HF_TOKEN).",
            remedy="Try again; what has been downloaded is kept. Or fetch it elsewhere, and name its folder: "
            "--encoder embeddings:FOLDER.",
        ) from error


def _fetched(library: Any, model: Wanted) -> Path:
    """The folder of *model*, whole; its manifest comes last."""
    commit, sizes, digests = _listed(library, model)
    paths = _chosen(model, sizes)
    private_folder(cache_root())
    for path in paths:
        library.hf_hub_download(
            model.repository, path, revision=commit, local_dir=model.folder, endpoint=os.environ.get(ADDRESS)
        )
    _check(model, paths, digests)
    found = look_through(model.folder)
    files = {**found.digests, **{path: digests[path] for path in paths if path in digests}}
    origin = {"repository": model.repository, "revision": commit, "files": files}
    write_whole(model.folder / MANIFEST, json.dumps(origin, indent=1, sort_keys=True) + "\n")
    return model.folder


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__


def _library() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "Fetching a model needs huggingface-hub, which is not installed.", remedy=EXTRA
        ) from error


def _listed(library: Any, model: Wanted) -> tuple[str, dict[str, int], dict[str, str]]:
    """The commit, and of each file its size and, where the Hub states it, its SHA-256."""
    found = library.HfApi(endpoint=os.environ.get(ADDRESS)).model_info(
        model.repository, revision=model.revision, files_metadata=True
    )
    files = [file for file in found.siblings or [] if _stays_in_its_folder(file.rfilename)]
    digests = {file.rfilename: str(file.lfs.sha256) for file in files if file.lfs is not None}
    if model.known:
        digests[model.known.weights] = model.known.sha256
    return str(found.sha), {file.rfilename: int(file.size or 0) for file in files}, digests


def _stays_in_its_folder(path: str) -> bool:
    """Whether *path*, which the Hub says, leads to a file of the model: not elsewhere, nor to our manifest."""
    parts = path.replace("\\", "/").split("/")
    return not {"", ".."} & set(parts) and parts[-1] != MANIFEST


def _chosen(model: Wanted, sizes: Mapping[str, int]) -> list[str]:
    """The files of a repository that make up the model."""
    asked = (model.known.weights,) if model.known else _WEIGHTS
    weights = next((path for path in asked if path in sizes), None)
    if weights:
        data = [path for path in (f"{weights}_data", f"{weights}.data") if path in sizes]
        return [weights, *data, *(path for path in _SETTINGS if path in sizes)]
    safetensors = [path for path in sizes if path.endswith(".safetensors")]
    if safetensors and "config.json" in sizes:
        return [*safetensors, *(path for path in sizes if path.endswith(_TOLD) and not path.startswith("."))]
    raise InvalidInputError(
        f"{model.repository} holds no model that is read: neither {_WEIGHTS[-1]} nor one in safetensors.",
        why="Other forms are pickles, or need code that the repository brings; neither is ever run.",
        remedy="Look for an ONNX version of it, by onnx-community or Xenova for example.",
    )


def _check(model: Wanted, paths: list[str], digests: Mapping[str, str]) -> None:
    """Raise InvalidInputError, and delete the file, where one is not what its digest says."""
    import hashlib

    for path in paths:
        with open(model.folder / path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if digests.get(path, found) != found:
            (model.folder / path).unlink()
            raise InvalidInputError(
                f"{path} of {model.repository} is not what it was to be: its SHA-256 is {found}.",
                why=f"Expected was {digests[path]}: the download was damaged, or the file was replaced.",
                remedy="Fetch it again; if that says the same, do not use it.",
            )
