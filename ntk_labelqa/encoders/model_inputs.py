"""What models are given: pictures of one size and range, texts as tokens; both as the model's own settings say."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntk_labelqa.encoders.model_folder import Folder
from ntk_labelqa.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL import Image

MOST_TOKENS = 8192
"""Longest text that a setting is believed to allow; some say 10³⁰ where they mean that they do not know."""
USUAL_TOKENS = 512
"""Tokens to which a text is cut where no setting says how many the model takes."""
_BICUBIC = 3
"""Pillow's number for it, as settings write it."""
_FROM_0_TO_1 = 1 / 255

Inputs = Callable[[Sequence[Any]], dict[str, np.ndarray]]


def picture_inputs(settings: dict[str, Any], taken: Any) -> Inputs:
    """From RGB images to the model's input.

    Args:
        settings: of ``preprocessor_config.json``: ``size`` (a number, ``shortest_edge``, or ``height`` and ``width``),
            ``crop_size``, ``resample``, ``rescale_factor``, ``image_mean``, ``image_std``, and ``do_…`` for each step.
        taken: ONNX Runtime's description of the input; it says whether colours are the first axis or the last.
    """
    size, crop = settings.get("size"), settings.get("crop_size")
    resize = size if settings.get("do_resize", True) else None
    cut = _height_and_width(crop) if crop and settings.get("do_center_crop", False) else None
    resample = int(settings.get("resample", _BICUBIC))
    scale = float(settings.get("rescale_factor", _FROM_0_TO_1)) if settings.get("do_rescale", True) else 1.0
    normalized = bool(settings.get("do_normalize", True))
    mean = np.asarray(settings["image_mean"] if normalized and "image_mean" in settings else 0.0, np.float32)
    deviation = np.asarray(settings["image_std"] if normalized and "image_std" in settings else 1.0, np.float32)
    colours_last = list(taken.shape)[-1] == 3
    number = np.float16 if taken.type == "tensor(float16)" else np.float32

    def inputs(batch: Sequence[Image.Image]) -> dict[str, np.ndarray]:
        pixels = np.stack([np.asarray(_cut(_resized(image, resize, resample), cut), np.float32) for image in batch])
        pixels = (pixels * np.float32(scale) - mean) / deviation
        pixels = pixels if colours_last else pixels.transpose(0, 3, 1, 2)
        return {taken.name: np.ascontiguousarray(pixels, number)}

    return inputs


def _height_and_width(size: Any) -> tuple[int, int]:
    if isinstance(size, dict):
        return int(size["height"]), int(size["width"])
    return int(size), int(size)


def _resized(image: Image.Image, size: Any, resample: int) -> Image.Image:
    """*image* brought to *size*; a ``shortest_edge`` keeps the aspect ratio."""
    from PIL import Image

    if size is None:
        return image
    if isinstance(size, dict) and "shortest_edge" not in size:
        height, width = _height_and_width(size)
    else:
        edge = int(size["shortest_edge"]) if isinstance(size, dict) else int(size)
        least = min(image.size)
        width, height = (max(edge, round(side * edge / least)) for side in image.size)
    return image.resize((width, height), Image.Resampling(resample))


def _cut(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """The middle of *image*; black around it where it is smaller."""
    if size is None:
        return image
    height, width = size
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def token_inputs(folder: Folder, prefix: str, names: set[str]) -> Inputs:
    """From texts to the model's inputs, as many of them as it has by *names*; each text is cut to what it takes."""
    try:
        library = importlib.import_module("tokenizers")
    except ModuleNotFoundError as error:
        from ntk_labelqa.encoders.onnx import EXTRA

        raise InvalidInputError("Models of texts need tokenizers, which is not installed.", remedy=EXTRA) from error
    path = folder.find("tokenizer.json")
    try:
        tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as error:
        raise InvalidInputError(f"{path} cannot be read: {error}", remedy="Fetch the model again.") from error
    settings = folder.setting("tokenizer_config.json")
    lengths = (folder.setting("sentence_bert_config.json").get("max_seq_length"), settings.get("model_max_length"))
    longest = min((int(length) for length in lengths if length and 0 < length <= MOST_TOKENS), default=USUAL_TOKENS)
    tokenizer.enable_truncation(longest)
    padding = tokenizer.padding or {}
    token = padding.get("pad_token") or _as_text(settings.get("pad_token")) or "[PAD]"
    number = padding.get("pad_id", tokenizer.token_to_id(token))
    tokenizer.enable_padding(pad_id=number or 0, pad_token=token)

    def inputs(batch: Sequence[str]) -> dict[str, np.ndarray]:
        encodings = tokenizer.encode_batch([prefix + text for text in batch])
        made = {
            "input_ids": np.array([one.ids for one in encodings], np.int64),
            "attention_mask": np.array([one.attention_mask for one in encodings], np.int64),
            "token_type_ids": np.array([one.type_ids for one in encodings], np.int64),
        }
        return {name: values for name, values in made.items() if name in names}

    return inputs


def _as_text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")
