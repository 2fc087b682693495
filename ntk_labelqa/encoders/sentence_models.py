"""Models in safetensors, by sentence-transformers: of texts, and of pictures where the model reads them (CLIP)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ntk_labelqa.encoders.encoder import PICTURES, TEXTS, EncodeBatch
from ntk_labelqa.encoders.model_folder import Folder
from ntk_labelqa.encoders.torch_models import library_of, loaded
from ntk_labelqa.errors import InvalidInputError


class SentenceModel:
    """A folder that ``SentenceTransformer.save`` has written; or a model of texts alone, whose tokens are averaged.

    Args:
        folder: with the model.
        prefix: before each text.
    """

    def __init__(self, folder: Folder, *, prefix: str = "") -> None:
        self.folder, self.prefix = folder, prefix
        self.kinds = PICTURES | TEXTS if folder.find("modules.json") else TEXTS
        self.identity = f"sentence-transformers 2 {folder.identity} {prefix}"

    @staticmethod
    def reads(folder: Folder) -> bool:
        """Whether *folder* is of this form."""
        of_texts = folder.find("tokenizer.json") or folder.find("tokenizer_config.json")
        return bool(folder.find("modules.json") or (of_texts and not folder.find("preprocessor_config.json")))

    def load(self) -> EncodeBatch:
        """Bring the weights into memory; see :class:`ntk_labelqa.encoders.encoder.Model`."""
        library, path = library_of("sentence_transformers"), str(self.folder.path)
        model = loaded(
            path,
            lambda: library.SentenceTransformer(
                path, local_files_only=True, trust_remote_code=False, model_kwargs={"use_safetensors": True}
            ),
        )

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
