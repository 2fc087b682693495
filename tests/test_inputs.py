"""What the public functions take: every function by every kind of input, and what comes out again."""

from __future__ import annotations

import decimal
import enum
import inspect
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp

import ntk_labelqa
from ntk_labelqa import (
    LabelAudit,
    architecture_fit,
    block_diagonalization_error,
    class_entanglement,
    find_label_issues,
    gram_matrix,
    rank_schemes,
    refurbish,
)
from ntk_labelqa.errors import InvalidInputError, MemoryBudgetError
from ntk_labelqa.inputs.features import read_features
from ntk_labelqa.kernels.dense import DenseNetwork

EACH = 12
COUNT = 3 * EACH
TRUTH = np.repeat([0, 1, 2], EACH)
GIVEN = TRUTH.copy()
GIVEN[[4, 16]] = [2, 0]
ROWS = np.rint(60 * np.eye(4)[TRUTH] + 4 * np.random.default_rng(0).normal(size=(COUNT, 4))) + 15.0
"""Whole numbers from 0 to 127, which every type holds."""
NAMES = np.array(["ape", "bee", "cow"])
IDS = pd.Index([f"item {row}" for row in range(COUNT)])
FAST = {"architecture": "2-L", "ridge": 0.1}


class Tensor:
    """What of a tensor of torch is relied upon: NumPy takes it once it is detached and on the CPU, and not before."""

    def __init__(self, values: Any, done: tuple[str, ...] = (), needs: tuple[str, ...] = ("detach", "cpu")) -> None:
        self.values, self.done, self.needs = np.asarray(values), done, needs

    def __getattr__(self, step: str) -> Callable[[], Tensor]:
        if step not in ("detach", "cpu", "float", "to_dense"):
            raise AttributeError(step)
        return lambda: Tensor(self.values, (*self.done, step), self.needs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if not set(self.needs) <= set(self.done):
            raise TypeError(f"can't convert this tensor to numpy; it needs {self.needs}")
        return self.values

    def __iter__(self):
        return (Tensor(value, (), self.needs) for value in self.values)

    def __len__(self) -> int:
        return len(self.values)


def plain(found: object) -> Any:
    """A result without its index, to be compared with another's."""
    if isinstance(found, tuple):
        return tuple(map(plain, found))
    if isinstance(found, pd.DataFrame):
        return found.drop(columns=["seconds", "all_seconds"], errors="ignore").reset_index(drop=True)
    if hasattr(found, "pairs"):
        return found.matrix, plain(found.pairs), plain(found.classes)
    values = np.asarray(found)
    return np.array(pd.Series(values).tolist()) if values.dtype.kind == "M" else values


def assert_same(found: Any, expected: Any) -> None:
    """Equal figures and labels, whatever the container and the type."""
    if isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_categorical=False, rtol=1e-6, atol=1e-9)
    elif expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    else:
        assert found.tolist() == expected.tolist()


def rank_two(features: Any, labels: Any, **options: Any) -> pd.DataFrame:
    return rank_schemes(features, {"given": labels, "again": labels}, **options)


def bde_of(gram: Any, labels: Any) -> float:
    return block_diagonalization_error(gram, labels, ridge=0.1)


def predicted(features: Any, labels: Any) -> np.ndarray:
    """The labels that a fitted audit gives the same items; a generator can be read once."""
    again = list(features) if inspect.isgenerator(features) else features
    return LabelAudit(**FAST).fit(again, labels).predict(again)


OF_BOTH: dict[str, Callable[[Any, Any], Any]] = {
    "find_label_issues": lambda features, labels: find_label_issues(features, labels, **FAST),
    "refurbish": lambda features, labels: refurbish(features, labels, method="annealed", **FAST),
    "class_entanglement": lambda features, labels: class_entanglement(features, labels, **FAST),
    "rank_schemes": lambda features, labels: rank_two(features, labels, **FAST),
    "architecture_fit": lambda features, labels: architecture_fit(features, labels, ["2-L"]),
    "LabelAudit": lambda features, labels: predicted(features, labels),
}
OF_FEATURES = {**OF_BOTH, "gram_matrix": lambda features, labels: gram_matrix(features)}
OF_LABELS = {
    **OF_BOTH,
    "block_diagonalization_error": lambda features, labels: bde_of(gram_matrix(np.asarray(features)), labels),
}

FRAME = pd.DataFrame(ROWS, columns=["size", "age", "hue", "4th"], index=IDS)


def with_columns(**columns: Any) -> pd.DataFrame:
    return FRAME.assign(**columns)


def masked(values: np.ndarray, row: int) -> np.ma.MaskedArray:
    return np.ma.MaskedArray(
        values,
        mask=np.broadcast_to((np.arange(len(values)) == row).reshape(-1, *[1] * (values.ndim - 1)), values.shape),
    )


