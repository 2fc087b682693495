"""Readers meet the field's words: what a page says in others' place is not said again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READ = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "integrations").rglob("*.md"),
        *(ROOT / "ntk_labelqa" / "report" / "templates").glob("*.html"),
        *(ROOT / "ntk_labelqa" / "gate").glob("*.toml"),
    ]
)
OURS = re.compile(
    r"\b(mend(s|ed|ing)?|dear|strangers?|had better|lends?|(told|tells?|telling) (\w+ )*apart|hang together|anew)\b",
    re.IGNORECASE,
)
"""Correct or refurbish, expensive, unrelated, should, gives, distinguish, are coupled, again."""


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_plain_words(path: Path) -> None:
    assert not [found[0] for found in OURS.finditer(path.read_text(encoding="utf-8"))]
