"""The HTML of a review task. Label Studio cleans what it shows: scripts, classes, ``data:`` images go; styles stay."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape

TILE = 96
"""Pixels: the side of a thumbnail."""

_NO_PREVIEW = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='300' height='100'%3E%3Ctext x='10' y='55' "
    "font-family='sans-serif' fill='%23666'%3ENo preview: open the source task%3C/text%3E%3C/svg%3E"
)


def image_address(value: str, task_id: int, thumbnail: bytes | None, base_path: str = "") -> str:
    """Where a browser that is logged in to the server finds the image of a source task.

    Addresses in cloud storage are resolved by the source task, which knows the storage and its credentials. What no
    browser could fetch, such as a path of the machine that ran the audit, becomes the thumbnail itself.

    Args:
        value: what the source task says.
        task_id: the source task.
        thumbnail: PNG bytes, if there are any.
        base_path: path below which the server is reached.
    """
    if value.startswith(("http://", "https://", "data:image/")):
        return value
    if value.startswith(("/data/", "/tasks/", "/static/")):
        return base_path + value
    if re.match(r"[a-z][a-z0-9+.-]*://", value) and not value.startswith("file:"):
        uri = base64.urlsafe_b64encode(value.encode()).decode()
        return f"{base_path}/tasks/{task_id}/resolve/?fileuri={uri}"
    if isinstance(thumbnail, bytes):
        return "data:image/png;base64," + base64.b64encode(thumbnail).decode()
    return _NO_PREVIEW


def quoted(label: str) -> str:
    """*label* in quotation marks; isolated, so that right-to-left names leave the sentence around them in order."""
    return f"“\u2068{label}\u2069”"


def bold(text: str) -> str:
    """A heading."""
    return f'<div style="font-weight:600; margin:6px 0 2px">{escape(text)}</div>'


def link(address: str, text: str) -> str:
    """A link that opens a new tab, so that the review stays where it is."""
    anchor = f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(text)}</a>'
    return f'<div style="margin-top:8px">{anchor}</div>'


def text_block(text: str, *, size: int, most: int | None = None, caption: str = "") -> str:
    """*text* with its line breaks, in its own writing direction; cut after *most* characters."""
    shown = text if most is None or len(text) <= most else text[: most - 1].rstrip() + "…"
    style = f"font-size:{size}px; line-height:1.4; white-space:pre-wrap; overflow-wrap:anywhere"
    below = f'<div style="font-size:12px; opacity:0.7">{escape(caption)}</div>' if caption else ""
    return f'<div style="margin-bottom:6px"><div dir="auto" style="{style}">{escape(shown)}</div>{below}</div>'


def tiles(images: Sequence[tuple[str, str]]) -> str:
    """Thumbnails side by side, each with its caption: (address, caption)."""
    return '<div style="display:flex; flex-wrap:wrap; gap:8px">' + "".join(map(_tile, images)) + "</div>"


def _tile(image: tuple[str, str]) -> str:
    # A background, because an <img> with a data: address would be removed.
    address = re.sub(r"""["'()\\\s]""", lambda character: f"%{ord(character[0]):02X}", image[0])
    style = (
        f"width:{TILE}px; height:{TILE}px; background-size:contain; background-repeat:no-repeat; "
        f"background-position:center; background-image:url('{address}')"
    )
    caption = escape(image[1])
    return (
        f'<div style="width:{TILE}px; font-size:12px; overflow-wrap:anywhere">'
        f'<div role="img" aria-label="{caption}" style="{escape(style)}"></div>{caption}</div>'
    )
