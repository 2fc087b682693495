"""Takes the pictures of a report and of a review page: ``python docs/scripts/screenshots.py``.

Runs the demonstration on a Label Studio of its own and needs a browser, as the tests do; takes some minutes.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, expect

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from ntk_labelqa.demo.run import run_demo  # noqa: E402 - the tests' browser is found from the root alone
from ntk_labelqa.demo.server import PEOPLE, LocalServer  # noqa: E402
from ntk_labelqa.progress import Stages  # noqa: E402
from tests.browser import browser  # noqa: E402

IMAGES = ROOT / "docs" / "images"
COLOURS = 128


def main() -> None:
    """Run the demonstration and take both pictures."""
    with tempfile.TemporaryDirectory() as folder, LocalServer() as server:
        done = run_demo(server, Path(folder) / "audit", stages=Stages(quiet=True))
        with browser() as chromium:
            report(chromium, done.report)
            review(chromium, server, done.review_url)


def report(chromium: Browser, path: Path) -> None:
    """The first screen of the report."""
    page = chromium.new_page(viewport={"width": 1100, "height": 1000})
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    save(page, "report.png")


def review(chromium: Browser, server: LocalServer, address: str) -> None:
    """The worst finding, as a reviewer sees it who has just accepted the suggestion."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{server.url}/user/login/")
    page.fill("input[name=email]", PEOPLE[3])
    page.fill("input[name=password]", server.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/user/login" not in url)
    page.goto(address)
    expect(page.get_by_text("Press the key of a decision")).to_be_visible(timeout=60_000)
    page.keyboard.press("a")
    page.wait_for_timeout(1500)
    save(page, "review.png", {"x": 0, "y": 52, "width": 850, "height": 603})


def save(page: Page, name: str, clip: FloatRect | None = None) -> None:
    """What *page* shows, or the part *clip* of it, in few colours."""
    image = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
