"""What the tests of this folder share."""

import pytest

from tests.models import empty_cache, photo_model, sentence_model

__all__ = ["empty_cache", "photo_model", "sentence_model"]


@pytest.fixture(autouse=True)
def _empty_cache(empty_cache: object) -> None:
    """No embedding of another test is found."""
