"""What to compare items by where what they were compared by distinguishes their classes badly."""

from __future__ import annotations

from typing import NamedTuple

from ntk_labelqa.encoders.encoder import kinds_read
from ntk_labelqa.encoders.models import KNOWN, can_run

COMPARE = "ntk-labelqa encoders compare"
_WITHOUT_A_MODEL = {
    "pixels": "Photos and other pictures with more in them than shapes need a pretrained model.",
    "text": "Counts of words know nothing of what words mean; a pretrained model does.",
    "frames": "Videos with more in them than colours need a pretrained model, which is given their frames.",
    "pdf": "Counts of words know nothing of what words mean; a pretrained model does.",
}
"""Encoders that a pretrained model usually beats, and why."""


class Advice(NamedTuple):
    """What would help: why, in a sentence, and the command, or the options to add to the one that was run."""

    why: str
    command: str

    def __str__(self) -> str:
        return f"{self.why} {self.command}"


def better_features(kind: str, encoder: str) -> Advice | None:
    """What to try where items of *kind* were compared by *encoder* and their classes look alike; None without idea.

    Example:
        >>> better_features("image", "pixels").command
        '--encoder dinov2 --download'
    """
    model = next((model for model in KNOWN if kind in kinds_read(model.kinds)), None)
    if model is None:
        return None
    if encoder not in _WITHOUT_A_MODEL:
        return Advice("Another model may distinguish the classes better. What is here is compared by", COMPARE)
    missing = not can_run()
    first = "pip install 'ntk-labelqa[embeddings]', then audit with " if missing else ""
    named = f"{model.about.partition(':')[0]}, {model.size / 1e6:,.0f} MB, {model.licence}"
    why = f"{_WITHOUT_A_MODEL[encoder]} To try {named}: {'run' if missing else 'audit again with'}"
    return Advice(why, f"{first}--encoder {model.name} --download")