FEATURES: dict[str, Any] = {
    **{dtype: ROWS.astype(dtype) for dtype in ("int8", "uint8", "int16", "int32", "int64", "uint64")},
    **{dtype: ROWS.astype(dtype) for dtype in ("float16", "float32", "longdouble", ">f4", ">i2")},
    "bfloat16 of jax": jnp.asarray(ROWS, jnp.bfloat16),
    "jax": jnp.asarray(ROWS),
    "tensor": Tensor(ROWS),
    "bfloat16 tensor": Tensor(ROWS, needs=("detach", "cpu", "float")),
    "sparse tensor": Tensor(ROWS, needs=("detach", "cpu", "to_dense")),
    "list of tensors": list(Tensor(ROWS)),
    "lists": ROWS.tolist(),
    "list of arrays": list(ROWS),
    "generator of rows": (row for row in []),
    "objects": ROWS.astype(object),
    "fractions": np.vectorize(Fraction, otypes=[object])(ROWS.astype(int)),
    "decimals": np.vectorize(lambda value: decimal.Decimal(int(value)), otypes=[object])(ROWS),
    "huge whole numbers": (ROWS.astype(int).astype(object) * 10**30),
    "Fortran order": np.asfortranarray(ROWS),
    "read-only": np.broadcast_to(ROWS, ROWS.shape),
    "masked, nothing hidden": np.ma.MaskedArray(ROWS, mask=False),
    "csr": sp.csr_matrix(ROWS),
    "csc array": sp.csc_array(ROWS),
    "coo": sp.coo_matrix(ROWS),
    "frame": FRAME,
    "frame of int8": FRAME.astype("int8"),
    "frame of nullable numbers": FRAME.astype({"size": "Int64", "age": "Float32", "hue": "UInt8"}),
    "frame of arrow numbers": FRAME.astype("float64[pyarrow]"),
    "frame of objects": FRAME.astype(object),
    "frame of sparse columns": FRAME.astype(pd.SparseDtype(float, 0.0)),
    "frame with one name twice": FRAME.set_axis(["a", "a", 3, None], axis=1),
    "frame with levels of names": FRAME.set_axis(pd.MultiIndex.from_product([["a", "b"], [1, 2]]), axis=1),
    "arrow table": pa.Table.from_pandas(FRAME, preserve_index=False),
    "records": FRAME.to_records(index=False),
    "series of vectors": pd.Series(list(ROWS), index=IDS),
    "series of lists": pd.Series(ROWS.tolist(), index=IDS),
    "array of vectors": pd.Series(list(ROWS)).to_numpy(),
    "matrix": np.matrix(ROWS),
    "images": ROWS.reshape(COUNT, 2, 2),
    "images in colours": ROWS.reshape(COUNT, 2, 1, 2),
}
REFUSED_FEATURES: dict[str, tuple[Any, str]] = {
    "text column": (with_columns(note="x"), r"columns that are no numbers: 'note' \(text\).*astype\('category'\)"),
    "two text columns": (with_columns(note="1", b=["x"] * COUNT), "'note' .text., 'b' .text."),
    "string column": (with_columns(note=pd.array(["x"] * COUNT, "string")), "'note'"),
    "date column": (with_columns(when=pd.Timestamp("2024-05-01")), r"'when' \(datetime64"),
    "complex column": (with_columns(wave=1j), r"'wave' \(complex128\)"),
    "column of lists": (with_columns(size=[[1, 2]] * COUNT), r"'size' \(list\)"),
    "text": (ROWS.astype(str), "no numbers but text"),
    "text in objects": (ROWS.astype(str).astype(object), "no numbers but text"),
    "text among numbers": ([[1, "2"]] * COUNT, "no numbers but text"),
    "dates": (ROWS.astype("datetime64[s]"), r"no numbers but datetime64\[s\]"),
    "complex": (ROWS.astype(complex), "no numbers but complex128"),
    "records of text": (
        FRAME.assign(note="x").to_records(),
        r"columns that are no numbers: 'index' .text., 'note' .text.",
    ),
    "dictionaries": ([{"a": 1}] * COUNT, "no numbers but dict"),
    "NaN": (
        np.where(np.arange(COUNT)[:, None] == 3, np.nan, ROWS),
        f"1 of {COUNT} rows of features have missing, NaN or infinite values: 3",
    ),
    "infinite": (np.where(ROWS > 80, np.inf, ROWS), "of 36 rows of features have missing, NaN or infinite values"),
    "None among objects": (np.where(np.arange(COUNT)[:, None] == 3, None, ROWS), "infinite values: 3"),
    "masked": (masked(ROWS, 5), "infinite values: 5"),
    "missing in a frame": (with_columns(age=[np.nan, *ROWS[1:, 0]]), "infinite values: 'item 0', in the columns 'age'"),
    "missing in a nullable column": (
        with_columns(age=pd.array([None, *ROWS[1:, 0]], "Float64")),
        "'item 0', in the columns 'age'",
    ),
    "missing category": (
        with_columns(kind=pd.Categorical(["a", None, *["b"] * (COUNT - 2)])),
        "'item 1', in the columns 'kind'",
    ),
    "missing vector": (pd.Series([None, *ROWS[1:]], index=IDS), "infinite values: 'item 0'"),
    "ragged": ([[1.0], *[[1.0, 2.0]] * (COUNT - 1)], "different lengths"),
    "ragged series": (pd.Series([[1.0], *[[1.0, 2.0]] * (COUNT - 1)]), "different lengths"),
    "one axis": (ROWS[:, 0], r"shape \[36\] do not fit.*reshape\(-1, 1\)"),
    "one column": (FRAME["size"], r"shape \[36\] do not fit.*reshape\(-1, 1\)"),
    "five axes": (ROWS.reshape(COUNT, 1, 1, 2, 2), "do not fit"),
    "no column": (FRAME[[]], r"shape \[36, 0\] do not fit"),
    "None": (None, "cannot be read from None"),
    "a number": (3, "cannot be read from int"),
    "a NumPy number": (np.float64(3), r"shape \[\] do not fit"),
    "a string": ("abc", "cannot be read from str"),
    "a mapping": ({"a": [1.0] * COUNT}, "cannot be read from dict"),
    "no way to an array": (Tensor(ROWS, needs=("magic",)), "cannot be read as an array: can't convert"),
}


