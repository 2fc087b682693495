"""Networks of the user's own, and our kernels beside neural-tangents'."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ntk_labelqa import gram_matrix
from ntk_labelqa.errors import InvalidInputError

MODULE = """
from neural_tangents import stax

def dense(hidden):
    layers = [stax.Dense(1, W_std=2**.5), stax.Relu()] * hidden
    return stax.serial(*layers, stax.Dense(1, W_std=2**.5))

one, nine = dense(1), dense(9)
convolution = stax.serial(stax.Conv(1, (3, 3), padding="SAME"), stax.Relu(), stax.Flatten(), stax.Dense(1))
not_a_network = 3
"""


@pytest.fixture(autouse=True)
def networks(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("name", "ours"), [("one", "2-L"), ("nine", "10-L")])
def test_ours_agree_with_neural_tangents(name: str, ours: str) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 15))
    scaled = rows * np.sqrt(15) / np.linalg.norm(rows, axis=1, keepdims=True)
    theirs = gram_matrix(scaled, architecture=f"my_networks:{name}")
    off_diagonal = ~np.eye(20, dtype=bool)
    difference = np.abs(theirs - gram_matrix(rows, architecture=ours))
    assert difference[off_diagonal].max() < 1e-12 * theirs.max()
    assert difference.max() < 1e-6 * theirs.max()  # arccos at cosine 1 costs them half their digits


def test_a_convolutional_network_of_images() -> None:
    images = np.random.default_rng(0).normal(size=(5, 6, 6))
    gram = gram_matrix(images, architecture="my_networks:convolution", dtype="float32")
    assert gram.shape == (5, 5)
    assert gram.dtype == np.float32
    assert np.linalg.eigvalsh(gram.astype(float)).min() > -1e-5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module:x", "cannot be imported"),
        ("my_networks:no_such", "cannot be imported"),
        ("my_networks:not_a_network", "is no stax network"),
    ],
)
def test_names_that_lead_to_no_network(name: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        gram_matrix(np.eye(3), architecture=name)


def test_the_current_folder_does_not_stay_where_modules_are_looked_for(monkeypatch) -> None:
    before = [*sys.path]
    gram_matrix(np.eye(3), architecture="my_networks:one")
    with pytest.raises(InvalidInputError):
        gram_matrix(np.eye(3), architecture="no_such_module:x")
    assert sys.path == before


def test_whatever_a_module_raises_is_said(tmp_path) -> None:
    (tmp_path / "raising.py").write_text("raise RuntimeError('no licence')")
    with pytest.raises(InvalidInputError, match="cannot be imported: RuntimeError: no licence"):
        gram_matrix(np.eye(3), architecture="raising:x")


def test_inputs_of_the_wrong_rank_are_said() -> None:
    with pytest.raises(InvalidInputError, match="does not take inputs of shape"):
        gram_matrix(np.eye(3), architecture="my_networks:convolution")
