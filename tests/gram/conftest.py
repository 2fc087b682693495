"""Both kinds of arrays that calculations are written for."""

from __future__ import annotations

import pytest

from ntk_labelqa.gram import arrays


@pytest.fixture(params=[False, True], ids=["processor", "accelerator"])
def _device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of NumPy, and such of jax, which is what an accelerator gets."""
    monkeypatch.setattr(arrays, "on_accelerator", lambda: request.param)
