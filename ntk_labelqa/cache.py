"""Where things are kept that can always be made again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "NTK_LABELQA_CACHE"


def cache_root() -> Path:
    """The cache folder: NTK_LABELQA_CACHE if set, else the user's cache folder of this system."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("ntk-labelqa", appauthor=False)
