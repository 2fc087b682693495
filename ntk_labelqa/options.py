"""What a user may choose about an audit, in one place for the command line and Python."""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Literal

from ntk_labelqa import arguments

if TYPE_CHECKING:
    from distributed import Client

    from ntk_labelqa.kernels.kernel import Kernel

Device = Literal["auto", "cpu", "gpu"]
DType = Literal["float32", "float64"]
Preparation = Literal["auto", "none", "center", "standardize"]


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
class KernelOptions:
    """How a kernel is fitted to features and labels.

    Attributes:
        architecture: a name such as ``2-L``, ``module:attribute`` of a stax network, a kernel, or ``auto``, which takes
            the one with the best leave-one-out error on a sample.
        preparation: of plain numbers: ``standardize``, ``center``, ``none``, or ``auto``, which judges by leave-one-out
            error on a sample; see :mod:`ntk_labelqa.inputs.preparation`.
        ridge: relative to tr(H)/N, or ``auto`` for the leave-one-out choice.
        landmarks: Nyström landmarks; ``all`` inverts exactly; ``auto`` does so for up to 3,000 items.
        dtype: precision in which kernel entries are computed; factors are float64 in the dense inverse.
        seed: of samples, landmarks, projections and planted errors.
        scheduler: of Dask, whose workers share the low-rank inverse: ``local`` for the cores of this machine, an
            address such as ``tcp://host:8786``, or a client; None computes in this process.
        device: that kernels, their inverse and the label model are computed on: ``cpu``, ``gpu``, or ``auto``, which
            leaves it to jax.
    """

    architecture: str | Kernel = "auto"
    preparation: Preparation = "auto"
    ridge: float | Literal["auto"] = "auto"
    landmarks: int | Literal["all", "auto"] = "auto"
    dtype: DType = "float32"
    seed: int = 0
    scheduler: str | Client | None = None
    device: Device = "auto"

    def __post_init__(self) -> None:
        """Options that cannot be are refused."""
        for name, rule in (
            ("architecture", arguments.ARCHITECTURE),
            ("preparation", arguments.PREPARATION),
            ("ridge", arguments.RIDGE),
            ("landmarks", arguments.LANDMARKS),
            ("dtype", arguments.PRECISION),
            ("seed", arguments.SEED),
            ("scheduler", arguments.SCHEDULER),
            ("device", arguments.DEVICE),
        ):
            arguments.check(name, getattr(self, name), rule)
        for name in ("landmarks", "seed", "ridge"):  # numbers of NumPy cannot be written into a manifest
            value = getattr(self, name)
            if not isinstance(value, str):
                object.__setattr__(self, name, int(value) if isinstance(value, Integral) else float(value))


@dataclass(frozen=True)
class AuditOptions(KernelOptions):
    """How an audit is computed: a kernel's options, of which the architecture is a name, and these.

    Attributes:
        encoder: None takes the one that fits the items.
        features: path of a features file, which goes before any encoder.
        regions: from where on a region breaks a rule.
    """

    architecture: str = "auto"
    encoder: str | None = None
    features: str | os.PathLike[str] | None = None
    regions: RegionLimits = RegionLimits()

    def __post_init__(self) -> None:
        """Options that cannot be are refused; paths become strings, as the options are written into the manifest."""
        arguments.check("architecture", self.architecture, arguments.ARCHITECTURE_NAME)
        super().__post_init__()
        if self.features is not None:
            object.__setattr__(self, "features", os.fspath(self.features))
