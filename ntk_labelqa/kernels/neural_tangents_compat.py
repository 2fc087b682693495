"""neural-tangents on any jax: the only module that imports it.

neural-tangents 0.6.5 is the last release. Its ``stax`` and ``batch`` work on every jax from 0.4.38 on, but its package
``__init__`` imports parts that need TensorFlow and internals removed from jax. So the installed package is found
without running that ``__init__``, and registered as an empty package with the same search path; submodules then import
as ever, also in a user's own ``from neural_tangents import stax``.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ntk_labelqa.errors import InvalidInputError

PACKAGE = "neural_tangents"


def register() -> None:
    """Make ``neural_tangents`` importable, without its ``__init__``; a package already imported is left alone.

    Raises InvalidInputError where neural-tangents is not installed.
    """
    if PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise InvalidInputError(
            "Networks of your own need neural-tangents, which is not installed.",
            remedy="Install the extra: pip install 'ntk-labelqa[networks]', which brings TensorFlow with it; or, to do "
            "without that, what is used of it: pip install --no-deps neural-tangents frozendict.",
        )
    package = ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules[PACKAGE] = package


def stax() -> Any:
    """The module ``neural_tangents.stax``."""
    register()
    from neural_tangents import stax as module

    return module


def batch() -> Callable[..., Any]:
    """The function ``neural_tangents.batch``."""
    register()
    from neural_tangents._src.batching import batch as function

    return function
