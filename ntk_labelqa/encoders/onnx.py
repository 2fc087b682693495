"""Models in ONNX, by ONNX Runtime: pictures and texts in, one vector each out. No torch is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ntk_labelqa.encoders.encoder import PICTURES, TEXTS, EncodeBatch
from ntk_labelqa.encoders.model_folder import Folder
from ntk_labelqa.encoders.model_inputs import picture_inputs, token_inputs
from ntk_labelqa.encoders.model_outputs import one_vector
from ntk_labelqa.errors import InvalidInputError

EXTRA = "Install the extra: pip install 'ntk-labelqa[embeddings]'; or take another encoder."
_READY = ("image_embeds", "sentence_embedding", "text_embeds", "embeddings", "embedding")
"""Outputs that are one vector an item already, by the names that exporters give them."""
_PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")
"""Devices in order of preference; those that this ONNX Runtime has are used."""
LONGEST_REASON = 500
"""Letters of what ONNX Runtime says of a failure; which dimension does not fit stands at the end."""
_PREPROCESSING = "2"
"""Version of how inputs and outputs are treated here; a new one makes all embeddings anew."""

Inputs = Callable[[Sequence[Any]], dict[str, np.ndarray]]


class OnnxModel:
    """A model in ONNX.

    Pictures are made what ``preprocessor_config.json`` says, texts are cut into tokens by ``tokenizer.json``.

    Args:
        folder: with the weights and these files.
        prefix: before each text.

    Raises InvalidInputError where neither file is there.
    """

    def __init__(self, folder: Folder, *, prefix: str = "") -> None:
        self.folder, self.prefix = folder, prefix
        assert folder.weights is not None
        of_texts = folder.find("tokenizer.json") is not None
        of_pictures = folder.find("preprocessor_config.json") is not None and "text" not in folder.weights.name
        if not (of_pictures or of_texts):
            raise InvalidInputError(
                f"Beside {folder.weights} lies neither preprocessor_config.json nor tokenizer.json.",
                why="They say what the model was trained to be given.",
                remedy="Put there the one that belongs to the model.",
            )
        self.kinds = PICTURES if of_pictures else TEXTS
        self.identity = f"onnx {_PREPROCESSING} {folder.identity} {prefix}"

    @staticmethod
    def reads(folder: Folder) -> bool:
        """Whether *folder* is of this form."""
        return folder.weights is not None

    def load(self) -> EncodeBatch:
        """Bring the weights into memory; see :class:`ntk_labelqa.encoders.encoder.Model`."""
        session = _session(str(self.folder.weights))
        taken = session.get_inputs()
        inputs: Inputs
        if self.kinds is PICTURES:
            of_pixels = next((part for part in taken if len(part.shape) == 4), taken[0])
            inputs = picture_inputs(self.folder.setting("preprocessor_config.json"), of_pixels)
        else:
            inputs = token_inputs(self.folder, self.prefix, taken)
        count = next(iter(taken[0].shape), None)
        names = [part.name for part in session.get_outputs()]
        wanted = next((name for name in _READY if name in names), names[0])
        first_token = bool(self.folder.setting("1_Pooling/config.json").get("pooling_mode_cls_token"))

        def encode(batch: Sequence[Any]) -> np.ndarray:
            given = inputs(batch)
            try:
                output = _run(session, wanted, given, count if isinstance(count, int) else None)
            except Exception as error:
                raise InvalidInputError(
                    f"{self.folder.weights} cannot be run on these items: {_in_one_line(error)}",
                    remedy="Take another model, or correct preprocessor_config.json.",
                ) from error
            return one_vector(output, given.get("attention_mask"), first_token=first_token)

        return encode


def _run(session: Any, wanted: str, given: dict[str, np.ndarray], count: int | None) -> np.ndarray:
    """The output *wanted*, float32[n, …]; *count* items at a time where the model takes so many and no others."""
    items = len(next(iter(given.values())))
    if not count:
        return np.asarray(_interruptible(session, wanted, given), np.float32)
    parts = []
    for start in range(0, items, count):
        rows = np.minimum(np.arange(start, start + count), items - 1)  # filled up with the last
        parts.append(_interruptible(session, wanted, {name: values[rows] for name, values in given.items()}))
    return np.concatenate(parts).astype(np.float32)[:items]


def _interruptible(session: Any, wanted: str, given: dict[str, np.ndarray]) -> np.ndarray:
    """The output *wanted*; Ctrl-C ends it at the network's next step, where a batch can take many seconds."""
    options = importlib.import_module("onnxruntime").RunOptions()
    with ThreadPoolExecutor(1) as pool:  # Python hears of Ctrl-C in the main thread alone, and there not within a call
        running = pool.submit(session.run, [wanted], given, options)
        try:
            [output] = running.result()
        except BaseException:
            options.terminate = True
            raise
    return output


def _session(weights: str) -> Any:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise InvalidInputError("Models in ONNX need onnxruntime, which is not installed.", remedy=EXTRA) from error
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions; warnings are for who exported the model
    there = runtime.get_available_providers()
    providers = [name for name in _PROVIDERS if name in there]
    try:
        return runtime.InferenceSession(weights, options, providers=providers)
    except Exception as error:
        raise InvalidInputError(
            f"{weights} cannot be loaded as ONNX: {_in_one_line(error)}", remedy="Fetch or export the model again."
        ) from error


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
