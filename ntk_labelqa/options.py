"""What a user may choose about an audit, in one place for the command line and Python."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from ntk_labelqa import arguments

DType = Literal["float32", "float64"]


@dataclass(frozen=True)
class AuditOptions:
    """How an audit is computed.

    Attributes:
        architecture: a name such as ``2-L``, ``module:attribute`` of a stax network, or ``auto``.
        ridge: relative to tr(H)/N, or ``auto`` for the leave-one-out choice.
        encoder: None takes the one that fits the items.
        features: path of a features file, which goes before any encoder.
        landmarks: Nyström landmarks; ``all`` inverts exactly; ``auto`` does so for up to 3,000 items.
        dtype: precision in which kernel entries are computed; factors are float64 in the dense inverse.
        seed: of landmarks, projections and planted errors.
    """

    architecture: str = "auto"
    ridge: float | Literal["auto"] = "auto"
    encoder: str | None = None
    features: str | os.PathLike[str] | None = None
    landmarks: int | Literal["all", "auto"] = "auto"
    dtype: DType = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        """Options that cannot be are refused; paths become strings, as the options are written into the manifest."""
        arguments.check("architecture", self.architecture, arguments.ARCHITECTURE_NAME)
        arguments.check_computation(self.architecture, self.ridge, self.landmarks, self.seed)
        arguments.check("dtype", self.dtype, arguments.PRECISION)
        if self.features is not None:
            object.__setattr__(self, "features", os.fspath(self.features))
