"""A kernel fitted to features and labels: numbers prepared, the architecture chosen, and its Gram matrix inverted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ntk_labelqa.diagnostics.architecture_choice import ArchitectureChoice, choose_architecture
from ntk_labelqa.diagnostics.audit_plan import plan_audit
from ntk_labelqa.diagnostics.preparation_choice import PreparationChoice, choose_preparation
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.factor_cache import FactorCache
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.inverse_plan import LANDMARKS, Landmarks, usual_landmarks
from ntk_labelqa.inputs.preparation import Preparation, fit_preparation
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.options import KernelOptions
from ntk_labelqa.progress import Stages
from ntk_labelqa.row_store import Rows


@dataclass(frozen=True, kw_only=True)
class ChosenKernel:
    """What is inverted.

    Attributes:
        features: as the kernel sees them, float[N, …].
        preparation: what makes such of further rows.
        architecture: whose kernel it is.
        preparation_choice, architecture_choice: by what these were chosen; None where they were given.
    """

    features: Rows
    preparation: Preparation
    architecture: str | Kernel
    preparation_choice: PreparationChoice | None = None
    architecture_choice: ArchitectureChoice | None = None

    @property
    def choices(self) -> dict[str, Any]:
        """The figures behind both choices, for the manifest of an audit; empty where nothing was chosen."""
        by_name, kernels = self.preparation_choice, self.architecture_choice
        return {
            "preparation_choice": {"errors": by_name.errors} if by_name else {},
            "architecture_choice": {"errors": kernels.errors, "left_out": kernels.left_out} if kernels else {},
        }


@dataclass(frozen=True, kw_only=True)
class FittedKernel(ChosenKernel):
    """What every diagnostic is computed from.

    Attributes:
        inverse: G over the N items.
        landmarks: as asked for, or the fewer that so many items leave room for.
    """

    inverse: RegularizedInverse
    landmarks: Landmarks = "auto"


def prepare_numbers(
    features: Rows, labels: Rows, options: KernelOptions, *, numbers: np.ndarray | None
) -> tuple[Preparation, PreparationChoice | None]:
    """What is done to *features*, and by what that was chosen, if it was.

    Args:
        features: float[N, …].
        labels: Y, float[N, K].
        options: ``preparation``, and whose kernel judges.
        numbers: bool[D], which columns are plain numbers; where it is None, ``auto`` leaves all as it is.

    Raises InvalidInputError where images are to be standardised, or the architecture takes no rows of numbers.
    """
    if options.preparation != "auto":
        return fit_preparation(options.preparation, features, numbers=numbers), None
    if numbers is None:
        return Preparation(), None
    choice = choose_preparation(features, labels, architecture=options.architecture, numbers=numbers, seed=options.seed)
    return fit_preparation(choice.name, features, numbers=numbers), choice


def choose_kernel(
    features: Rows,
    labels: Rows,
    options: KernelOptions,
    *,
    numbers: np.ndarray | None = None,
    stages: Stages | None = None,
) -> ChosenKernel:
    """Prepare *features*, and choose the architecture where it is ``auto``; as :func:`fit_kernel`, without inverting.

    Cost: for each choice that of a few samples of 1,000 items.
    """
    stages = stages or Stages(quiet=True)
    with stages.stage("Preparing the numbers"):
        preparation, prepared_by = prepare_numbers(features, labels, options, numbers=numbers)
        seen = preparation(features)
        if prepared_by:
            stages.note(prepared_by)
    with stages.stage("Choosing the architecture"):
        architecture, chosen_by = options.architecture, None
        if architecture == "auto":
            chosen_by = choose_architecture(seen, labels, seed=options.seed)
            architecture = chosen_by.name
            stages.note(chosen_by)
    return ChosenKernel(
        features=seen,
        preparation=preparation,
        architecture=architecture,
        preparation_choice=prepared_by,
        architecture_choice=chosen_by,
    )


def fit_kernel(
    features: Rows,
    labels: Rows,
    options: KernelOptions,
    *,
    numbers: np.ndarray | None = None,
    cache: FactorCache | None = None,
    stages: Stages | None = None,
) -> FittedKernel:
    """Prepare *features*, choose the architecture where it is ``auto``, and invert its Gram matrix.

    Args:
        features: float[N, …], finite.
        labels: Y, float[N, K], which all choices are made by.
        options: how; see there.
        numbers: bool[D], which columns are plain numbers of whatever unit; None where the features are as a kernel is
            to see them.
        cache: where factors are kept from call to call.
        stages: shows progress, and says what was chosen; None is silent.

    Raises: as :func:`~ntk_labelqa.gram.choose.invert`.

    Cost: that of :func:`~ntk_labelqa.gram.choose.invert`, and for each choice that of a few samples of 1,000 items.
    """
    stages = stages or Stages(quiet=True)
    chosen = choose_kernel(features, labels, options, numbers=numbers, stages=stages)
    landmarks, itemsize = options.landmarks, np.dtype(options.dtype).itemsize
    if landmarks == "auto":
        landmarks = usual_landmarks(len(features), itemsize)
        if landmarks != "auto":
            stages.note(
                f"For so many items, {landmarks:,} landmarks instead of {LANDMARKS:,}, to save memory and time: more "
                f"are nearer to the exact kernel (--landmarks {LANDMARKS})."
            )
    plan = plan_audit(chosen.features, labels.shape[1], len(labels), landmarks=landmarks, itemsize=itemsize)
    with stages.stage("Inverting the kernel") as tick:
        inverse = invert(
            chosen.features,
            labels,
            architecture=chosen.architecture,
            ridge=options.ridge,
            landmarks=landmarks,
            dtype=options.dtype,
            seed=options.seed,
            most_landmarks=None if options.scheduler else plan.largest().landmarks,
            cache=cache,
            scheduler=options.scheduler,
            announce=stages.note,
            progress=tick,
        )
    return FittedKernel(**vars(chosen), inverse=inverse, landmarks=landmarks)