class Animal(enum.Enum):
    APE = 1
    BEE = 2
    COW = 3


class Grade(enum.IntEnum):
    GOOD = 1
    FAIR = 2
    POOR = 3


class Name(enum.StrEnum):
    APE = "ape"
    BEE = "bee"
    COW = "cow"


def of(*classes: Any) -> list:
    return [classes[code] for code in GIVEN]


CODES, ANIMALS = [0, 1, 2], NAMES.tolist()
MIXED = [1, "1", "b"]
DATES = list(map(pd.Timestamp, ("2024-01-01", "2024-01-02", "2024-01-03")))
PLAIN_LABELS: dict[str, list] = {
    "names": ANIMALS,
    "ints": [3, 5, 9],
    "negative ints": [-9, 0, 9],
    "huge ints": [10**30, 10**31, 10**32],
    "whole floats": [0.0, 1.0, 2.0],
    "1 and '1'": MIXED,
    "tuples": [("a", 1), ("a", 2), ("b", 1)],
    "bytes": [b"a", b"b", b"c"],
    "members of an enum": list(Animal),
    "numbers of an enum": list(Grade),
    "strings of an enum": list(Name),
    "dates": DATES,
    "bytes and ints": [b"1", 1, 2],
}
LABELS: dict[str, tuple[Any, list]] = {
    **{kind: (of(*classes), classes) for kind, classes in PLAIN_LABELS.items()},
    "tuple": (tuple(of(*ANIMALS)), ANIMALS),
    "dictionary's values": (dict(enumerate(of(*ANIMALS))).values(), ANIMALS),
    **{dtype: (GIVEN.astype(dtype), CODES) for dtype in ("int8", "uint8", "int64", "uint64", ">i4")},
    "float32": (GIVEN.astype(np.float32), [0.0, 1.0, 2.0]),
    "NumPy strings": (NAMES[GIVEN], ANIMALS),
    "NumPy bytes": (NAMES.astype(bytes)[GIVEN], [b"ape", b"bee", b"cow"]),
    "objects": (NAMES.astype(object)[GIVEN], ANIMALS),
    "1 and '1' as objects": (np.array(of(*MIXED), object), MIXED),
    "(N, 1)": (GIVEN[:, None], CODES),
    "(N, 1) of names": (NAMES[GIVEN][:, None], ANIMALS),
    "lists of one": ([[int(code)] for code in GIVEN], CODES),
    "jax": (jnp.asarray(GIVEN), CODES),
    "tensor": (Tensor(GIVEN), CODES),
    "tensor (N, 1)": (Tensor(GIVEN[:, None]), CODES),
    "list of tensors": (list(Tensor(GIVEN)), CODES),
    "series": (pd.Series(GIVEN, IDS), CODES),
    "series of names": (pd.Series(NAMES[GIVEN], name="animal"), ANIMALS),
    "nullable ints": (pd.Series(GIVEN, dtype="Int64"), CODES),
    "string dtype": (pd.Series(NAMES[GIVEN], dtype="string"), ANIMALS),
    "arrow strings": (pd.Series(NAMES[GIVEN], dtype="string[pyarrow]"), ANIMALS),
    "categorical series": (pd.Series(pd.Categorical(NAMES[GIVEN])), ANIMALS),
    "ordered categorical": (
        pd.Categorical.from_codes(GIVEN, ["low", "high", "?", "unused"], ordered=True),
        ["low", "high", "?"],
    ),
    "nullable array": (pd.array(GIVEN, "Int8"), CODES),
    "index": (pd.Index(NAMES[GIVEN]), ANIMALS),
    "one-column frame": (pd.DataFrame({"animal": NAMES[GIVEN]}), ANIMALS),
    "arrow array": (pa.array(GIVEN), CODES),
    "records of one field": (pd.DataFrame({"animal": NAMES[GIVEN]}).to_records(index=False), ANIMALS),
    "arrow table": (pa.table({"animal": NAMES[GIVEN]}), ANIMALS),
    "masked, nothing hidden": (np.ma.MaskedArray(GIVEN, mask=False), CODES),
}
"""Labels, and the classes that 0, 1 and 2 stand for, in the order in which they are to be told."""
TRUTH_VALUES: dict[str, tuple[Any, list]] = {
    "truth values": ([bool(code) for code in GIVEN], [False, True]),
    "array of truth values": (GIVEN.astype(bool), [False, True]),
    "nullable truth values": (pd.array(GIVEN.astype(bool), "boolean"), [False, True]),
    "tensor of truth values": (Tensor(GIVEN.astype(bool)), [False, True]),
}
ONE_HOT = np.eye(3)[GIVEN]
MISSING = {
    "None": COUNT - 1,
    "NaN": int((GIVEN != 1).sum()),
    "NA": COUNT - 1,
    "missing category": COUNT - 1,
    "masked": COUNT - 1,
}
"""Kinds of labels of which some are missing, and how many are there."""
REFUSED_LABELS: dict[str, tuple[Any, str]] = {
    "one-hot": (ONE_HOT, r"shape \[36, 3\] are one-hot.*np\.argmax\(labels, axis=1\)"),
    "one-hot ints": (ONE_HOT.astype(int).tolist(), "are one-hot"),
    "one-hot truth values": (ONE_HOT.astype(bool), "are one-hot"),
    "one-hot sparse": (sp.csr_matrix(ONE_HOT), "are one-hot"),
    "one-hot tensor": (Tensor(ONE_HOT), "are one-hot"),
    "one-hot frame": (pd.DataFrame(ONE_HOT, columns=NAMES), r"are one-hot.*labels\.idxmax\(axis=1\)"),
    "soft": (0.8 * ONE_HOT + 0.1, r"are soft, a number for each class.*argmax"),
    "soft frame": (pd.DataFrame(0.8 * ONE_HOT + 0.1), "are soft.*idxmax"),
    "soft, of two classes": (0.3 * GIVEN, "not whole, such as 0.6"),
    "multi-label": ((ONE_HOT + ONE_HOT[:, ::-1]).clip(0, 1), "not one label an item.*each column by itself"),
    "multi-label lists": ([["a"], *[["a", "b"]] * (COUNT - 1)], "position 0 are .'a'.: an item has one label"),
    "multi-label sets": ([{"a"}] * COUNT, "position 0 are .'a'.: an item has one label"),
    "several people's": (np.c_[NAMES[GIVEN], NAMES[TRUTH]], "not one label an item.*rank_schemes"),
    "None": ([None, *of(*ANIMALS)[1:]], f"1 of {COUNT} labels are missing, the first at position 0"),
    "NaN": (np.where(GIVEN == 1, np.nan, GIVEN), "labels are missing, the first at position"),
    "NA": (pd.array([pd.NA, *GIVEN[1:]], "Int64"), "the first at position 0"),
    "NaT": (pd.Series([pd.NaT] * COUNT, index=IDS), "the first at position 0 .index 'item 0'."),
    "missing category": (pd.Categorical([None, *NAMES[GIVEN][1:]]), "the first at position 0"),
    "masked": (masked(GIVEN, 7), "the first at position 7"),
    "infinite": (np.where(GIVEN == 1, np.inf, GIVEN), "not whole, such as inf"),
    "truth values and numbers": (of(True, 1, 2), "mix truth values with numbers"),
    "truth values and numbers as objects": (np.array(of(False, 0, 2.0), object), "mix truth values with numbers"),
    "a string": ("a" * COUNT, "Labels cannot be read from str"),
    "a set": ({"a", "b"}, "Labels cannot be read from set"),
    "a mapping": (dict.fromkeys(range(COUNT), 1), "Labels cannot be read from dict"),
    "nothing": (None, "Labels cannot be read from None"),
    "a number": (3, "Labels cannot be read from int"),
}


