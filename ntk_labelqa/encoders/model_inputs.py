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
_NOT_CUT = 384
"""Pixels a side from which ConvNeXt's images are not cut, whatever ``crop_pct`` says."""

Inputs = Callable[[Sequence[Any]], dict[str, np.ndarray]]


def picture_inputs(settings: dict[str, Any], taken: Any) -> Inputs:
    """From RGB images to the model's input.

    Args:
        settings: of ``preprocessor_config.json``: ``size`` (a number, ``shortest_edge``, or ``height`` and ``width``),
            ``crop_size`` or ``crop_pct``, ``resample``, ``rescale_factor``, ``image_mean``, ``image_std``, and
            ``do_…`` for each step. What is missing or null is as usual.
        taken: ONNX Runtime's description of the input; it says whether colours are the first axis or the last.

    Raises InvalidInputError where a setting is none that can be followed.
    """
    try:
        return _picture_inputs({name: value for name, value in settings.items() if value is not None}, taken)
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInputError(
            f"preprocessor_config.json of the model cannot be followed: {type(error).__name__}: {error}.",
            why="Read are `size` and `crop_size` (a number, `shortest_edge`, or `height` and `width`), `crop_pct`, "
            "`resample`, `rescale_factor`, and `image_mean` and `image_std` (one number a colour).",
            remedy="Correct the file, or take another model.",
        ) from error


def _picture_inputs(settings: dict[str, Any], taken: Any) -> Inputs:
    from PIL import Image

    colours_last = list(taken.shape)[-1] == 3
    resize, cut = _resize_and_cut(settings, _fixed(taken.shape[1:3] if colours_last else taken.shape[2:4]))
    resample = Image.Resampling(int(settings.get("resample", _BICUBIC)))
    scale = float(settings.get("rescale_factor", _FROM_0_TO_1)) if settings.get("do_rescale", True) else 1.0
    normalized = bool(settings.get("do_normalize", True))
    mean = _a_colour(settings.get("image_mean", 0.0) if normalized else 0.0)
    deviation = _a_colour(settings.get("image_std", 1.0) if normalized else 1.0)
    if not deviation.all():
        raise ValueError("image_std is 0")
    number = np.float16 if taken.type == "tensor(float16)" else np.float32

    def inputs(batch: Sequence[Image.Image]) -> dict[str, np.ndarray]:
        parts = [np.asarray(_cut(_resized(image, resize, resample), cut), np.float32) for image in batch]
        if len({part.shape for part in parts}) > 1:
            raise InvalidInputError(
                "The model is given images of different sizes: its preprocessor_config.json names none.",
                remedy="Set `size` there to the height and width that the model was trained with.",
            )
        pixels = (np.stack(parts) * np.float32(scale) - mean) / deviation
        pixels = pixels if colours_last else pixels.transpose(0, 3, 1, 2)
        return {taken.name: np.ascontiguousarray(pixels, number)}

    return inputs


Shape = tuple[int, int]
"""Height and width."""


def _resize_and_cut(settings: dict[str, Any], fixed: Shape | None) -> tuple[Shape | int | None, Shape | None]:
    """What an image is brought to, its height and width or its shorter side, and what is then cut out of its middle.

    Together they leave one size: a shorter side with nothing to cut is that of a square, unless ``crop_pct`` says, as
    ConvNeXt's settings do, how much of the image is kept. Without a size it is the one that the model takes, *fixed*.
    """
    crop = settings.get("crop_size") if settings.get("do_center_crop", True) else None
    cut = _height_and_width(crop) if crop else None
    size = settings.get("size") if settings.get("do_resize", True) else None
    if size is None:
        return (None if cut else fixed), cut
    if isinstance(size, dict) and "shortest_edge" not in size:
        return _height_and_width(size), cut
    height, width = _height_and_width(size)
    if cut:
        return height, cut
    if height < _NOT_CUT and (kept := settings.get("crop_pct")):
        return int(height / float(kept)), (height, width)
    return (height, width), None


def _height_and_width(size: Any) -> Shape:
    if isinstance(size, dict):
        size = size.get("shortest_edge") or (size["height"], size["width"])
    height, width = (int(side) for side in (size if isinstance(size, tuple) else (size, size)))
    if min(height, width) < 1:
        raise ValueError(f"a size of {height} x {width}")
    return height, width


def _fixed(sides: Sequence[Any]) -> Shape | None:
    """Height and width where the model takes no others, else None."""
    height, width = (*sides, None, None)[:2]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _a_colour(numbers: Any) -> np.ndarray:
    return np.broadcast_to(np.asarray(numbers, np.float32), 3)


def _resized(image: Image.Image, size: Shape | int | None, resample: Image.Resampling) -> Image.Image:
    """*image* brought to *size*; a number is its shorter side, and the aspect ratio stays."""
    if size is None:
        return image
    if isinstance(size, int):
        least = min(image.size)
        width, height = (max(size, round(side * size / least)) for side in image.size)
    else:
        height, width = size
    return image.resize((width, height), resample)


def _cut(image: Image.Image, size: Shape | None) -> Image.Image:
    """The middle of *image*; black around it where it is smaller."""
    if size is None:
        return image
    height, width = size
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def token_inputs(folder: Folder, prefix: str, taken: Sequence[Any]) -> Inputs:
    """From texts to the model's inputs, as ONNX Runtime describes them; each text is cut to what it takes.

    A model that takes texts of one length alone is given all of them padded to it.
    """
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
    told = [int(length) for length in lengths if isinstance(length, int | float) and 0 < length <= MOST_TOKENS]
    fixed = next((part.shape[1] for part in taken if len(part.shape) == 2 and isinstance(part.shape[1], int)), None)
    tokenizer.enable_truncation(fixed or min(told, default=USUAL_TOKENS))
    padding = tokenizer.padding or {}
    token = padding.get("pad_token") or _as_text(settings.get("pad_token")) or "[PAD]"
    number = padding.get("pad_id", tokenizer.token_to_id(token))
    tokenizer.enable_padding(pad_id=number or 0, pad_token=token, length=fixed)
    kinds = {part.name: np.int32 if part.type == "tensor(int32)" else np.int64 for part in taken}

    def inputs(batch: Sequence[str]) -> dict[str, np.ndarray]:
        encodings = tokenizer.encode_batch([prefix + text for text in batch])
        made = {
            "input_ids": [one.ids for one in encodings],
            "attention_mask": [one.attention_mask for one in encodings],
            "token_type_ids": [one.type_ids for one in encodings],
        }
        return {name: np.array(values, kinds[name]) for name, values in made.items() if name in kinds}

    return inputs


def _as_text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")
