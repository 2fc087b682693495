"""Whether a fetched file can be read at all, tried with what its encoder reads it with.

What is damaged is left out here, by its reason, so that no encoder ends an audit over one file.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.encoders.files import UnreadableFile
from ntk_labelqa.images import MOST_PIXELS, decoded, opened
from ntk_labelqa.label_types.registry import item_type_of
from ntk_labelqa.labelstudio.media.download import UnusableFile

LARGE_PIXELS = 20_000_000
"""From where on images are decoded one at a time, however many are fetched at once."""
_one_large_at_a_time = threading.Lock()

Check = Callable[[Path], None]
"""Raises UnusableFile where the file is damaged, or too large to be decoded."""


def check_for(dataset: LabeledDataset) -> Check:
    """The check for the files of *dataset*; raises InvalidInputError where a library is missing that reads them."""
    read = item_type_of(dataset).reader(dataset)
    if read is None:
        return _check_image

    def check(path: Path) -> None:
        try:
            read(str(path))
        except UnreadableFile as reason:
            raise UnusableFile(str(reason)) from reason
        except Exception as error:  # decoders let whatever damaged files cause through
            raise UnusableFile("unreadable file") from error

    return check


def ignoring_bombs() -> AbstractContextManager[None]:
    """No warnings of large images: the limit here is stricter than Pillow's."""
    from PIL import Image

    return warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)


def _check_image(path: Path) -> None:
    from PIL import Image

    try:
        with opened(path) as image:
            is_large = image.width * image.height > LARGE_PIXELS
        with _one_large_at_a_time if is_large else nullcontext():
            decoded(path)
    except Image.DecompressionBombError as error:
        raise UnusableFile(f"image of more than {MOST_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # Pillow's many decoders let whatever damaged files cause through
        raise UnusableFile("unreadable image") from error