LABEL_COLUMNS = ("given_label", "predicted_label", "suggested_label", "new_label", "class_a", "class_b", "class_name")


def translated(found: Any, classes: list) -> Any:
    """*found* of codes as it is of *classes*."""
    if isinstance(found, tuple):
        return tuple(translated(part, classes) for part in found)
    if isinstance(found, pd.DataFrame):
        named = {
            name: [None if pd.isna(code) else classes[code] for code in found[name]]
            for name in LABEL_COLUMNS
            if name in found
        }
        return found.assign(**{name: pd.Series(labels, dtype=object) for name, labels in named.items()})
    if found.dtype.kind != "f":
        labels = np.empty(len(found), object)
        labels[:] = [classes[code] for code in found]
        return labels
    return found


@pytest.fixture(scope="module")
def expected() -> Callable[[str, tuple], Any]:
    """What a function says of plain float64 features and class codes; each is asked once."""
    known: dict[tuple, Any] = {}

    def answer(name: str, labels: tuple) -> Any:
        if (name, labels) not in known:
            known[name, labels] = plain({**OF_FEATURES, **OF_LABELS}[name](ROWS, list(labels)))
        return known[name, labels]

    return answer


@pytest.mark.long
@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("function", OF_FEATURES)
def test_features_of_every_kind(function: str, kind: str, expected) -> None:
    features = (row for row in ROWS) if kind == "generator of rows" else FEATURES[kind]
    assert_same(plain(OF_FEATURES[function](features, GIVEN.tolist())), expected(function, tuple(GIVEN.tolist())))


