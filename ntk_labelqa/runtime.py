"""What figures depend on besides the data: versions and the device."""

from __future__ import annotations

import platform
from importlib.metadata import version


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    packages = ("ntk-labelqa", "jax", "numpy", "scipy", "scikit-learn", "neural-tangents")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def device() -> str:
    """The device jax computes on, in words."""
    import jax

    first = jax.devices()[0]
    return first.platform if first.device_kind == first.platform else f"{first.platform} ({first.device_kind})"
