"""Tables are read as pandas reads them, by no thread that the end of the program could find at work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from ntk_labelqa import parquet
from ntk_labelqa.parquet import read_parquet
from tests.gate.audits import audit_of

COUNTS = """
import os, sys
from pathlib import Path
import pandas, pyarrow.parquet
from ntk_labelqa.audit_folder import Audit
before = set(os.listdir("/proc/self/task"))
audit = Audit.load(Path(sys.argv[1]))
assert len(audit.findings)
print(len(set(os.listdir("/proc/self/task")) - before))
"""


def test_an_audit_is_read_without_a_thread_of_its_own(tmp_path: Path) -> None:
    folder = audit_of(wrong=4).save(tmp_path / "audit")
    done = subprocess.run([sys.executable, "-c", COUNTS, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0", done.stderr


def test_tables_are_those_of_pandas(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "text": ["a", "", None, "\N{SNOWMAN}"],
            "number": [1.0, np.nan, -0.0, np.inf],
            "count": np.arange(4, dtype=np.int8),
            "flag": [True, False, True, False],
            "bytes": [b"\0", None, b"", b"x"],
            "when": pd.to_datetime(["2025-05-01T10:00:00Z"] * 4),
            "list": [[1.0, 2.0]] * 4,
        },
        index=pd.Index([7, 8, 9, 10], name="row"),
    )
    table.to_parquet(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "table.parquet"), pd.read_parquet(tmp_path / "table.parquet"))


def test_tables_of_an_audit_are_in_row_groups_that_tell_what_they_hold(monkeypatch, tmp_path: Path) -> None:
    audit = audit_of(wrong=4)
    monkeypatch.setattr(parquet, "ROW_GROUP", 25)
    folder = audit.save(tmp_path / "audit")
    for name in ("findings", "items"):
        with pyarrow.parquet.ParquetFile(folder / f"{name}.parquet") as file:
            groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
            at = file.schema_arrow.names.index("task_id")
        assert max(group.num_rows for group in groups) == 25
        assert sum(group.num_rows for group in groups) == len(getattr(audit, name))
        limits = [(group.column(at).statistics.min, group.column(at).statistics.max) for group in groups]
        tasks = getattr(audit, name)["task_id"].to_numpy()
        assert limits[0] == (tasks[:25].min(), tasks[:25].max())
    pd.testing.assert_frame_equal(read_parquet(folder / "findings.parquet"), audit.findings)


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "nowhere.parquet")