@pytest.mark.parametrize("kind", REFUSED_FEATURES)
@pytest.mark.parametrize("function", OF_FEATURES)
def test_features_that_are_refused(function: str, kind: str) -> None:
    features, said = REFUSED_FEATURES[kind]
    with pytest.raises(InvalidInputError, match=said):
        OF_FEATURES[function](features, GIVEN)


def test_the_tables_hold_every_public_function() -> None:
    public = [getattr(ntk_labelqa, name) for name in ntk_labelqa.__all__ if name != "audit"]
    assert {*OF_FEATURES, *OF_LABELS} == {
        "LabelAudit",
        *(value.__name__ for value in public if inspect.isfunction(value)),
    }


@pytest.mark.long
@pytest.mark.parametrize("kind", [*LABELS, *TRUTH_VALUES])
@pytest.mark.parametrize("function", OF_LABELS)
def test_labels_of_every_kind(function: str, kind: str, expected) -> None:
    labels, classes = {**LABELS, **TRUTH_VALUES}[kind]
    codes = tuple(GIVEN.clip(max=len(classes) - 1).tolist())
    found = plain(OF_LABELS[function](ROWS, labels))
    assert_same(found, translated(expected(function, codes), classes))
    for part in found if isinstance(found, tuple) else (found,):
        for name in LABEL_COLUMNS if isinstance(part, pd.DataFrame) else ():
            if name in part and kind != "numbers of an enum":
                assert {type(label) for label in part[name].dropna().tolist()} <= set(map(type, classes)), name


@pytest.mark.parametrize("kind", REFUSED_LABELS)
@pytest.mark.parametrize("function", [name for name in OF_LABELS if name != "rank_schemes"])
def test_labels_that_are_refused(function: str, kind: str) -> None:
    labels, said = REFUSED_LABELS[kind]
    with pytest.raises(InvalidInputError, match=said):
        OF_LABELS[function](ROWS, labels)


@pytest.mark.parametrize("kind", [kind for kind in REFUSED_LABELS if kind not in (*MISSING, "NaT")])
def test_schemes_that_are_refused(kind: str) -> None:
    labels, said = REFUSED_LABELS[kind]
    with pytest.raises(InvalidInputError, match=said.replace("Labels cannot", "The labels of the scheme 'a' cannot")):
        rank_schemes(ROWS, {"a": labels}, **FAST)


@pytest.mark.parametrize("kind", MISSING)
def test_a_scheme_need_not_label_every_item(kind: str) -> None:
    labels, left = REFUSED_LABELS[kind][0], MISSING[kind]
    names = GIVEN if kind in ("NaN", "NA", "masked") else np.array(of(*ANIMALS), object)
    table = rank_schemes(ROWS, {"some": labels, "all": names}, **FAST).set_index("scheme")
    assert table.loc["some", "items"] == left
    assert table.loc["all", "items"] == COUNT


