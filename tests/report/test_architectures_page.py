"""The page of an architecture fit: what to begin with, and maps whose points say what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from ntk_labelqa.diagnostics.architectures import FIGURES, Fit, Fits
from ntk_labelqa.report.architectures import render_architectures
from ntk_labelqa.report.architectures_scatter import MOST_POINTS, Shown
from tests.browser import browser
from tests.report.audits import digits_audit
from tests.report.test_report import HEBREW, HOSTILE

CLASSES = ("plain", HOSTILE, HEBREW)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def fit(name: str, right: np.ndarray) -> Fit:
    size = len(right)
    figures = {**dict.fromkeys(FIGURES, 0.5), "accuracy": float(right.mean())}
    angle = np.linspace(0, 2 * np.pi, size, endpoint=False)
    return Fit(name, figures, right, np.column_stack([np.cos(angle), np.sin(angle)] * 2))


def fits(size: int = 30, left_out: dict[str, str] | None = None) -> Fits:
    """The linear kernel wrong on class 0, the network right on half of it."""
    codes = np.arange(size) % len(CLASSES)
    judged = (fit("linear", codes > 0), fit("2-L", (codes > 0) | (np.arange(size) % 2 == 0)))
    return Fits(judged, left_out or {}, np.arange(size), codes, CLASSES, 10 * size)


def opened(chromium: Browser, page: str, folder: Path) -> tuple[Page, list[str]]:
    (folder / "fit.html").write_text(page, encoding="utf-8")
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text))
    tab.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
    tab.goto((folder / "fit.html").as_uri())
    return tab, errors


@pytest.mark.browser
class TestMaps:
    def test_pointing_at_an_item_shows_its_picture(self, chromium, tmp_path) -> None:
        thumbnails = digits_audit().items["thumbnail"]
        items = [Shown(f"task {row}", picture=thumbnails[row]) for row in range(30)]
        tab, errors = opened(chromium, render_architectures(fits(), title="Digits", items=items), tmp_path)
        point = tab.locator("svg.map").first.locator("circle").nth(7)
        point.hover()
        popup = tab.locator(".popup")
        assert "task 7" in popup.inner_text()
        assert popup.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
        box = popup.bounding_box()
        assert 0 <= box["x"] <= 1280 - box["width"]
        tab.mouse.move(1, 1)
        assert not popup.is_visible()
        assert errors == []

    def test_texts_and_labels_in_a_popup_are_shown_as_they_are(self, chromium, tmp_path) -> None:
        items = [Shown(f"task {row}", f"{HOSTILE} {HEBREW}") for row in range(30)]
        tab, errors = opened(chromium, render_architectures(fits(), title=HOSTILE, items=items), tmp_path)
        tab.locator("svg.map").first.locator("circle").nth(1).hover()
        lines = tab.locator(".popup span").all_inner_texts()
        assert lines[0] == HOSTILE
        assert f"{HOSTILE} {HEBREW}" in lines
        assert (errors, tab.locator("img").count()) == ([], 0)

    def test_arrow_keys_step_through_the_items(self, chromium, tmp_path) -> None:
        tab, _ = opened(chromium, render_architectures(fits(), title="Digits"), tmp_path)
        tab.locator("svg.map").first.focus()
        seen = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
            tab.keyboard.press(key)
            seen.append(tab.locator(".popup").inner_text())
        assert seen[0] == seen[2] != seen[1]
        tab.keyboard.press("Escape")
        assert not tab.locator(".popup").is_visible()

    def test_no_table_is_cut_off_at_the_width_of_a_laptop(self, chromium, tmp_path) -> None:
        tab, _ = opened(chromium, render_architectures(fits(), title="Digits"), tmp_path)
        assert tab.locator("#figures .scroll").evaluate("region => region.scrollWidth <= region.clientWidth + 1")


def test_what_is_not_drawn_or_not_judged_is_said() -> None:
    page = render_architectures(fits(MOST_POINTS + 300, {"CNN-1": "Too slow."}), title="Digits")
    assert f"{MOST_POINTS} of the {MOST_POINTS + 300} items judged are drawn" in page
    assert page.count("<circle") == 2 * MOST_POINTS
    assert "left out: CNN-1" in page
    assert "Too slow." in page


def test_the_next_step_names_the_class_that_no_architecture_separates() -> None:
    page = render_architectures(fits(), title="Digits")
    assert "Look at the labels of <bdi>plain</bdi>: no architecture predicts more than 50%" in page
    assert "Train a fully connected network of 2 layers first" in page
