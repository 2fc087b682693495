"""Models of pictures in safetensors, by transformers and by timm; both need torch. No code of a model's own is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ntk_labelqa.encoders.encoder import PICTURES, EncodeBatch
from ntk_labelqa.encoders.model_folder import Folder
from ntk_labelqa.encoders.model_inputs import picture_inputs
from ntk_labelqa.encoders.model_outputs import one_vector
from ntk_labelqa.errors import InvalidInputError

EXTRA = "Install the extra: pip install 'ntk-labelqa[torch]'; or take a model in ONNX."
_GIVEN = SimpleNamespace(name="pixel_values", shape=("n", 3, "height", "width"), type="tensor(float)")
"""What these models are given, in ONNX Runtime's words."""


class TransformersModel:
    """A model of pictures as transformers' ``save_pretrained`` writes it, such as DINOv2, ViT, ConvNeXt or CLIP.

    Args:
        folder: with ``config.json``, ``preprocessor_config.json`` and the weights.
        prefix: none is put before a picture.
    """

    kinds = PICTURES

    def __init__(self, folder: Folder, *, prefix: str = "") -> None:
        self.folder, self.identity = folder, f"transformers {folder.identity}"

    @staticmethod
    def reads(folder: Folder) -> bool:
        """Whether *folder* is of this form."""
        return bool(folder.setting("config.json").get("model_type")) and bool(folder.find("preprocessor_config.json"))

    def load(self) -> EncodeBatch:
        """Bring the weights into memory; see :class:`ntk_labelqa.encoders.encoder.Model`."""
        torch, library, path = library_of("torch"), library_of("transformers"), str(self.folder.path)
        model = loaded(
            path,
            lambda: library.AutoModel.from_pretrained(
                path, local_files_only=True, use_safetensors=True, trust_remote_code=False
            ),
        )
        inputs = picture_inputs(self.folder.setting("preprocessor_config.json"), _GIVEN)
        run = getattr(model, "get_image_features", None) or model

        def encode(batch: Sequence[Any]) -> np.ndarray:
            pixels = torch.from_numpy(inputs(batch)["pixel_values"]).to(model.device)
            with torch.inference_mode():
                output = run(pixel_values=pixels)
            pooled = output if isinstance(output, torch.Tensor) else output.get("pooler_output")
            chosen = output["last_hidden_state"] if pooled is None else pooled
            return one_vector(chosen.float().cpu().numpy())

        return _on_device(torch, model, encode)


class TimmModel:
    """A model of pictures as timm writes it: ``config.json`` names the architecture and what it is given.

    Args:
        folder: with ``config.json`` and the weights.
        prefix: none is put before a picture.
    """

    kinds = PICTURES

    def __init__(self, folder: Folder, *, prefix: str = "") -> None:
        self.folder, self.identity = folder, f"timm {folder.identity}"

    @staticmethod
    def reads(folder: Folder) -> bool:
        """Whether *folder* is of this form."""
        return bool(folder.setting("config.json").get("architecture"))

    def load(self) -> EncodeBatch:
        """Bring the weights into memory; see :class:`ntk_labelqa.encoders.encoder.Model`."""
        torch, library, path = library_of("torch"), library_of("timm"), str(self.folder.path)
        model = loaded(path, lambda: library.create_model(f"local-dir:{path}", pretrained=True, num_classes=0))
        about = library.data.resolve_model_data_config(model)
        _channels, height, width = about["input_size"]
        edge = round(min(height, width) / about["crop_pct"])
        inputs = picture_inputs(
            {
                "size": {"shortest_edge": edge},
                "do_center_crop": True,
                "crop_size": {"height": height, "width": width},
                "image_mean": about["mean"],
                "image_std": about["std"],
            },
            _GIVEN,
        )

        def encode(batch: Sequence[Any]) -> np.ndarray:
            pixels = torch.from_numpy(inputs(batch)["pixel_values"]).to(next(model.parameters()).device)
            with torch.inference_mode():
                return one_vector(model(pixels).float().cpu().numpy())

        return _on_device(torch, model, encode)


def library_of(name: str) -> Any:
    """The library called *name*; raises InvalidInputError where it is not installed."""
    try:
        library = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            f"Models in safetensors need {name.replace('_', '-')}, which is not installed.", remedy=EXTRA
        ) from error
    if below := sys.modules.get("transformers"):
        below.utils.logging.disable_progress_bar()  # it draws one while it loads, on whatever standard error is
    return library


def loaded(path: str, load: Callable[[], Any]) -> Any:
    """What *load* gives; raises InvalidInputError where it fails, naming *path*."""
    try:
        return load()
    except Exception as error:
        raise InvalidInputError(
            f"{path} holds no model that can be loaded: {(str(error).splitlines() or [type(error).__name__])[0]}",
            remedy="Fetch or save the model again.",
        ) from error


def _on_device(torch: Any, model: Any, encode: EncodeBatch) -> EncodeBatch:
    """*encode* with *model* ready, on a GPU if there is one."""
    model.eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    return encode