@pytest.mark.parametrize(
    ("schemes", "said"),
    [
        ([GIVEN, TRUTH], "Schemes cannot be read from list.*a DataFrame with one column a scheme"),
        (np.c_[GIVEN, TRUTH], "Schemes cannot be read from ndarray"),
        (None, "Schemes cannot be read from NoneType"),
        ({1: GIVEN, "1": TRUTH}, "Two schemes are called '1'"),
        (pd.DataFrame(np.c_[GIVEN, TRUTH], columns=["a", "a"]), "Two schemes are called 'a'"),
        ({"a": GIVEN, "b": TRUTH[1:]}, "The scheme 'b' has 35 entries, but there are 36"),
        ({"a": GIVEN, "b": pd.Series([pd.NaT] * COUNT)}, "The scheme 'b' has no label"),
        ({"a": GIVEN, "b": TRUTH.astype(bool)}, "mix truth values with numbers"),
    ],
)
def test_schemes_that_cannot_be_read(schemes: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        rank_schemes(ROWS, schemes, **FAST)


@pytest.mark.parametrize("function", [name for name in OF_LABELS if name != "rank_schemes"])
def test_lengths_that_differ_are_named(function: str) -> None:
    with pytest.raises(InvalidInputError, match=r"(shape \[36, 4\] do not go with|36 rows, but there are) 35 labels"):
        OF_LABELS[function](ROWS, GIVEN[1:])


def test_categories_become_columns_of_0_and_1_that_are_named() -> None:
    kinds = ["x", "y", "y"] * EACH
    frame = with_columns(kind=pd.Categorical(kinds), flag=ROWS[:, 0] > 50, maybe=pd.array(ROWS[:, 1] > 50, "boolean"))
    read = read_features(frame)
    assert read.columns == ("size", "age", "hue", "4th", "kind=x", "kind=y", "flag", "maybe")
    by_hand = np.column_stack([ROWS, np.equal(kinds, "x"), np.equal(kinds, "y"), ROWS[:, 0] > 50, ROWS[:, 1] > 50])
    assert (read.values == by_hand).all()
    assert np.abs(gram_matrix(frame) - gram_matrix(by_hand)).max() < 1e-12
    codes = frame.assign(kind=frame["kind"].cat.rename_categories([2, 1]))
    assert read_features(codes).columns[4:6] == ("kind=2", "kind=1")


def test_a_sparse_matrix_too_large_to_be_dense_is_refused_beforehand() -> None:
    with pytest.raises(MemoryBudgetError, match=r"Features, once dense, needs .*TruncatedSVD"):
        gram_matrix(sp.csr_matrix((10**6, 10**7)))


def test_the_least_int8_keeps_its_sign() -> None:
    rows = np.array([[-128, 0, 1], [100, 0, 1], [0, 100, 2], [-100, 1, 1]] * 3, np.int8)
    exact = gram_matrix(rows.astype(float))
    assert np.abs(gram_matrix(rows) - exact).max() < 1e-12
    images = rows.reshape(3, 4, 3)
    kernel = gram_matrix(images.astype(float), architecture="CNN-1")
    assert np.abs(gram_matrix(images, architecture="CNN-1") - kernel).max() < 1e-12


SHUFFLED = np.random.default_rng(1).permutation(COUNT)


def test_findings_join_the_features_they_are_of() -> None:
    frame = FRAME.iloc[SHUFFLED]
    labels = pd.Series(GIVEN, IDS)[frame.index]
    issues = find_label_issues(frame, labels, **FAST)
    assert issues.index.equals(frame.index)
    assert (issues["given_label"] == labels).all()
    assert set(issues.index[issues["is_label_issue"]]) == {"item 4", "item 16"}
    joined = frame.join(issues)
    assert joined["suggested_label"].dropna().to_dict() == {"item 4": TRUTH[4], "item 16": TRUTH[16]}
    assert issues["task_id"].tolist() == list(range(COUNT))


@pytest.mark.parametrize("function", OF_BOTH)
def test_labels_go_to_the_features_of_their_index(function: str) -> None:
    labels = pd.Series(NAMES[GIVEN], IDS)
    found = OF_BOTH[function](FRAME, labels.iloc[SHUFFLED])
    expected = OF_BOTH[function](FRAME, labels)
    if function == "refurbish":
        assert found[0].index.equals(labels.index[SHUFFLED])
        found = (found[0][IDS], found[1])
    assert_same(plain(found), plain(expected))


def test_gram_and_labels_go_by_their_index() -> None:
    gram = pd.DataFrame(gram_matrix(ROWS), IDS, IDS)
    assert bde_of(gram, pd.Series(GIVEN, IDS).iloc[SHUFFLED]) == pytest.approx(bde_of(gram_matrix(ROWS), GIVEN))
    with pytest.raises(InvalidInputError, match="Labels have another index than the Gram matrix"):
        bde_of(gram, pd.Series(GIVEN))


def test_schemes_go_to_one_another_by_index_where_features_have_none() -> None:
    given, again = pd.Series(GIVEN, IDS), pd.Series(GIVEN, IDS).iloc[SHUFFLED]
    table = rank_schemes(ROWS, {"given": given, "again": again}, **FAST).set_index("scheme")
    assert table.loc["given", "error_rate"] == table.loc["again", "error_rate"] == pytest.approx(2 / COUNT)
    with pytest.raises(InvalidInputError, match="scheme 'b' have another index than the features or schemes before"):
        rank_schemes(ROWS, {"a": given, "b": pd.Series(GIVEN)}, **FAST)


@pytest.mark.parametrize("function", OF_BOTH)
@pytest.mark.parametrize(
    ("features", "labels", "said"),
    [
        (IDS, pd.RangeIndex(COUNT), "have another index than .*: it lacks 'item 0'.*to go by position"),
        (IDS.repeat(2)[:COUNT], IDS, "have another index than .*, and 'item 0' stands there twice"),
        (IDS, IDS.repeat(2)[:COUNT], "have another index than .*, and 'item 0' stands there twice"),
        (pd.RangeIndex(COUNT), pd.Index(map(str, range(COUNT))), "it lacks 0, 1, 2, 3, 4"),
    ],
)
def test_indexes_of_different_items_are_refused(function: str, features: pd.Index, labels: pd.Index, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        OF_BOTH[function](FRAME.set_axis(features), pd.Series(GIVEN, labels))


def test_equal_indexes_may_have_an_entry_twice() -> None:
    twice = IDS.repeat(2)[:COUNT]
    issues = find_label_issues(FRAME.set_axis(twice), pd.Series(GIVEN, twice), **FAST)
    assert np.flatnonzero(issues["is_label_issue"]).tolist() == [4, 16]
    assert issues.index.equals(twice)


@pytest.mark.parametrize(
    ("features", "labels", "index"),
    [
        (FRAME, GIVEN, IDS),
        (FRAME, pd.array(GIVEN), IDS),
        (ROWS, pd.Series(GIVEN, IDS), IDS),
        (pd.Series(list(ROWS), IDS), GIVEN, IDS),
        (FRAME, pa.array(GIVEN), IDS),
        (pa.Table.from_pandas(FRAME, preserve_index=False), pd.Series(GIVEN, IDS), IDS),
        (pa.Table.from_pandas(FRAME), GIVEN, IDS),
        (ROWS, GIVEN, pd.RangeIndex(COUNT)),
    ],
)
def test_the_index_is_of_what_has_one(features: Any, labels: Any, index: pd.Index) -> None:
    assert find_label_issues(features, labels, **FAST).index.equals(index)
    _, moves = refurbish(features, labels, method="annealed", **FAST)
    assert moves.index.equals(index.take(moves["item"]))
    assert sorted(moves["item"]) == [4, 16]


@pytest.mark.parametrize(
    ("labels", "right"),
    [
        (GIVEN, TRUTH),
        (GIVEN.astype("uint8"), TRUTH.astype("uint8")),
        (NAMES[GIVEN], NAMES[TRUTH]),
        (GIVEN[:, None], TRUTH),
        (of(*ANIMALS), np.array([ANIMALS[code] for code in TRUTH], object)),
        (GIVEN.tolist(), TRUTH),
    ],
)
def test_refurbished_arrays_and_lists_are_arrays_of_that_type(labels: Any, right: np.ndarray) -> None:
    mended, _ = refurbish(ROWS, labels, method="annealed", **FAST)
    assert isinstance(mended, np.ndarray)
    assert mended.dtype == right.dtype
    assert (mended == right).all()


@pytest.mark.parametrize("dtype", ["int8", "Int64", "float64", "object", "string", "category"])
def test_refurbished_series_are_series(dtype: str) -> None:
    labels, right = (
        pd.Series(GIVEN, IDS, name="animal").astype(dtype),
        pd.Series(TRUTH, IDS, name="animal").astype(dtype),
    )
    mended, moves = refurbish(FRAME, labels.iloc[SHUFFLED], method="annealed", **FAST)
    pd.testing.assert_series_equal(mended, right.iloc[SHUFFLED])
    assert moves["given_label"].dtype == labels.dtype
    of_frame, _ = refurbish(FRAME, labels.to_frame(), method="annealed", **FAST)
    pd.testing.assert_series_equal(of_frame, right)
    issues = find_label_issues(FRAME, labels, **FAST)
    assert issues["given_label"].dtype == issues["predicted_label"].dtype == labels.dtype
    assert (issues["given_label"] == labels).all()


def test_a_class_is_asked_for_as_it_is() -> None:
    found = class_entanglement(ROWS, of(*MIXED), **FAST)
    assert {*found.partners(1), 1} == {*found.partners("1"), "1"} == set(MIXED)
    with pytest.raises(InvalidInputError, match=r"There is no class 'c'. Pass one of 1, '1', 'b'"):
        found.partners("c")


COMPUTED = ("find_label_issues", "refurbish", "class_entanglement", "rank_schemes")
OPTIONS: dict[str, tuple[tuple[str, ...], list, str]] = {
    "architecture": (COMPUTED, [3, None, ["2-L"], DenseNetwork], "Pass 'auto', 'linear', '2-L'"),
    "ridge": (COMPUTED, ["x", 0, -1.0, np.nan, np.inf, True, None, [0.1]], "Pass a positive number, or 'auto'"),
    "landmarks": (COMPUTED, ["x", -1, 0, 2.5, True, None], "Pass a whole number of 1 or more, 'all' or 'auto'"),
    "preparation": ((*COMPUTED, "architecture_fit"), ["x", None, 1, ["none"]], "Pass 'auto', 'none', 'center'"),
    "seed": ((*COMPUTED, "architecture_fit"), ["a", -1, 0.5, None, True], "Pass a whole number of 0 or more"),
    "method": (("refurbish",), ["x", 3, None, ["exact"]], "Use one of posterior, annealed, exact, gradient"),
    "classes": (
        ("rank_schemes", "block_diagonalization_error"),
        ["abc", [0, 1, 2, 2], [0, None], {0: 1}, 3, [0, 1]],
        "Classes cannot be read|Classes name 2 more than once|classes are missing|not among the classes: 2",
    ),
    "architectures": (("architecture_fit",), ["2-L", 3, None, [3], ["auto"], [DenseNetwork(2)]], "Pass a list of"),
    "sample": (("architecture_fit",), ["x", 1, -5, 2.5, None], "Pass a whole number of 2 or more"),
    "budget": (("architecture_fit",), ["x", 0, -1, np.nan, None], "Pass a positive number of seconds"),
    "memory_limit": (("gram_matrix",), ["1 GB", -1, 0.5, True], "Pass a whole number of bytes, or None"),
    "progress": (("gram_matrix",), [True, "x"], "Pass a function of two numbers"),
    "dtype": (("gram_matrix",), ["float16", "x", 3, int], "computed in float32 or float64, not"),
    "beta": (("block_diagonalization_error",), ["x", None, np.inf, True], "Pass a finite number"),
}
ALONE: dict[tuple[str, str], tuple[list, str]] = {
    ("gram_matrix", "architecture"): ([3, None, "auto"], "Pass 'linear', '2-L'"),
    ("block_diagonalization_error", "ridge"): (["auto", -1, np.nan, None], "Pass a number of 0 or more"),
}
"""Options that one function takes otherwise than the others."""
BAD_OPTIONS = [
    *(
        (function, option, value, said)
        for option, (functions, values, said) in OPTIONS.items()
        for function in functions
        for value in values
    ),
    *((function, option, value, said) for (function, option), (values, said) in ALONE.items() for value in values),
]


@pytest.mark.parametrize(("function", "option", "value", "said"), BAD_OPTIONS)
def test_options_that_cannot_be_are_named(function: str, option: str, value: Any, said: str) -> None:
    arguments = {
        "gram_matrix": (ROWS,),
        "rank_schemes": (ROWS, {"given": GIVEN}),
        "block_diagonalization_error": (np.eye(COUNT), GIVEN),
    }.get(function, (ROWS, GIVEN))
    with pytest.raises(InvalidInputError, match=said) as refusal:
        getattr(ntk_labelqa, function)(*arguments, **{option: value})
    assert option in ("method", "classes", "dtype") or f"The option {option} is " in str(refusal.value)


def test_every_option_is_in_the_tables() -> None:
    taken = {
        (name, option)
        for name in {*OF_FEATURES, *OF_LABELS} - {"LabelAudit"}  # its options are tried in test_estimator.py
        for option in inspect.signature(getattr(ntk_labelqa, name)).parameters
        if option not in ("features", "labels", "schemes", "gram")
    }
    assert taken == {(function, option) for function, option, _, _ in BAD_OPTIONS}


@pytest.mark.parametrize(
    "options", [{"architecture": 3}, {"ridge": "x"}, {"landmarks": 0}, {"seed": "a"}, {"dtype": 3}]
)
def test_options_of_an_audit_are_checked_before_anything_is_read(options: dict) -> None:
    with pytest.raises(InvalidInputError, match=f"The option {next(iter(options))} is"):
        ntk_labelqa.audit("no such file.json", **options)


@pytest.mark.parametrize("function", COMPUTED)
def test_a_kernel_and_numbers_of_numpy_are_options(function: str) -> None:
    labels = {"given": GIVEN} if function == "rank_schemes" else GIVEN
    options = {"ridge": np.float32(0.1), "landmarks": np.int64(COUNT), "seed": np.uint8(0)}
    found = getattr(ntk_labelqa, function)(ROWS, labels, architecture=DenseNetwork(2), **options)
    named = getattr(ntk_labelqa, function)(
        ROWS, labels, architecture="2-L", ridge=float(np.float32(0.1)), landmarks=COUNT, seed=0
    )
    assert_same(plain(found), plain(named))
