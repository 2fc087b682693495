"""What figures depend on besides the data: versions and the device."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

NEEDED = ("ntk-labelqa", "jax", "numpy", "scipy", "scikit-learn")
OPTIONAL = ("neural-tangents",)
"""Figures depend on these where they are installed; most audits run without."""


def own_version() -> str:
    """The version of this package; where it was not installed, that."""
    try:
        return version("ntk-labelqa")
    except PackageNotFoundError:
        return "not installed"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on; of optional ones, those that are installed."""
    own, *others = NEEDED
    found = {"python": platform.python_version(), own: own_version(), **{name: version(name) for name in others}}
    for name in OPTIONAL:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def device() -> str:
    """The device jax computes on, in words."""
    import jax

    first = jax.devices()[0]
    return first.platform if first.device_kind == first.platform else f"{first.platform} ({first.device_kind})"
