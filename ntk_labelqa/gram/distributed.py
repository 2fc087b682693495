"""Nyström's approximation by many machines: features of panels of items as tasks of Dask.

Two passes make the inverse: features of every panel by the landmarks, and the sum of their second moments; then, by the
eigenvectors of that, eigen-features. These stay with the workers, and in a folder that all of them see, from which a
panel is read again when its worker is lost. What is then asked of the inverse is a sum or a map over panels: arrays
[m, k] and [n, k] travel, and no machine ever holds [N, m]. The calculations are those of
:mod:`ntk_labelqa.gram.nystrom` and :mod:`ntk_labelqa.gram.eigen_features`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ntk_labelqa.cache import cache_root
from ntk_labelqa.gram.arrays import Array, in_few_sizes, panels, to_device, to_host
from ntk_labelqa.gram.cluster import client_of, described, in_words, memory_for_results, threads_of
from ntk_labelqa.gram.conjugate_gradients import conjugate_gradients
from ntk_labelqa.gram.eigen_features import (
    gains_at,
    gram_times,
    leave_one_out_squares,
    moment_of,
    most_of,
    seen,
    weights_of_few,
)
from ntk_labelqa.gram.factor_cache import digest_of
from ntk_labelqa.gram.inverse import learnt, sample
from ntk_labelqa.gram.inverse_plan import LANDMARKS as LANDMARKS_USUAL
from ntk_labelqa.gram.landmarks import LandmarkMap, Sampling
from ntk_labelqa.gram.low_rank import JUDGED, check_positive
from ntk_labelqa.gram.nystrom import carrying, independent_landmarks
from ntk_labelqa.gram.panel_store import PanelStore, clear_unused
from ntk_labelqa.gram.panel_tasks import (
    FEATURES,
    INPUTS,
    LANDMARKS,
    LENGTH,
    SPECTRUM,
    WHITENED,
    eigen_features,
    moment_of_panel,
    moment_of_rows,
    on_panel,
    rows_of_panel,
    seen_rows,
    sum_of_diagonal,
    unexplained_of,
)
from ntk_labelqa.gram.panel_work import TOGETHER, PanelWork
from ntk_labelqa.gram.row_files import for_workers
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.kernels.stax_network import StaxNetwork
from ntk_labelqa.row_store import HELD, Rows

if TYPE_CHECKING:
    from distributed import Client, Future

PANEL_ROWS = 16384
"""Items of a panel of so many landmarks as is usual, and of more: 200 MB, of which a worker holds a few at once."""
LARGER_PANELS = 4
"""With fewer landmarks panels hold more items, in as many bytes, while each thread of the workers has so many panels:
Dask takes some milliseconds for each task, and a question to 16,384 items of 500 landmarks hardly more."""

Tick = Callable[[int, int], None]
Announce = Callable[[object], None]


def distributed_nystrom(
    kernel: Kernel,
    inputs: Rows,
    *,
    landmarks: int,
    ridge: float,
    scheduler: str | Client,
    sampling: Sampling = "kmeans",
    seed: int = 0,
    length: int | None = None,
    folder: Path | None = None,
    announce: Announce | None = None,
    progress: Tick | None = None,
) -> DistributedInverse:
    """:func:`~ntk_labelqa.gram.nystrom.nystrom_inverse` by the workers of *scheduler*, equal to it up to rounding.

    Args:
        kernel, inputs, landmarks, ridge, sampling, seed: as there. Inputs that are in a file, such as a memory-mapped
            ``.npy``, are read from there by the workers; others are written to *folder* once.
        scheduler: see :func:`~ntk_labelqa.gram.cluster.client_of`.
        length: items a panel; None takes :func:`panel_rows`. An earlier run in *folder* has settled it.
        folder: of the panels, which all workers see; None takes one in the cache folder. A run that was cut off goes on
            from the panels that are there, and one of the same items with other labels takes them all; not so those of
            stax networks.
        announce: called with what is to be said of the plan.
        progress: called with (panels done, panels), both passes counted.

    Raises:
        LabelQAError: the scheduler does not answer or is lost, or workers do not see *folder*.
        BrokenRowsError: kernel values are no numbers.
        MemoryBudgetError: the panels do not fit on the disk.
        InvalidInputError, SingularKernelError: as there.

    Cost: as there, shared by the workers; besides one pass over the inputs, a digest, on this machine. On the disk two
    arrays [N, m] while it is made, one later; on this machine two [m, m] in float64.
    """
    check_positive(ridge)
    client, tick, say = client_of(scheduler), progress or _silent, announce or _silent
    if folder is None:
        # A stax network may change under its name.
        unlike = uuid.uuid4().hex if isinstance(kernel, StaxNetwork) else ""
        root = cache_root() / "panels"
        clear_unused(root)
        folder = root / digest_of(inputs, f"{kernel} {landmarks} {sampling} {seed} {length} {unlike}")
    store = PanelStore(folder.absolute())  # workers may work in other folders
    store.prepare(2 * len(inputs) * landmarks * inputs.dtype.itemsize)
    anchors, factor = _landmarks_in(
        store, partial(independent_landmarks, kernel, inputs, landmarks=landmarks, sampling=sampling, seed=seed)
    )
    length = _length_in(store, length or panel_rows(landmarks, len(inputs), threads_of(client)))
    slices = list(panels(len(inputs), length))
    say(f"In {_in_words(len(slices), min(length, len(inputs)))}, by {described(client)}; kept in {store.folder}.")
    if there := max(store.count(WHITENED), store.count(FEATURES)):
        say(f"{there:,} of the panels are there from an earlier run.")
    work = PanelWork(client, slices)
    with in_words(client):
        spectrum, vectors, scale = _spectrum(work, store, kernel, inputs, tick)
        features = _features(work, store, len(spectrum), inputs.dtype, tick)
    reached = LandmarkMap.of(anchors, factor, vectors)
    return DistributedInverse(work, features, inputs.dtype, spectrum, scale, ridge=ridge, landmarks=reached)


def panel_rows(landmarks: int, items: int, threads: int) -> int:
    """Items of a panel; see :data:`PANEL_ROWS` and :data:`LARGER_PANELS`. No thread is one that is still to come.

    Example:
        >>> panel_rows(3000, 10**6, 16), panel_rows(500, 10**6, 2), panel_rows(500, 10**6, 16)
        (16384, 98304, 16384)
    """
    as_large = PANEL_ROWS * LANDMARKS_USUAL // landmarks
    for_each = -(-items // (LARGER_PANELS * threads)) if threads else 0
    return max(PANEL_ROWS, min(as_large, for_each))


def _length_in(store: PanelStore, length: int) -> int:
    """That of the panels there, which is *length* where there are none: it goes by the workers that were there then."""
    if not store.has(LENGTH):
        store.save(LENGTH, rows=np.array(length))
    return int(store.load(LENGTH)["rows"])


def _in_words(count: int, length: int) -> str:
    return f"one panel of {length:,} items" if count == 1 else f"{count:,} panels of {length:,} items"


def _silent(*_: object) -> None:
    pass


def _landmarks_in(
    store: PanelStore, choose: Callable[[], tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Those that the panels there were made by: chosen on another machine, they would differ by rounding."""
    if not store.has(LANDMARKS):
        anchors, factor = choose()
        store.save(LANDMARKS, anchors=anchors, factor=factor)
        return anchors, factor
    kept = store.load(LANDMARKS)
    return kept["anchors"], kept["factor"]


