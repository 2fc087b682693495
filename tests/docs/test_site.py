"""The documents as a site and as plain files: every link leads somewhere, and nothing is fetched from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "integrations").rglob("*.md")])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy: a build in the working tree would be one more thing to keep out of the way."""
    copy = tmp_path_factory.mktemp("documents")
    shutil.copy(ROOT / "mkdocs.yml", copy)
    for name in ("docs", "ntk_labelqa"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [str(program), "build", "--clean", "--strict"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "site"


class Links(HTMLParser):
    """What a page links to, what it loads, and what can be linked to in it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what *tag* refers to."""
        given = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := given.get(name)))
        if tag == "a" and (address := given.get("href")):
            self.links.append(address)
        if tag in ("script", "img", "iframe", "source") and (address := given.get("src")):
            self.loads.append(address)
        if tag == "link" and (address := given.get("href")) and given.get("rel") != "canonical":
            self.loads.append(address)


@pytest.mark.long
def test_every_link_in_the_site_leads_somewhere(site: Path) -> None:
    pages = {page.resolve(): Links(page) for page in site.rglob("*.html") if page.name != "404.html"}
    assert len(pages) > 30
    broken = []
    for page, found in pages.items():
        for address in [*found.links, *found.loads]:
            parts = urllib.parse.urlsplit(address)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            target = (page.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (parts.fragment and target in pages and not anchored(parts, pages[target])):
                broken.append(f"{page.relative_to(site.resolve())}: {address}")
    assert not broken


def anchored(parts: urllib.parse.SplitResult, page: Links) -> bool:
    return urllib.parse.unquote(parts.fragment) in page.anchors | {"__top"}


@pytest.mark.long
def test_the_site_needs_no_network(site: Path) -> None:
    loaded = {address for page in site.rglob("*.html") for address in Links(page).loads}
    assert not {address for address in loaded if urllib.parse.urlsplit(address).scheme in ("http", "https")}
    styles = "".join(sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css"))
    assert not re.findall(r"url\([\"']?https?:", styles)


@pytest.mark.long
def test_the_reference_has_the_docstrings(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text(encoding="utf-8")
    assert "Which labels are wrong, what they should be, and how sure" in page
    assert ":func:" not in page


def test_no_script_is_part_of_the_site(site: Path) -> None:
    assert not list(site.rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_of_a_file_leads_somewhere(page: Path) -> None:
    broken = []
    for address in addresses(page):
        parts = urllib.parse.urlsplit(address)
        if parts.scheme:
            continue
        target = page.parent / urllib.parse.unquote(parts.path) if parts.path else page
        if not target.exists() or (parts.fragment and parts.fragment not in headings(target)):
            broken.append(address)
    assert not broken


def addresses(page: Path) -> Iterator[str]:
    """What *page* links to and shows."""
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for part in token.children or ():
            if address := part.attrs.get("href") or part.attrs.get("src"):
                yield str(address)


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as both the repository's web view and the site name them."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    texts = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in texts}


@pytest.mark.long
def test_every_page_is_reached_from_the_first() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for address in addresses(page):
            parts = urllib.parse.urlsplit(address)
            if not parts.scheme and parts.path:
                ahead.append(page.parent / urllib.parse.unquote(parts.path))
    assert not [page for page in (ROOT / "docs").rglob("*.md") if page.resolve() not in reached]


def test_every_picture_is_shown_and_small() -> None:
    shown = {(page.parent / one).resolve() for page in PAGES for one in addresses(page) if "images/" in one}
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert {picture.resolve() for picture in pictures} == shown
    assert all(picture.stat().st_size < 300_000 for picture in pictures)


def test_issue_templates_can_be_read() -> None:
    templates = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    read = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in templates}
    for name in read.keys() - {"config"}:
        assert {"name", "description", "body"} <= read[name].keys()
        fields = [field for field in read[name]["body"] if field["type"] != "markdown"]
        assert all(field["attributes"]["label"] for field in fields)
        assert len({field["id"] for field in fields}) == len(fields)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
