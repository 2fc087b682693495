"""What figures depend on besides the data: versions and the device."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ntk_labelqa.errors import InvalidInputError

NEEDED = ("ntk-labelqa", "jax", "numpy", "scipy", "scikit-learn")
REMEDIES = {
    "gpu": "Install ntk-labelqa[cuda12] or ntk-labelqa[cuda13], as its driver needs, or leave the device 'auto'.",
    "cpu": "Leave JAX_PLATFORMS unset, or let it name cpu as well.",
}
"""Where jax sees no such device."""
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
    """What jax computes on, in words."""
    used, *others = devices_in_use()
    name = used.platform if used.device_kind == used.platform else f"{used.platform} ({used.device_kind})"
    return f"{name}, {1 + len(others)} of them" if others else name


def device_in_use() -> Any:
    """The device of jax that is computed on here, or the first of several."""
    return devices_in_use()[0]


def devices_in_use() -> tuple[Any, ...]:
    """All local devices of the first one's kind, or the one that was chosen by ``jax.default_device``."""
    import jax

    config: Any = jax.config
    chosen = config.jax_default_device  # a device, the name of a kind of them, or None
    if chosen is not None:
        return (jax.local_devices(backend=chosen)[0] if isinstance(chosen, str) else chosen,)
    first, *others = jax.local_devices()
    # A card for the screen would hold up the others.
    return first, *(one for one in others if one.device_kind == first.device_kind)


@contextmanager
def using_device(name: str) -> Iterator[None]:
    """Within it jax computes on a *name* ``cpu`` or ``gpu``; ``auto`` leaves that to jax and its user's settings.

    Raises InvalidInputError where there is no such device.
    """
    if name == "auto":
        yield
        return
    import jax

    first = first_device(name)
    # Where jax takes such a device anyway, it takes all there are.
    with nullcontext() if device_in_use().platform == name else jax.default_device(first):
        yield


def first_device(name: str) -> Any:
    """The first ``cpu`` or ``gpu`` that jax sees; raises InvalidInputError where it sees none."""
    import jax

    try:
        # Others than local ones belong to other processes.
        return jax.local_devices(backend=name)[0]
    except (RuntimeError, AssertionError) as error:  # the latter of a plugin that finds no driver
        raise InvalidInputError(
            f"jax sees no {name} on this machine.",
            why=str(error) or "The driver does not answer.",
            remedy=REMEDIES[name],
        ) from error
