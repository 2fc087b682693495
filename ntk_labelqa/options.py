"""What a user may choose about an audit, in one place for the command line and Python."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from ntk_labelqa import arguments

DType = Literal["float32", "float64"]


@dataclass(frozen=True)
class RegionLimits:
    """From where on a region breaks a rule of :mod:`ntk_labelqa.diagnostics.region_faults`.

    Attributes:
        outside: per cent of the image's side by which a region may reach beyond it: drawing to the edge overshoots by a
            pixel.
        longest: length over breadth, in pixels, beyond which a region is a sliver.
        smallest: per cent of the image's area below which a region is tiny, where it is also less than an eighth of its
            class's usual size.
        beyond: factor beyond the 1st and 99th percentile of its class at which an area or an aspect is odd.
        same: intersection over union of two regions of a class that are one, drawn twice.
        inside: share of a region's area within another from which on it lies inside.
        habit: share of a class's regions from which on breaking a rule is its habit, and no fault.
        majority: share of a string's labels from which on another label is odd.
    """

    outside: float = 0.5
    longest: float = 20.0
    smallest: float = 0.3
    beyond: float = 3.0
    same: float = 0.9
    inside: float = 0.85
    habit: float = 0.05
    majority: float = 0.9


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
        regions: from where on a region breaks a rule.
    """

    architecture: str = "auto"
    ridge: float | Literal["auto"] = "auto"
    encoder: str | None = None
    features: str | os.PathLike[str] | None = None
    landmarks: int | Literal["all", "auto"] = "auto"
    dtype: DType = "float32"
    seed: int = 0
    regions: RegionLimits = RegionLimits()

    def __post_init__(self) -> None:
        """Options that cannot be are refused; paths become strings, as the options are written into the manifest."""
        arguments.check("architecture", self.architecture, arguments.ARCHITECTURE_NAME)
        arguments.check_computation(self.architecture, self.ridge, self.landmarks, self.seed)
        arguments.check("dtype", self.dtype, arguments.PRECISION)
        if self.features is not None:
            object.__setattr__(self, "features", os.fspath(self.features))
