"""`ntk-labelqa architectures`: the table, the recommendation, and a page that needs nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.cli.entry import run
from tests.browser import browser
from tests.fixtures import noisy_digits

COUNT = 150
HOSTILE = "<script>alert(1)</script> ‏صفر"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export with its features beside it; one class has a name that is markup, in two directions."""
    features, given, _ = noisy_digits(COUNT)
    tasks = []
    for row, label in enumerate(given):
        choices = [HOSTILE if label == 0 else f"digit {label}"]
        result = {"from_name": "digit", "to_name": "text", "type": "choices", "value": {"choices": choices}}
        annotation = {"id": row + 1, "completed_by": 1, "result": [result]}
        tasks.append({"id": row + 1, "data": {"text": f"digit {row}"}, "annotations": [annotation]})
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    np.savez(tmp_path / "images.npz", ids=np.arange(1, COUNT + 1), features=features.reshape(-1, 8, 8))
    np.savez(tmp_path / "rows.npz", ids=np.arange(1, COUNT + 1), features=features)
    return tmp_path / "export.json"


def judged(export: Path, capfd, features: str, *arguments: str) -> tuple[int, str, str]:
    files = [str(export), "--features", str(export.with_name(features))]
    code = run(["architectures", *files, *arguments])
    return code, *capfd.readouterr()


@pytest.mark.long
def test_the_floor_is_in_the_table_and_one_is_recommended(export, capfd) -> None:
    code, out, err = judged(export, capfd, "images.npz", "--arch", "2-L", "--arch", "CNN-1")
    assert code == 0, err
    lines = out.splitlines()
    assert {line.split()[0] for line in lines[1:4]} == {"linear", "2-L", "CNN-1"}
    assert re.search(r"^(Begin with|A linear model)", out, re.MULTILINE)
    assert "infinite width" in out


def test_what_does_not_fit_is_said(export, capfd) -> None:
    code, out, _ = judged(export, capfd, "rows.npz", "--arch", "CNN-1", "--arch", "2-L", "-q")
    assert code == 0
    assert "left out: CNN-1. Features of 2 axes are no images." in out
    code, _, err = judged(export, capfd, "rows.npz", "--arch", "CNN-9", "-q")
    assert code == 3
    assert "no architecture 'CNN-9'" in err


def test_the_page_cannot_be_written(export, capfd) -> None:
    code, _, err = judged(export, capfd, "rows.npz", "--arch", "2-L", "--out", str(export / "no.html"))
    assert code == 3
    assert "could not be written" in err


@pytest.mark.browser
def test_the_page_asks_for_nothing_and_runs_no_label(export, tmp_path, capfd) -> None:
    page = tmp_path / "fit.html"
    code, out, _ = judged(export, capfd, "images.npz", "--arch", "2-L", "--arch", "CNN-1", "--out", str(page))
    assert code == 0
    assert f"Report: {page}" in out
    assert HOSTILE not in page.read_text(encoding="utf-8")
    with browser() as running:
        tab, asked, said = running.new_page(), [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.goto(page.as_uri())
        assert asked == [page.as_uri()]
        assert said == []
        assert tab.locator("figure svg").count() == 3
        assert tab.locator("figure circle").count() == 3 * COUNT
        assert HOSTILE in tab.locator("#separability").inner_text()
        tab.get_by_role("button", name="Log loss").click()
        values = [float(text) for text in tab.locator("#figures-table tbody td:nth-child(4)").all_inner_texts()]
        assert values == sorted(values, reverse=True)
        tab.set_viewport_size({"width": 390, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
