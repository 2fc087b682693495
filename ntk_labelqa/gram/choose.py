"""From features to the inverse that fits their number and the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.distributed import PANEL_ROWS, DistributedInverse, distributed_nystrom
from ntk_labelqa.gram.factor_cache import FactorCache
from ntk_labelqa.gram.inverse import RegularizedInverse, sample
from ntk_labelqa.gram.inverse_plan import (
    EIGEN_ITEMS,
    InversePlan,
    Landmarks,
    largest_landmarks,
    plan_inverse,
    timed_inverse_plan,
)
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
    most_landmarks: int | None = None,
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
        most_landmarks: that ``auto`` doubles up to, lest what is done with the inverse needs more memory than there is;
            None is :func:`~ntk_labelqa.gram.inverse_plan.largest_landmarks`.
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
    of = _Inversion(kernel, inputs, labels, ridge, sampling, seed, limit, cache, scheduler, announce, progress)
    if plan.landmarks is None:
        return of.whole(plan) if len(inputs) > EIGEN_ITEMS else of.by_features(plan)
    most = largest_landmarks(len(inputs), inputs.dtype.itemsize) if most_landmarks is None else most_landmarks
    return of.from_landmarks(plan, plan.landmarks, grows_to=most if landmarks == "auto" else 0)


@dataclass(frozen=True)
class _Inversion:
    """What is inverted, and how; see :func:`invert`."""

    kernel: Kernel
    inputs: Rows
    labels: Rows
    ridge: float | Literal["auto"]
    sampling: Sampling
    seed: int
    limit: int
    cache: FactorCache | None
    scheduler: str | Client | None
    announce: Callable[[object], None] | None
    progress: Tick | None

    def whole(self, plan: InversePlan) -> DenseInverse:
        """Of the whole Gram matrix, factorised for one ridge: the best one of a sample."""
        self._announce(plan)
        ridge = self.ridge
        if ridge == "auto":
            rows = sample(len(self.inputs), EIGEN_ITEMS)
            some = exact_inverse(gram_of(self.kernel, self.inputs[rows]), ridge=1.0)
            ridge = with_best_ridge(some, self.labels[rows]).ridge
        return DenseInverse(self._gram(), ridge=ridge)

    def from_landmarks(self, plan: InversePlan, landmarks: int, *, grows_to: int) -> RegularizedInverse:
        """By Nyström's approximation, with twice the *landmarks*, up to *grows_to*, until that would change little."""
        inverse = self._nystrom(plan, landmarks)
        while grows_to > landmarks or self.announce:
            error = landmark_error(self.kernel, self.inputs, self.labels, inverse, landmarks)
            if self.announce:
                self.announce(error)
            larger = None if error.is_settled else plan.doubled(self.inputs, self.limit, grows_to)
            if larger is None:
                break
            del inverse  # before the larger one takes its place
            plan, landmarks = larger, 2 * landmarks
            inverse = self._nystrom(plan, landmarks)
        return inverse

    def _nystrom(self, plan: InversePlan, landmarks: int) -> LowRankInverse | DistributedInverse:
        if self.scheduler:
            return self.distributed(plan, landmarks, self.scheduler)
        return self.by_features(plan)

    def distributed(self, plan: InversePlan, landmarks: int, scheduler: str | Client) -> DistributedInverse:
        """By the workers of *scheduler*, at the best ridge."""
        if self.announce:
            self.announce(plan)
        inverse = distributed_nystrom(
            self.kernel,
            self.inputs,
            landmarks=landmarks,
            ridge=self._start,
            scheduler=scheduler,
            sampling=self.sampling,
            seed=self.seed,
            announce=self.announce,
            progress=self.progress,
        )
        return with_best_ridge(inverse, self.labels) if self.ridge == "auto" else inverse

    def by_features(self, plan: InversePlan) -> LowRankInverse:
        """In eigen-features, from the cache or computed, at the best ridge."""
        if self.cache and not isinstance(self.kernel, StaxNetwork):
            how = f"{self.kernel} {plan.landmarks} {self.sampling} {self.seed}"
            inverse = self.cache.fetch(self.inputs, how, lambda: self._computed(plan), self._start)
        else:
            inverse = self._computed(plan)
        return with_best_ridge(inverse, self.labels) if self.ridge == "auto" else inverse

    def _computed(self, plan: InversePlan) -> LowRankInverse:
        self._announce(plan)
        if plan.landmarks is None:
            return exact_inverse(self._gram(), ridge=self._start)
        return nystrom_inverse(
            self.kernel,
            self.inputs,
            landmarks=plan.landmarks,
            ridge=self._start,
            sampling=self.sampling,
            seed=self.seed,
            progress=self.progress,
        )

    @property
    def _start(self) -> float:
        """Any ridge, from which one goes to the best."""
        return 1.0 if self.ridge == "auto" else self.ridge

    def _gram(self) -> np.ndarray:
        return gram_of(self.kernel, self.inputs, memory_limit=self.limit, progress=self.progress)

    def _announce(self, plan: InversePlan) -> None:
        """Say what it takes, which is tried out for nobody else."""
        if self.announce:
            self.announce(timed_inverse_plan(plan, self.kernel, self.inputs))
