"""What a Python user meets first: names, versions, types, docstrings and their examples."""

from __future__ import annotations

import doctest
import importlib
import pydoc
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mypy import api as mypy

import ntk_labelqa
from ntk_labelqa import errors

PACKAGE = Path(ntk_labelqa.__file__).parent
WITH_EXAMPLES = [
    ".".join(("ntk_labelqa", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


def test_every_public_name_is_listed_and_there() -> None:
    assert set(ntk_labelqa.__all__) <= set(dir(ntk_labelqa))
    assert [name for name in dir(ntk_labelqa) if not name.startswith("_")] == sorted(
        name for name in ntk_labelqa.__all__ if not name.startswith("_")
    )
    assert all(getattr(ntk_labelqa, name) is not None for name in ntk_labelqa.__all__)
    assert ntk_labelqa.__version__ == version("ntk-labelqa")
    with pytest.raises(AttributeError, match="no attribute 'find_issues'"):
        _ = ntk_labelqa.find_issues


def test_every_error_is_public() -> None:
    own = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert own <= set(ntk_labelqa.__all__)


def test_help_tells_of_every_public_name() -> None:
    told = pydoc.plain(pydoc.render_doc(ntk_labelqa))
    names = [name for name in ntk_labelqa.__all__ if name != "__version__"]
    assert [name for name in names if not re.search(rf"\b{name}\b", told)] == []
    assert ntk_labelqa.__version__ in told
    assert "Which labels are wrong, what they should be, and how sure" in told


def test_importing_the_package_imports_nothing_else() -> None:
    seen = "import sys, ntk_labelqa; dir(ntk_labelqa); sys.exit(any(name in sys.modules for name in ('numpy', 'jax')))"
    subprocess.run([sys.executable, "-c", seen], check=True)


def test_docstrings_list_every_column_with_its_type() -> None:
    codes = np.repeat([0, 1, 2], 12)
    rows = 5 * np.eye(3)[codes] + np.random.default_rng(0).normal(size=(36, 3))
    given = {"architecture": "2-L", "ridge": 0.1}
    found = ntk_labelqa.class_entanglement(rows, codes, **given)
    tables: list[tuple[object, pd.DataFrame]] = [
        (ntk_labelqa.find_label_issues, ntk_labelqa.find_label_issues(rows, codes, **given)),
        (ntk_labelqa.refurbish, ntk_labelqa.refurbish(rows, codes, **given)[1]),
        (ntk_labelqa.rank_schemes, ntk_labelqa.rank_schemes(rows, {"a": codes}, **given)),
        (ntk_labelqa.architecture_fit, ntk_labelqa.architecture_fit(rows, codes, ["2-L"])),
        (ntk_labelqa.Entanglement, found.pairs),
        (ntk_labelqa.Entanglement, found.classes),
    ]
    for told_by, table in tables:
        text = " ".join(str(told_by.__doc__).split())
        assert [name for name in table if f"``{name}``" not in text] == [], told_by
        for name, dtype in table.dtypes.items():
            kind = "type of the labels" if name in ("given_label", "predicted_label", "new_label") else str(dtype)
            if kind in ("int64", "bool", "type of the labels") and told_by is not ntk_labelqa.Entanglement:
                assert re.search(rf"``{name}``[^;]*?\({kind}", text), (told_by, name)


CALLS = """
import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp
from jax import numpy as jnp
from ntk_labelqa import (
    Entanglement, InvalidInputError, LabelAudit, architecture_fit, audit, block_diagonalization_error,
    class_entanglement, find_label_issues, gram_matrix, rank_schemes, refurbish, __version__,
)
from ntk_labelqa.kernels.dense import DenseNetwork

rows, names = np.eye(4), ["a", "b", "a", "b"]
frame = pd.DataFrame(rows)
find_label_issues(rows, names)
find_label_issues(rows.tolist(), np.array(names), architecture=DenseNetwork(2), landmarks="all", ridge=0.1)
find_label_issues(frame, pd.Series(names), landmarks=3, ridge="auto", seed=1)
find_label_issues(sp.csr_array(rows), pd.Categorical(names))
find_label_issues(sp.csr_matrix(rows), tuple(names))
find_label_issues(jnp.eye(4), jnp.arange(4))
find_label_issues([rows[0], rows[1]], [1, "1"])
find_label_issues(pa.table({"a": [1]}), pa.array([1]))
find_label_issues(frame, range(4))
mended, moves = refurbish(rows, [True, False], method="exact", architecture="2-L")
mended.tolist()
found: Entanglement = class_entanglement(frame, frame[[0]])
found.partners(1)
rank_schemes(rows, {"a": names, "b": [None, *names[1:]]}, classes=range(4))
rank_schemes(rows, {1: pd.Series(names), 2: pd.Series(names)})
rank_schemes(frame, pd.DataFrame({"a": names}))
architecture_fit(rows, names, ["2-L"], sample=100, budget=2)
architecture_fit(rows, names, ("2-L",), seed=3)
gram_matrix(frame, architecture=DenseNetwork(3), dtype=np.float32, memory_limit=10**9, progress=print)
1 + block_diagonalization_error(gram_matrix(rows), names, classes=("a", "b", "c"), ridge=1, beta=0.5)
audit("export.json", architecture="2-L").findings
LabelAudit(architecture=DenseNetwork(2), preparation="center", random_state=None).fit(frame, names).label_issues()
LabelAudit(random_state=np.random.default_rng(0)).fit(rows, names).predict_proba(frame).shape
LabelAudit().fit(sp.csr_array(rows), names).schemes({"a": names}, classes=["a"]).columns
__version__.split(".")

find_label_issues(rows, 3)  # type: ignore[arg-type]
find_label_issues(None, names)  # type: ignore[arg-type]
find_label_issues({"a": [1]}, names)  # type: ignore[arg-type]
find_label_issues(rows, names, architecture=3)  # type: ignore[arg-type]
find_label_issues(rows, names, ridge="x")  # type: ignore[arg-type]
find_label_issues(rows, names, landmarks="x")  # type: ignore[arg-type]
find_label_issues(rows, names, seed="x")  # type: ignore[arg-type]
LabelAudit(preparation="x")  # type: ignore[arg-type]
LabelAudit().fit(rows, 3)  # type: ignore[arg-type]
refurbish(rows, names, method="x")  # type: ignore[arg-type]
raise InvalidInputError("what", remedy="what to do")
"""


@pytest.mark.long
def test_types_accept_what_the_code_accepts_and_refuse_what_it_refuses(tmp_path: Path) -> None:
    calls, root = tmp_path / "calls.py", PACKAGE.parent
    calls.write_text(CALLS, encoding="utf-8")
    options = ["--config-file", str(root / "pyproject.toml"), "--cache-dir", str(root / ".mypy_cache")]
    said, trouble, status = mypy.run([*options, str(calls)])
    assert status == 0, said + trouble


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings_are_so(module: str) -> None:
    assert "+SKIP" not in Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_the_examples_of_every_public_function_are_found() -> None:
    without = [
        name
        for name in ntk_labelqa.__all__
        if callable(value := getattr(ntk_labelqa, name))
        and not isinstance(value, type)
        and ">>>" not in str(value.__doc__)
    ]
    assert without == ["audit"]
