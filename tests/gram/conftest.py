"""Both kinds of arrays that calculations are written for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ntk_labelqa.gram import arrays
from tests.gram.clusters import two_workers

if TYPE_CHECKING:
    from distributed import Client


@pytest.fixture(params=[False, True], ids=["processor", "accelerator"])
def _device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of NumPy, and such of jax, which is what an accelerator gets."""
    monkeypatch.setattr(arrays, "on_accelerator", lambda: request.param)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Client]:
    """The client of two worker processes."""
    with two_workers() as client:
        yield client
