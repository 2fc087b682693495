r"""Labels that move: one class an item, and GY, Z and the class counts kept up to date as items change class.

Moving item i from class a to j changes two columns of GY by the column i of G,

.. math:: (GY)_{:a} \leftarrow (GY)_{:a} - G_{:i}, \qquad (GY)_{:j} \leftarrow (GY)_{:j} + G_{:i}

so with G at hand a move costs O(N), and finding the next one O(NK). Where G is too large to hold, items move in blocks,
and one ``apply`` serves a whole block.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ntk_labelqa.diagnostics.flip_gains import LabelState
from ntk_labelqa.gram.inverse import RegularizedInverse

LARGEST_HELD = 5000
"""Items up to which G is held whole (200 MB) and items move one at a time."""
FIRST_BLOCK = 0.01
"""Share of the items that move at once where G is not held."""


@dataclass(frozen=True)
class Moves:
    """Items that changed class, in the order in which they did; an item may do so more than once.

    Attributes:
        items: int64[M], rows.
        given, taken: int64[M], classes before and after.
        steps: int64[M], moves of one step were made together.
    """

    items: np.ndarray
    given: np.ndarray
    taken: np.ndarray
    steps: np.ndarray


@dataclass
class Labelling:
    """Class codes, int64[N], that can be changed, under one inverse.

    Attributes:
        inverse: G.
        codes: int64[N]; the object's own copy.
        state: GY, diag G, Z and n for these codes.
        block: items that may move at once.
    """

    inverse: RegularizedInverse
    codes: np.ndarray
    class_count: int
    state: LabelState = field(init=False)
    block: int = field(init=False)

    def __post_init__(self) -> None:
        self.codes = self.codes.copy()
        self.state = LabelState.of(self.inverse, self.one_hot())
        count = self.inverse.size
        self._held = self.inverse.columns(np.arange(count)) if count <= LARGEST_HELD else None
        self.block = 1 if self._held is not None else max(1, round(FIRST_BLOCK * count))
        self._log: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def one_hot(self) -> np.ndarray:
        """Y, float64[N, K]."""
        return np.eye(self.class_count)[self.codes]

    def predictions(self) -> np.ndarray:
        """Leave-one-out predictions from the labels as they stand, float64[N, K]. Cost: O(NK)."""
        return self.one_hot() - self.state.applied / self.state.diagonal[:, None]

    def after(self, items: np.ndarray, targets: np.ndarray) -> LabelState:
        """The state if *items* (distinct rows) moved to the classes *targets*. Cost: O(N) for one item with G held,
        else one ``apply`` of K columns.
        """
        codes = self.codes.copy()
        codes[items] = targets
        if self._held is not None and len(items) == 1:
            return self.state.moved(self._held[items[0]], int(items[0]), int(self.codes[items[0]]), int(targets[0]))
        return LabelState.of(self.inverse, np.eye(self.class_count)[codes])

    def move(self, items: np.ndarray, targets: np.ndarray, state: LabelState | None = None) -> None:
        """Move *items* to the classes *targets*; *state* is what :meth:`after` gave for them, if it was asked."""
        self.state = self.after(items, targets) if state is None else state
        self._log.append((items, self.codes[items], targets))
        self.codes[items] = targets

    def moves(self) -> Moves:
        """All moves so far."""
        if not self._log:
            none = np.empty(0, np.int64)
            return Moves(none, none, none, none)
        items, given, taken = (np.concatenate(parts) for parts in zip(*self._log, strict=True))
        return Moves(items, given, taken, np.repeat(np.arange(len(self._log)), [len(step[0]) for step in self._log]))