def _spectrum(
    work: PanelWork, store: PanelStore, kernel: Kernel, inputs: Rows, tick: Tick
) -> tuple[np.ndarray, np.ndarray, float]:
    """w, the eigenvectors, and tr(H)/N, from the first pass over all panels, or as an earlier run left them."""
    if store.has(SPECTRUM):
        kept = store.load(SPECTRUM)
        return kept["spectrum"], kept["vectors"], float(kept["scale"])
    width = len(store.load(LANDMARKS)["anchors"])
    store.create(WHITENED, (work.size, width), inputs.dtype, work.length)
    read = for_workers(inputs, store, work.slices)
    moments = work.map(partial(moment_of_panel, store, kernel, read), work.slices)
    whole = work.sum(moments)
    trace = work.sum(work.map(partial(sum_of_diagonal, kernel, read), work.slices))
    work.watch(moments, lambda done, count: tick(done, 2 * count))
    spectrum, vectors = carrying(to_device(whole.result()))
    scale = float(trace.result()) / work.size
    store.save(SPECTRUM, spectrum=spectrum, vectors=vectors, scale=np.array(scale))
    return spectrum, vectors, scale


def _features(work: PanelWork, store: PanelStore, width: int, dtype: np.dtype, tick: Tick) -> list[Future]:
    """The panels of eigen-features: with the workers where their memory holds them, else to be read when needed."""
    store.create(FEATURES, (work.size, width), dtype, work.length)
    held = work.size * width * dtype.itemsize <= memory_for_results(work.client)
    features = work.map(partial(eigen_features, store, held), work.slices)
    work.watch(features, lambda done, count: tick(count + done, 2 * count))
    for done_with in (WHITENED, INPUTS):
        store.remove(done_with)
    return features


