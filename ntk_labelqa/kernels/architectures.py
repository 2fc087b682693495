"""The architectures by name."""

from __future__ import annotations

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.kernels.kernel import Kernel

NAMES = ("linear", "2-L", "10-L")


def kernel_of(architecture: str) -> Kernel:
    """The kernel of the architecture named, or of ``module:attribute``, a stax network of the user's own.

    Raises InvalidInputError for a name that is none of these.
    """
    from ntk_labelqa.kernels.dense import DenseNetwork

    layers = {"linear": 1, "2-L": 2, "10-L": 10}
    if architecture in layers:
        return DenseNetwork(layers[architecture])
    if ":" in architecture:
        from ntk_labelqa.kernels.stax_network import load

        return load(architecture)
    raise InvalidInputError(
        f"There is no architecture {architecture!r}.",
        remedy=f"Use one of {', '.join(NAMES)}, auto, or module:attribute of a stax network.",
    )
