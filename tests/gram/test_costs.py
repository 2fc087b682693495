"""What an accelerator's programs do is what the mathematics needs, by XLA's own analysis of them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gpu.costs import Sizes, Step, pairs_computed, steps
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.tiles import tile_side
from ntk_labelqa.kernels.architectures import kernel_of

MOST = 1.3
SIZES = Sizes(items=512, landmarks=256, features=784, classes=10, images=16)


COUNTED = [step for step in steps(SIZES) if len(step.unlike) < 2]


@pytest.mark.parametrize("step", COUNTED, ids=lambda step: step.name.replace(" ", "-"))
def test_no_step_does_much_more_than_it_has_to(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    times = step.times()
    assert times.keys() == {"flops", "bytes"} - step.unlike.keys()
    # Below what is needed the formula would be wrong.
    assert all(0.9 <= value <= MOST for value in times.values()), times


@pytest.mark.parametrize("architecture", ["2-L", "10-L", "CNN-1", "CNN-2", "CNN-3"])
def test_a_large_gram_matrix_takes_little_more_than_half_of_its_pairs(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    shape = (60_000, 28, 28, 1) if "CNN" in architecture else (60_000, 784)
    side = tile_side(kernel_of(architecture), np.broadcast_to(np.float32(0), shape))
    assert 1 <= pairs_computed(60_000, side) <= MOST


@pytest.mark.parametrize("architecture", ["2-L", "10-L"])
def test_a_round_of_the_search_for_near_pairs_goes_over_a_block_few_times(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each item of a Gram matrix is near itself, so that every tile on the diagonal takes a round."""
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    without, searched = (step for step in steps(SIZES) if step.name.startswith(f"{architecture}, block"))
    more = searched.analysed(searched.compiled())["bytes"] - without.analysed(without.compiled())["bytes"]
    assert more <= 150 * SIZES.items * SIZES.landmarks
