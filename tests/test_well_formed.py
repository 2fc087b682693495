"""Half a character in a text, wherever it comes from, becomes the sign for an unknown one, and stops nothing.

JSON can hold such a half, and so can Python; UTF-8 cannot, nor can Arrow, in which parquet and pandas 3 keep text.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa import LabelAudit, audit, find_label_issues, rank_schemes
from ntk_labelqa.audit_folder import Audit, export_csv
from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.inputs.labels import read_labels
from ntk_labelqa.report.html import write_report
from ntk_labelqa.shown import has_halves, make_well_formed, well_formed
from tests.labelstudio.samples import annotation, choice, task

HALF, WHOLE = "why\ud83d", "why\ufffd"
CODES = np.arange(60) % 2
ROWS = 4 * np.eye(2)[CODES] + np.random.default_rng(0).normal(size=(60, 2))
NAMES = np.array([HALF, "b"], object)[CODES]


def test_whole_characters_stay() -> None:
    assert well_formed("a\ud83d\ude00 é\0") == "a\U0001f600 é\0"
    assert not has_halves(["a", "é", "\U0001f600", None, 5])
    assert has_halves(["a", "\ude00"])


def test_what_is_parsed_is_made_whole_in_keys_and_values() -> None:
    parsed: dict[str, Any] = {"a": [HALF, {HALF: 1}], "b": 5}
    assert make_well_formed(parsed)
    assert parsed == {"a": [WHOLE, {WHOLE: 1}], "b": 5}
    assert not make_well_formed(parsed)


@pytest.mark.parametrize(
    "labels",
    [
        list(NAMES),
        NAMES,
        NAMES.astype(str),
        pd.Series(NAMES, dtype=object),
        pd.DataFrame({"x": pd.Series(NAMES, dtype=object)}),
    ],
    ids=["list", "objects", "letters", "series", "frame"],
)
def test_labels_of_python_callers(labels: Any) -> None:
    assert read_labels(labels).classes.tolist() == ["b", WHOLE]


def test_names_of_items_and_of_schemes() -> None:
    frame = pd.DataFrame(ROWS, index=pd.Index([f"{HALF}{row}" for row in range(60)], dtype=object))
    assert find_label_issues(frame, CODES, architecture="2-L").index.equals(frame.index)
    ranked = rank_schemes(ROWS, {HALF: CODES, "other": 1 - CODES}, architecture="2-L")
    assert set(ranked["scheme"]) >= {WHOLE, "other"}


def test_an_audit_is_saved_shown_and_read_again(tmp_path: Path) -> None:
    made = LabelAudit(architecture="2-L").fit(ROWS, list(NAMES)).audit()
    made.save(tmp_path / "audit")
    loaded = Audit.load(tmp_path / "audit")
    assert loaded.classes["class_name"].tolist() == ["b", WHOLE]
    assert WHOLE in write_report(loaded, tmp_path / "report.html").read_text(encoding="utf-8")
    export_csv(loaded, tmp_path / "csv")
    assert WHOLE in (tmp_path / "csv" / "findings.csv").read_text(encoding="utf-8")


def test_a_data_set_of_texts() -> None:
    items = pd.DataFrame({"task_id": [0, 1], "value": pd.Series([HALF, "x"], dtype=object)})
    dataset = replace(from_arrays(["a", "b"]), items=items, kind="text", class_names=(HALF, "b"))
    assert dataset.items["value"].tolist() == [WHOLE, "x"]
    assert dataset.class_names == (WHOLE, "b")
    assert dataset.fingerprint()


def test_an_export_with_halves_everywhere(tmp_path: Path) -> None:
    def labelled(number: int) -> dict[str, Any]:
        word, label = [("sail", "cars"), ("climb", HALF)][number % 2]
        said = annotation(number, choice(label), completed_by={"id": 1, "email": HALF})
        return task(number, said, data={"text": f"{word} {HALF} {number}", HALF: HALF})

    text = json.dumps([labelled(number) for number in range(1, 41)], ensure_ascii=False)
    (tmp_path / "export.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    made = audit(tmp_path / "export.json", architecture="2-L")
    made.save(tmp_path / "audit")
    loaded = Audit.load(tmp_path / "audit")
    assert set(loaded.findings["given_label"]) == {"cars", WHOLE}
    assert set(loaded.findings["annotator"]) == {WHOLE}
    assert set(loaded.findings["task_id"]) == set(range(1, 41))
    assert write_report(loaded, tmp_path / "report.html").read_text(encoding="utf-8").count(WHOLE)
