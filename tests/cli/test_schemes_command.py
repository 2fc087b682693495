"""`ntk-labelqa schemes`: annotators, models, columns and earlier exports in one ranking."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ntk_labelqa.cli.entry import run
from tests.fixtures import noisy_digits

COUNT = 240


def choice(label: Any) -> list[dict[str, Any]]:
    return [{"from_name": "digit", "to_name": "text", "type": "choices", "value": {"choices": [str(label)]}}]


def task(row: int, label: Any, model: Any) -> dict[str, Any]:
    return {
        "id": row + 1,
        "data": {"text": f"digit {row}"},
        "annotations": [{"id": row + 1, "completed_by": row % 2 + 1, "result": choice(label)}],
        "predictions": [
            {"model_version": "net-3", "result": choice(model)},
            {"model_version": "ntk-labelqa-1", "result": choice(0)},
        ],
    }


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Features, and right labels; user 2 gives every third label wrong."""
    features, _, right = noisy_digits(COUNT)
    return features, right


@pytest.fixture
def folder(tmp_path: Path, digits) -> Path:
    """A folder with an export, its features, an earlier export, and a CSV."""
    features, right = digits
    given = np.where(np.arange(COUNT) % 6 == 1, (right + 1) % 10, right)
    worse = np.where(np.arange(COUNT) % 2 == 0, (right + 3) % 10, right)
    save(tmp_path / "export.json", [task(row, given[row], right[row]) for row in range(COUNT)])
    save(tmp_path / "april.json", [task(row, worse[row], right[row]) for row in range(COUNT)])
    np.savez(tmp_path / "features.npz", ids=np.arange(1, COUNT + 1), features=features)
    lines = [f"{row + 1},{right[row] if row < 100 else ''},{worse[row]}" for row in range(COUNT)]
    (tmp_path / "others.csv").write_text("\n".join(["task_id,expert,careless", *lines, "9999,1,1"]), encoding="utf-8")
    return tmp_path


def save(path: Path, tasks: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(tasks), encoding="utf-8")


def ranked(folder: Path, capfd, *arguments: object) -> tuple[int, str, str]:
    features = ("--features", folder / "features.npz", "--arch", "2-L")
    code = run(["schemes", str(folder / "export.json"), *map(str, (*features, *arguments))])
    return code, *capfd.readouterr()


def test_everybody_is_ranked_but_this_programs_own_predictions(folder, capfd) -> None:
    code, out, err = ranked(folder, capfd, "--format", "json")
    assert code == 0, err
    rows = {row["scheme"]: row for row in json.loads(out)}
    names = ["user 1", "net-3", "majority", "user 2", "control: shuffled labels", "control: one class"]
    assert list(rows) == names
    assert rows["user 1"]["items"] == COUNT // 2
    assert rows["user 1"]["error_rate"] < 0.1 < 0.3 < rows["user 2"]["error_rate"]
    assert rows["user 1"]["bde"] is None
    assert rows["net-3"]["bde_rank"] == 1
    assert rows["majority"]["bde_rank"] == 2
    assert rows["control: shuffled labels"]["bde_rank"] == 3
    assert not rows["control: one class"]["comparable"]


def test_columns_and_earlier_exports_are_schemes_too(folder, capfd) -> None:
    files = ("--csv", folder / "others.csv", "--earlier", folder / "april.json")
    code, out, err = ranked(folder, capfd, *files, "--format", "csv")
    assert code == 0, err
    rows = {row["scheme"]: row for row in csv.DictReader(io.StringIO(out))}
    assert rows["expert"]["items"] == "100"
    assert rows["careless"]["error_rate"] == rows["earlier: april.json"]["error_rate"]
    assert float(rows["expert"]["error_rate"]) < float(rows["careless"]["error_rate"])
    assert "expert: 1 tasks that are not in the source are left out" in err


def test_the_table_says_what_its_figures_mean(folder, capfd) -> None:
    code, out, _ = ranked(folder, capfd, "--quiet")
    assert code == 0
    heading, first = out.splitlines()[:2]
    assert heading.split("  ")[0] == "scheme"
    assert first.startswith("user 1")
    assert "lower is better" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,a\n1,2\n", "needs task_id"),
        ("task_id\n1\n", "needs task_id"),
        ("task_id,a\n1,2\n1,3\n", "comes twice"),
        ("task_id,a\none,2\n", "is no number"),
        ("task_id,a\n1,cat\n", "belongs to a task and a class of the source"),
        ("", "cannot be read as CSV"),
    ],
)
def test_bad_columns_are_refused(folder, capfd, text: str, said: str) -> None:
    (folder / "bad.csv").write_text(text)
    code, out, err = ranked(folder, capfd, "--csv", folder / "bad.csv")
    assert (code, out) == (3, "")
    assert said in err


def test_unknown_labels_are_named(folder, capfd) -> None:
    (folder / "some.csv").write_text("task_id,<b>x</b>\n1,cat\n2,1\n3,cat\n")
    code, out, err = ranked(folder, capfd, "--csv", folder / "some.csv", "--format", "json")
    assert code == 0
    assert "labels that the source does not have are left out: 'cat' (2)" in err
    assert {row["scheme"]: row["items"] for row in json.loads(out)}["<b>x</b>"] == 1
