"""From features to the inverse that fits their number and the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from numpy.typing import DTypeLike

from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.distributed import PANEL_ROWS, distributed_nystrom
from ntk_labelqa.gram.factor_cache import FactorCache
from ntk_labelqa.gram.inverse import RegularizedInverse, sample
from ntk_labelqa.gram.inverse_plan import EIGEN_ITEMS, InversePlan, Landmarks, plan_inverse, timed_inverse_plan
from ntk_labelqa.gram.landmark_error import landmark_error
from ntk_labelqa.gram.landmarks import Sampling
from ntk_labelqa.gram.low_rank import LowRankInverse, exact_inverse
from ntk_labelqa.gram.matrix import gram_of, prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.kernels.stax_network import StaxNetwork
from ntk_labelqa.memory import usable_memory
from ntk_labelqa.row_store import Rows

if TYPE_CHECKING:
    from distributed import Client

Tick = Callable[[int, int], None]


def invert(
    features: Rows,
    labels: Rows,
    *,
    architecture: str | Kernel,
    ridge: float | Literal["auto"] = "auto",
    landmarks: Landmarks = "auto",
    sampling: Sampling = "kmeans",
    dtype: DTypeLike = "float32",
    seed: int = 0,
    memory_limit: int | None = None,
    cache: FactorCache | None = None,
    scheduler: str | Client | None = None,
    announce: Callable[[object], None] | None = None,
    progress: Tick | None = None,
) -> RegularizedInverse:
    """The regularised inverse of the Gram matrix of *features*.

    Args:
        features: float[N, …] as the architecture takes them.
        labels: Y, float[N, K], which choose the ridge.
        architecture: see :func:`ntk_labelqa.gram.matrix.gram_matrix`.
        ridge: relative to tr(H)/N, positive; ``auto`` takes the one with the least leave-one-out error, for a dense
            inverse on a sample of :data:`EIGEN_ITEMS`.
        landmarks: m, ``all`` or ``auto``; see :func:`~ntk_labelqa.gram.inverse_plan.plan_inverse`. ``auto`` doubles
            them until that would hardly change which labels are contradicted, or the features became too large.
        sampling: of the landmarks.
        dtype: precision of kernel values, and of the features of Nyström's approximation.
        seed: of the landmarks.
        memory_limit: bytes; None takes what is free.
        cache: where factors are kept from call to call; not those of stax networks, which may change under their name,
            nor of :class:`~ntk_labelqa.gram.dense.DenseInverse`, which are good for one ridge.
        scheduler: of Dask, whose workers share the inverse from landmarks; see
            :func:`~ntk_labelqa.gram.distributed.distributed_nystrom`, which has a cache of its own. An exact inverse is
            computed in this process all the same.
        announce: called with the plan before anything large is allocated, and with how near landmarks come.
        progress: called with (done, total).

    Raises:
        InvalidInputError: more landmarks than items, or features that do not fit the architecture.
        MemoryBudgetError: it does not fit into memory; the message says what would.
        LabelQAError: the scheduler does not answer or is lost.

    Cost: about 10N³ flops for up to 4,000 items exactly, N³ beyond; 4Nm² with landmarks.
    """
    kernel, inputs = prepare(features, architecture, dtype)
    limit = usable_memory() if memory_limit is None else memory_limit
    plan = plan_inverse(inputs, landmarks, memory_limit=limit, held=PANEL_ROWS if scheduler else None)
    start = 1.0 if ridge == "auto" else ridge
    if scheduler and plan.landmarks is not None:
        if announce:
            announce(plan)
        spread = distributed_nystrom(
            kernel,
            inputs,
            landmarks=plan.landmarks,
            ridge=start,
            scheduler=scheduler,
            sampling=sampling,
            seed=seed,
            announce=announce,
            progress=progress,
        )
        return with_best_ridge(spread, labels) if ridge == "auto" else spread
    if plan.landmarks is None and len(inputs) > EIGEN_ITEMS:
        if announce:
            announce(timed_inverse_plan(plan, kernel, inputs))
        if ridge == "auto":
            start = _sampled_ridge(kernel, inputs, labels)
        return DenseInverse(gram_of(kernel, inputs, memory_limit=limit, progress=progress), ridge=start)

    def compute(plan: InversePlan) -> LowRankInverse:
        if announce:
            announce(timed_inverse_plan(plan, kernel, inputs))
        if plan.landmarks is None:
            return exact_inverse(gram_of(kernel, inputs, memory_limit=limit, progress=progress), ridge=start)
        return nystrom_inverse(
            kernel, inputs, landmarks=plan.landmarks, ridge=start, sampling=sampling, seed=seed, progress=progress
        )

    def at_best_ridge(plan: InversePlan) -> LowRankInverse:
        if cache and not isinstance(kernel, StaxNetwork):
            how = f"{kernel} {plan.landmarks} {sampling} {seed}"
            inverse = cache.fetch(inputs, how, lambda: compute(plan), start)
        else:
            inverse = compute(plan)
        return with_best_ridge(inverse, labels) if ridge == "auto" else inverse

    inverse = at_best_ridge(plan)
    while plan.landmarks is not None and (announce or landmarks == "auto"):
        error = landmark_error(kernel, inputs, labels, inverse, plan.landmarks)
        if announce:
            announce(error)
        larger = None if error.is_settled or landmarks != "auto" else plan.doubled(inputs, limit)
        if larger is None:
            break
        del inverse  # before the larger one takes its place
        plan, inverse = larger, at_best_ridge(larger)
    return inverse


def _sampled_ridge(kernel: Kernel, inputs: Rows, labels: Rows) -> float:
    """The best ridge of a sample; before the whole is factorised, since that is done for one ridge."""
    rows = sample(len(inputs), EIGEN_ITEMS)
    return with_best_ridge(exact_inverse(gram_of(kernel, inputs[rows]), ridge=1.0), labels[rows]).ridge
