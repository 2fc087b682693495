"""What all pages share: the templates and their filters, the style sheet, and the script with its permission to run."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ntk_labelqa.report import formats


def render_page(template: str, **contents: Any) -> str:
    """*template* filled with *contents*, all of them escaped; it stands alone, and may run its own script only."""
    style, script = (_source(name) for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template(template)
        .render(**contents, style=Markup(style), script=Markup(script), script_hash=_hash(script))
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ntk_labelqa.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=formats.count, share=formats.share, figure=formats.figure, plural=formats.plural, instant=_instant
    )
    return environment


def _source(name: str) -> str:
    environment = _environment()
    loader = environment.loader
    assert loader is not None
    return loader.get_source(environment, name)[0]


def _hash(script: str) -> str:
    """The name under which the page's security policy allows *script* and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _instant(iso: str) -> str:
    """``23 November 2026, 19:27 UTC`` of an ISO 8601 time."""
    return f"{datetime.fromisoformat(iso):%-d %B %Y, %H:%M %Z}".strip()
