"""Every encoder by the name that ``--encoder`` takes."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ntk_labelqa.encoders import hub
from ntk_labelqa.encoders.encoder import Encoder
from ntk_labelqa.encoders.fields import Fields
from ntk_labelqa.encoders.files import Extra
from ntk_labelqa.encoders.frames import VIDEO, Frames
from ntk_labelqa.encoders.model_folder import open_model
from ntk_labelqa.encoders.models import KNOWN
from ntk_labelqa.encoders.pdf import PDF, Pages
from ntk_labelqa.encoders.pixels import Pixels
from ntk_labelqa.encoders.pretrained import Embeddings
from ntk_labelqa.encoders.series import Series
from ntk_labelqa.encoders.sound import AUDIO, Sound
from ntk_labelqa.encoders.text import Words
from ntk_labelqa.encoders.vectors import Vector
from ntk_labelqa.errors import InvalidInputError, LabelQAError, UsageError

GROUP = "ntk_labelqa.encoders"
"""Entry points of other packages: each a callable as :class:`ntk_labelqa.encoders.encoder.Model` tells."""


def _of_folder(name: str) -> Callable[[str], Encoder]:
    def make(path: str) -> Encoder:
        if not path:
            raise UsageError(f"{name} needs the path of a model.", remedy=f"Write --encoder {name}:PATH.")
        return Embeddings(f"{name}:{path}", open_model(Path(path).expanduser()), f"the model in {path}")

    return make


def _alone(make: Callable[[], Encoder]) -> Callable[[str], Encoder]:
    """*make* for an encoder that takes no argument."""

    def checked(argument: str) -> Encoder:
        encoder = make()
        if argument:
            raise UsageError(f"{encoder.name} takes nothing after a colon.", remedy=f"Write --encoder {encoder.name}.")
        return encoder

    return checked


BUILT_IN: dict[str, Callable[[str], Encoder]] = {
    "pixels": _alone(Pixels),
    "text": _alone(Words),
    "sound": _alone(Sound),
    "frames": _alone(Frames),
    "series": _alone(Series),
    "pdf": _alone(Pages),
    "fields": _alone(Fields),
    "vector": Vector,
    "onnx": _of_folder("onnx"),
    "embeddings": _of_folder("embeddings"),
}
OF_PATHS = ("onnx", "embeddings")
"""Those of them that open what is named after the colon."""
EXTRAS: dict[str, Extra] = {"sound": AUDIO, "frames": VIDEO, "pdf": PDF}
"""What some of them need that is installed on demand."""
FORMS = (
    "pixels",
    "text",
    "sound",
    "frames",
    "series",
    "pdf",
    "fields",
    "vector[:KEY]",
    *(model.name for model in KNOWN),
)
FORMS_OF_OTHERS = ("onnx:PATH", "hf:ORG/NAME", "embeddings:FOLDER")


def find(asked: str) -> Encoder:
    """The encoder that *asked* names, such as ``pixels``, ``dinov2``, ``vector:KEY`` or ``onnx:PATH``.

    Raises:
        UsageError: no encoder has this name.
        InvalidInputError: the model it names is not on this machine, or cannot be used.
    """
    check(asked)
    name, _, argument = asked.partition(":")
    if name in BUILT_IN:
        return BUILT_IN[name](argument)
    if model := hub.wanted(asked):
        return Embeddings(asked, hub.open_fetched(model), model.about)
    offered = offers()[name]
    try:
        return Embeddings(asked, offered.load()(argument), f"{asked} of {offered.dist.name if offered.dist else GROUP}")
    except LabelQAError:
        raise
    except Exception as error:  # whatever another package raises is no fault of this one
        raise InvalidInputError(
            f"The encoder {name!r} of another package cannot be loaded: {type(error).__name__}: {error}",
            remedy="Bring that package up to date, or take another encoder.",
        ) from error


def recorded(asked: object) -> str:
    """*asked*, which a file such as an audit's manifest names: an encoder of this package or a model that was fetched.

    Raises InvalidInputError where it would read a path, or run another package's code: that is for people to say, on
    the command line or in Python.
    """
    if isinstance(asked, str):
        name = asked.partition(":")[0]
        if name in BUILT_IN and name not in OF_PATHS:
            return asked
        with suppress(UsageError):
            if hub.wanted(asked):
                return asked
    raise InvalidInputError(
        f"The audit names the encoder {reprlib.repr(asked)}.",
        why="It is another package's, or a model at a path, and nothing is run or opened because a file says so.",
        remedy="If it is yours, name it yourself, as the audit was asked to with --encoder.",
    )


def check(asked: str) -> None:
    """Raise UsageError where no encoder is called *asked*. Looks at names alone."""
    name = asked.partition(":")[0]
    if name in BUILT_IN or hub.wanted(asked) or name in offers():
        return
    names = ", ".join([*FORMS, *offers(), *FORMS_OF_OTHERS])
    raise UsageError(f"There is no encoder {asked!r}.", remedy=f"Take one of {names}.")


def offers() -> dict[str, EntryPoint]:
    """Encoders of other packages, by name; a name that is taken already stays what it is."""
    taken = {*BUILT_IN, *(model.name for model in KNOWN)}
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in taken}
