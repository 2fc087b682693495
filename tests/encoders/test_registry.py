"""Encoders by name: those of other packages beside our own, and what is said of names that are none."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ntk_labelqa.cli.entry import run
from ntk_labelqa.encoders import registry
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.encoder import TEXTS
from ntk_labelqa.errors import InvalidInputError, UsageError
from tests.encoders.test_pretrained import texts


class Vowels:
    """Counts vowels, so many times as its argument says."""

    kinds = TEXTS

    def __init__(self, times: str) -> None:
        self.times = float(times or 1)
        self.identity = f"vowels {times}"

    def load(self):
        return lambda batch: np.array([[self.times * sum(map(text.count, "aeiou")), 1.0] for text in batch])


@pytest.fixture
def other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vowel_features")
    module.Vowels = Vowels  # type: ignore[attr-defined] # a stand-in has what it is given
    monkeypatch.setitem(sys.modules, "vowel_features", module)
    points = [
        EntryPoint("vowels", "vowel_features:Vowels", registry.GROUP),
        EntryPoint("broken", "vowel_features:Gone", registry.GROUP),
        EntryPoint("pixels", "vowel_features:Gone", registry.GROUP),  # a name that is taken
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [one for one in points if one.group == group])


@pytest.mark.usefixtures("other_package")
def test_another_package_brings_an_encoder_with_an_argument_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    rows = encode(texts(["a house", "", "xyz", "aeiou"]), encoder="vowels").features
    assert rows.tolist() == [[4, 1], [0, 1], [5, 1]]  # the blank one is left out
    encoded = encode(texts(["a house", "xyz"]), encoder="vowels:10")
    assert (encoded.features[0].tolist(), encoded.encoder) == ([40, 1], "vowels:10")
    assert run(["encoders"]) == 0
    assert "\nvowels" in capfd.readouterr().out


@pytest.mark.usefixtures("other_package")
@pytest.mark.parametrize(
    "named", ["onnx:model", "embeddings:folder", "vowels", "vowels:10", "evil.module:x", "", None, 3]
)
def test_a_file_that_is_read_opens_no_path_and_runs_no_other_package(named: object) -> None:
    with pytest.raises(InvalidInputError, match="because a file says so"):
        registry.recorded(named)


@pytest.mark.parametrize("named", ["pixels", "vector:KEY", "dinov2", "hf:org/name"])
def test_a_file_that_is_read_may_name_what_is_in_the_package_or_was_fetched(named: str) -> None:
    assert registry.recorded(named) == named


@pytest.mark.usefixtures("other_package")
def test_an_encoder_of_another_package_that_cannot_be_loaded_is_named() -> None:
    with pytest.raises(InvalidInputError, match="'broken' of another package cannot be loaded"):
        encode(texts(["a", "b"]), encoder="broken")
    with pytest.raises(InvalidInputError, match="'vowels' of another package cannot be loaded: ValueError"):
        encode(texts(["a", "b"]), encoder="vowels:many")
    assert set(registry.offers()) == {"vowels", "broken"}
    assert registry.find("pixels").name == "pixels"


def test_a_name_that_is_none_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no encoder 'resnet'\. Take one of pixels, .*dinov2.*hf:ORG/NAME"):
        registry.check("resnet")
    for asked in ("onnx", "onnx:", "embeddings"):
        with pytest.raises(UsageError, match="needs the path of a model"):
            registry.find(asked)


def test_a_path_may_begin_with_the_home_folder(photo_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photo_model.parent))
    assert "image" in registry.find(f"onnx:~/{photo_model.name}").kinds
