"""Models in safetensors, by sentence-transformers: of texts, and of pictures where the model reads them (CLIP)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ntk_labelqa.encoders.encoder import PICTURES, TEXTS, EncodeBatch
from ntk_labelqa.encoders.model_folder import Folder
from ntk_labelqa.errors import InvalidInputError


class SentenceModel:
    """A folder that ``SentenceTransformer.save`` has written, read without running any code of its own.

    Args:
        folder: with the model.
        prefix: before each text.

    Raises InvalidInputError where the folder is of another form.
    """

    kinds = PICTURES | TEXTS

    def __init__(self, folder: Folder, *, prefix: str = "") -> None:
        self.folder, self.prefix = folder, prefix
        self.identity = f"sentence-transformers {folder.identity} {prefix}"
        if not (folder.path / "modules.json").is_file() or not any(folder.path.rglob("*.safetensors")):
            raise InvalidInputError(
                f"{folder.path} holds no model that can be loaded.",
                why="There is neither an ONNX file in it nor a sentence-transformers model in safetensors.",
                remedy="Name a folder that SentenceTransformer.save has written, or one with an ONNX model.",
            )

    def load(self) -> EncodeBatch:
        """Bring the weights into memory; see :class:`ntk_labelqa.encoders.encoder.Model`."""
        try:
            library = importlib.import_module("sentence_transformers")
        except ModuleNotFoundError as error:
            raise InvalidInputError(
                "Models in safetensors need sentence-transformers, which is not installed.",
                remedy="Install the extra: pip install 'ntk-labelqa[torch]'; or take a model in ONNX.",
            ) from error
        path = self.folder.path
        try:
            model = library.SentenceTransformer(
                str(path), local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
            )
        except Exception as error:
            raise InvalidInputError(
                f"{path} holds no model that can be loaded: {(str(error).splitlines() or [''])[0]}",
                remedy="Name a folder that SentenceTransformer.save has written.",
            ) from error

        def encode(batch: Sequence[Any]) -> np.ndarray:
            given = [self.prefix + item if isinstance(item, str) else item for item in batch]
            try:
                return np.asarray(model.encode(given, convert_to_numpy=True, show_progress_bar=False), np.float32)
            except (TypeError, ValueError, AttributeError, KeyError) as error:
                raise InvalidInputError(
                    f"The model in {path} cannot read these items: {error}",
                    why="A model for texts reads no images, and one for images (CLIP) short texts only.",
                    remedy="Name a model for this kind of item.",
                ) from error

        return encode
