"""Whatever holds values, as pandas or NumPy: tensors, sparse matrices, tables of other libraries, lists.

Other libraries are known by what they can do, so that none of them has to be there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.memory import require_memory
from ntk_labelqa.shown import has_halves, well_formed


class Sparse(Protocol):
    """A sparse matrix, of SciPy for example."""

    def toarray(self) -> Any:
        """The same, dense."""
        ...


class Table(Protocol):
    """A table or column of pyarrow or polars."""

    def to_pandas(self) -> Any:
        """The same, of pandas."""
        ...


FeaturesLike = ArrayLike | Sparse | Table
"""What holds features: float[N, D], [N, H, W] or [N, H, W, C]."""
LabelsLike = Iterable[object] | Table
"""What holds labels: one an item."""
SPARSE = ("toarray", "todense")
"""What sparse matrices of SciPy, jax and others call the way to the dense one."""
RELENTING = ("to_dense", "float")
"""What turns a tensor of torch into one that NumPy takes: a sparse one, and one of a type that NumPy lacks."""


def held(values: object, what: str) -> Any:
    """*values* as a DataFrame, a Series, an ndarray, or a list of what is not one of these.

    Args:
        values: anything that holds values in an order.
        what: what they are, for the errors, for example ``Features``.

    Raises:
        InvalidInputError: text, a mapping, a set, a single value, or what cannot be read as an array.
        MemoryBudgetError: a sparse matrix that does not fit into memory.
    """
    if isinstance(values, pd.DataFrame | pd.Series):
        return values
    if callable(getattr(values, "to_pandas", None)):
        return values.to_pandas()  # type: ignore[attr-defined]
    if isinstance(values, np.ma.MaskedArray):
        return _without_masked(values)
    if isinstance(values, pd.Index | pd.api.extensions.ExtensionArray):
        return pd.Series(values)
    if _is_array(values):
        array = to_array(values, what)
        return array if array.dtype.names is None else pd.DataFrame(array)  # records have named columns
    if isinstance(values, str | bytes | Mapping | Set) or not isinstance(values, Iterable):
        raise InvalidInputError(
            f"{what} cannot be read from {'None' if values is None else type(values).__name__}.",
            remedy="Pass an array, a list, or a DataFrame or Series of pandas, in the order of the items.",
        )
    return [_of_list(entry, what) for entry in values]


def well_formed_texts(values: Any) -> Any:
    """*values*, as :func:`held` gives them, without halves of characters in texts: Arrow, and so pandas, holds none."""
    if isinstance(values, pd.DataFrame):
        return values.assign(
            **{name: well_formed_texts(column) for name, column in values.items() if _has_halves(column)}
        )
    if not _has_halves(values):
        return values
    if isinstance(values, list):
        return [well_formed(entry) if type(entry) in (str, np.str_) else entry for entry in values]
    if isinstance(values, pd.Series):
        return pd.Series(well_formed_texts(values.tolist()), values.index, object, values.name)
    return np.array(well_formed_texts(values.ravel().tolist()), values.dtype).reshape(values.shape)


def _has_halves(values: list | pd.Series | np.ndarray) -> bool:
    if isinstance(values, list):
        return has_halves(values)
    return getattr(values.dtype, "kind", "") in "OU" and has_halves(
        values.ravel() if isinstance(values, np.ndarray) else values
    )


def to_array(values: Any, what: str) -> np.ndarray:
    """*values*, which can become an array, as one: dense, in this machine's memory, without a gradient."""
    for step in ("detach", "cpu"):
        values = getattr(values, step, lambda same=values: same)()
    for step in SPARSE:
        if callable(getattr(values, step, None)):
            values = _dense(values, step, what)
    trouble: Exception | None = None
    for attempt in (lambda: values, *(getattr(values, step, None) for step in RELENTING)):
        try:
            if attempt is not None:
                return np.asarray(attempt())
        except (TypeError, ValueError) as error:
            trouble = trouble or error
    raise InvalidInputError(
        f"{what} cannot be read as an array: {str(trouble).splitlines()[0].rstrip('.')}.", remedy="Pass a NumPy array."
    ) from trouble


def _dense(values: Any, step: str, what: str) -> Any:
    size = 8 * math.prod(values.shape)
    require_memory(
        size, f"{what}, once dense,", remedy="Bring them to fewer columns first, by TruncatedSVD for example."
    )
    return getattr(values, step)()


def _is_array(values: object) -> bool:
    return any(hasattr(values, name) for name in ("__array__", *SPARSE))


def _of_list(entry: object, what: str) -> object:
    """One entry of a list: tensors become arrays, and single numbers in them plain ones."""
    if not _is_array(entry) or isinstance(entry, np.generic | np.ndarray):
        return entry
    array = to_array(entry, what)
    return array.item() if array.ndim == 0 else array


def _without_masked(values: np.ma.MaskedArray) -> np.ndarray:
    """*values* with None where they are masked."""
    mask = np.ma.getmaskarray(values)
    if not mask.any():
        return np.asarray(values.data)
    filled = values.data.astype(object)
    filled[mask] = None
    return filled


def within(what: str) -> str:
    """*what* as it stands within a sentence."""
    return what[:1].lower() + what[1:]


def own_index(values: object, given: object) -> pd.Index | None:
    """The index that says which item each entry of *values*, :func:`held` from *given*, is of; None for positions.

    Tables of other libraries have none, and get one that counts from 0 on their way to pandas.
    """
    if not isinstance(values, pd.DataFrame | pd.Series):
        return None
    counts = isinstance(values.index, pd.RangeIndex) and values.index.equals(pd.RangeIndex(len(values)))
    return None if counts and values is not given else values.index