class DistributedInverse:
    """G from panels of eigen-features that workers hold; see the module and
    :class:`~ntk_labelqa.gram.inverse.RegularizedInverse`.

    Args:
        work: over the panels.
        panels: futures of the panels of F.
        dtype: of F.
        spectrum: w, float64[m].
        scale: tr(H)/N.
        ridge: relative to *scale*, positive.
        landmarks: what F was made by; None where a part of it is used.
    """

    def __init__(
        self,
        work: PanelWork,
        panels: Sequence[Future],
        dtype: np.dtype,
        spectrum: np.ndarray,
        scale: float,
        *,
        ridge: float,
        landmarks: LandmarkMap | None,
    ) -> None:
        check_positive(ridge)
        self.work, self.panels, self.dtype = work, panels, dtype
        self._spectrum, self.landmarks = spectrum, landmarks
        self.size, self.scale, self.ridge = work.slices[-1].stop, scale, float(ridge)
        self._shift = np.float64(self.ridge * scale)
        self.gains = gains_at(spectrum, self._shift, dtype)
        self._spared: np.ndarray | None = None

    def at(self, ridge: float) -> Self:
        """The inverse at another ridge; shares the panels."""
        if ridge == self.ridge:
            return self
        return type(self)(
            self.work, self.panels, self.dtype, self._spectrum, self.scale, ridge=ridge, landmarks=self.landmarks
        )

    @property
    def rank(self) -> int:
        """Columns of F."""
        return len(self._spectrum)

    def gram_of(self, rows: np.ndarray) -> np.ndarray:
        """F Fᵀ of the items *rows*, float64[n, n]. One round of tasks."""
        some = self._taken(rows).astype(np.float64)
        return some @ some.T

    def halved(self) -> Self:
        """The inverse by the half of the features with the largest spectrum; shares the panels."""
        return type(self)(
            self.work, self.panels, self.dtype, most_of(self._spectrum), self.scale, ridge=self.ridge, landmarks=None
        )

    def apply(self, values: np.ndarray) -> np.ndarray:
        """G V, float64[N, k]. Two rounds of tasks."""
        parts = [values[rows].astype(self.dtype) for rows in self.work.slices]
        right = self.work.summed(self.each(moment_of, parts), self.moment_bytes(values.shape[1]))
        return (values - self._said(self.gains[:, None] * right)) / self._shift

    def regression(self) -> DistributedRegression:
        """One that has learnt nothing yet."""
        return DistributedRegression(self)

    def diagonal(self) -> np.ndarray:
        """diag G, float64[N]. One round of tasks, once a ridge."""
        return self.unexplained() / self._shift

    def unexplained(self) -> np.ndarray:
        """1 − leverage of each item, float64[N]."""
        if self._spared is None:
            self._spared = np.concatenate(self._gathered(unexplained_of, self.gains))
        return self._spared

    def columns(self, indices: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """G[rows, indices], float64[len(rows), len(indices)]; None takes all rows. Two rounds of tasks."""
        own = self._taken(indices)
        product = self._said(self.gains[:, None] * own.T, rows)
        places = np.arange(self.size) if rows is None else rows
        return ((places[:, None] == indices) - product) / self._shift

    def predicted_from(self, rows: np.ndarray, labels: Rows) -> np.ndarray:
        """What the items *rows* alone say of all, float64[N, K], to about 5 digits.

        Two rounds of tasks for n ≤ m rows; beyond, one a step of conjugate gradients, about 8.
        """
        if not len(rows):
            return np.zeros((self.size, labels.shape[1]))
        given = labels[rows].astype(np.float64)
        if len(rows) <= len(self._spectrum):
            own = self._taken(rows)
            return self._said(to_host(weights_of_few(to_device(own), to_device(self._shift), to_device(given))))
        parts = list(self.work.parts(rows))
        taught = self.each(rows_of_panel, [local for _, local, _ in parts], of=[number for number, _, _ in parts])

        def summed(function: Callable[..., Array], others: Sequence[Any]) -> np.ndarray:
            parts = self.work.map(partial(on_panel, function), taught, others)
            return self.work.summed(parts, self.moment_bytes(labels.shape[1]))

        def image(direction: np.ndarray) -> np.ndarray:
            return summed(gram_times, [self.work.shared(direction)] * len(parts))

        right = summed(moment_of, [given[at].astype(self.dtype) for _, _, at in parts])
        # The items are part of all, whose FᵀF is diagonal: so theirs nearly is, which makes few steps enough.
        diagonal = self._spectrum * (len(rows) / self.size) + self._shift
        return self._said(conjugate_gradients(image, self._shift, right, diagonal))

    def leave_one_out_errors(self, labels: Rows, ridges: np.ndarray) -> np.ndarray:
        """Mean squared leave-one-out error at each of *ridges*, over at most
        :data:`~ntk_labelqa.gram.low_rank.JUDGED` items that learn from all. Two rounds of tasks.
        """
        rows = sample(self.size, JUDGED)
        right = learnt(self.regression(), labels).moment
        gains = np.stack([gains_at(self._spectrum, ridge * self.scale, self.dtype) for ridge in ridges])
        given = labels[rows].astype(np.float64)
        parts = list(self.work.parts(rows))
        each = [[local for _, local, _ in parts], [given[at] for _, _, at in parts]]
        every = [[self.work.shared(value)] * len(parts) for value in (right, gains)]
        sums = self.each(leave_one_out_squares, *each, *every, of=[number for number, _, _ in parts])
        return self.work.summed(sums, 8 * len(ridges)) / given.size

    def moment_bytes(self, columns: int) -> int:
        """Of a float64[m, columns]."""
        return 8 * len(self._spectrum) * columns

    def each(
        self, function: Callable[..., Array], *each: Sequence[Any], of: Sequence[int] | None = None
    ) -> list[Future]:
        """Futures of *function* of panels, the numbers *of* which are given, and of *each* of others."""
        chosen = self.panels if of is None else [self.panels[number] for number in of]
        return self.work.map(partial(on_panel, function), chosen, *each)

    def _gathered(self, function: Callable[..., Array], *others: np.ndarray) -> list[np.ndarray]:
        """*function* of every panel and of *others*."""
        every = [[self.work.shared(value)] * len(self.panels) for value in others]
        return self.work.gathered(self.each(function, *every))

    def _said(self, weights: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """F weights, float64[len(rows), k]; None takes all rows."""
        weights = weights.astype(self.dtype)
        if rows is None:
            return np.concatenate(self._gathered(seen, weights))
        return self._of_rows(seen_rows, rows, weights, weights.shape[1:], np.dtype(np.float64))

    def _taken(self, rows: np.ndarray) -> np.ndarray:
        """F[rows], of few rows."""
        return self._of_rows(rows_of_panel, rows, None, (len(self._spectrum),), self.dtype)

    def _of_rows(
        self,
        function: Callable[..., Array],
        rows: np.ndarray,
        shared: np.ndarray | None,
        shape: tuple[int, ...],
        dtype: np.dtype,
    ) -> np.ndarray:
        """*function* of panels and of which of their rows are asked for, put together in the order of *rows*."""
        result, parts = np.empty((len(rows), *shape), dtype), list(self.work.parts(rows))
        each: list[Sequence[Any]] = [[in_few_sizes(local) for _, local, _ in parts]]
        if shared is not None:
            each.append([self.work.shared(shared)] * len(parts))
        futures = self.each(function, *each, of=[number for number, _, _ in parts])
        for (_, _, places), part in zip(parts, self.work.gathered(futures), strict=True):
            result[places] = part[: len(places)]
        return result


class DistributedRegression:
    """See :class:`~ntk_labelqa.gram.inverse.Regression`.

    Args:
        inverse: whose items learn.
    """

    def __init__(self, inverse: DistributedInverse) -> None:
        self._inverse, self._work = inverse, inverse.work
        self._sums: list[Future] = []
        self._sent = self._bytes = 0
        self._moment: np.ndarray | None = None
        self._weights: Any = None

    @property
    def moment(self) -> np.ndarray:
        """Fᵀ V of the values learnt, float64[m, k]."""
        if self._moment is None:
            self._moment = self._work.summed(self._sums, self._bytes)
        return self._moment

    @property
    def coefficients(self) -> np.ndarray:
        """(FᵀF + λI)⁻¹ FᵀV, float64[m, k]: what eigen-features are multiplied by to predict V."""
        return self._inverse.gains[:, None] * self.moment

    def learn(self, rows: slice, values: np.ndarray) -> None:
        """Does not wait for the tasks, unless many values are on their way."""
        parts = list(self._work.overlaps(rows))
        sent = [values[own].astype(self._inverse.dtype) for _, _, own in parts]
        of, local = [number for number, _, _ in parts], [at for _, at, _ in parts]
        self._sums += self._inverse.each(moment_of_rows, local, sent, of=of)
        self._sent += sum(part.nbytes for part in sent)
        self._bytes = self._inverse.moment_bytes(values.shape[1])
        if len(self._sums) >= TOGETHER or self._sent > HELD:
            self._sums = [self._work.sum(self._sums)]
        if self._sent > HELD:
            self._work.gathered([self._work.client.submit(np.shape, self._sums[0], pure=False)])
            self._sent = 0

    def left_out(self, rows: slice, values: np.ndarray) -> np.ndarray:
        """One round of tasks."""
        inverse = self._inverse
        if self._weights is None:
            self._weights = self._work.shared(self.coefficients.astype(inverse.dtype))
        parts = list(self._work.overlaps(rows))
        local, every = [at for _, at, _ in parts], [self._weights] * len(parts)
        said = self._work.gathered(inverse.each(seen_rows, local, every, of=[number for number, _, _ in parts]))
        return values - (values - np.concatenate(said)) / inverse.unexplained()[rows, None]
