"""The architectures by name."""

from __future__ import annotations

import reprlib

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.kernels.kernel import Kernel

DENSE = {"linear": 1, "2-L": 2, "10-L": 10}
"""Weight layers of the dense networks."""
CONVOLUTIONAL = {"CNN-1": ((1,), False), "CNN-2": ((1, 1), False), "CNN-3": ((2, 2, 1), True)}
"""Strides of the convolutions, and whether global average pooling follows them."""
NAMES = (*DENSE, *CONVOLUTIONAL)


def recorded(architecture: object) -> str:
    """*architecture*, which a file such as an audit's manifest names: one of :data:`NAMES`.

    Raises InvalidInputError for all else. ``module:attribute`` is code, and what is run is for people to say, on the
    command line or in Python.

    Example:
        >>> recorded("2-L")
        '2-L'
    """
    if isinstance(architecture, str) and architecture in NAMES:
        return architecture
    raise InvalidInputError(
        f"The audit names the architecture {reprlib.repr(architecture)}, which is none of {', '.join(NAMES)}.",
        why="A network of one's own is code, and nothing is run because a file says so.",
        remedy="If it is yours, name it yourself, as the audit was asked to with --arch; else audit with one of these.",
    )


def kernel_of(architecture: str) -> Kernel:
    """The kernel of the architecture named, or of ``module:attribute``, a stax network of the user's own.

    Raises InvalidInputError for a name that is none of these.
    """
    if architecture in DENSE:
        from ntk_labelqa.kernels.dense import DenseNetwork

        return DenseNetwork(DENSE[architecture])
    if architecture in CONVOLUTIONAL:
        from ntk_labelqa.kernels.convolution import ConvolutionalNetwork

        return ConvolutionalNetwork(*CONVOLUTIONAL[architecture])
    if ":" in architecture:
        from ntk_labelqa.kernels.stax_network import load

        return load(architecture)
    raise InvalidInputError(
        f"There is no architecture {architecture!r}.",
        remedy=f"Use one of {', '.join(NAMES)}, auto, or module:attribute of a stax network.",
    )
