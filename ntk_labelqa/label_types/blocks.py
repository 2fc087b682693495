"""Blocks of HTML that show items.

Label Studio cleans what it shows: scripts, classes, ``data:`` images go; styles stay.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from ntk_labelqa.dataset import split_span

if TYPE_CHECKING:
    from ntk_labelqa.label_types.shape import Shape

TILE = 96
"""Pixels: the side of a thumbnail."""

LARGEST_ZOOM = 6.0
"""How many times its own size a small region is shown at most."""
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
    if value.startswith("data:image/"):
        return value
    if found := file_address(value, task_id, base_path):
        return found
    if isinstance(thumbnail, bytes):
        return "data:image/png;base64," + base64.b64encode(thumbnail).decode()
    return _NO_PREVIEW


def file_address(value: str, task_id: int, base_path: str = "") -> str:
    """Where a browser that is logged in to the server finds a file of a source task; empty where it finds none."""
    if value.startswith(("http://", "https://")):
        return value
    if value.startswith(("/data/", "/tasks/", "/static/")):
        return base_path + value
    if re.match(r"[a-z][a-z0-9+.-]*://", value) and not value.startswith("file:"):
        uri = base64.urlsafe_b64encode(value.encode()).decode()
        return f"{base_path}/tasks/{task_id}/resolve/?fileuri={uri}"
    return ""


def text_block(text: str, *, size: int, most: int | None = None, caption: str = "") -> str:
    """*text* with its line breaks, in its own writing direction; cut after *most* characters."""
    shown = text if most is None or len(text) <= most else text[: most - 1].rstrip() + "…"
    style = f"font-size:{size}px; line-height:1.4; white-space:pre-wrap; overflow-wrap:anywhere"
    below = f'<div style="font-size:12px; opacity:0.7">{escape(caption)}</div>' if caption else ""
    return f'<div style="margin-bottom:6px"><div dir="auto" style="{style}">{escape(shown)}</div>{below}</div>'


def tiles(images: Sequence[tuple[str, str]]) -> str:
    """Thumbnails side by side, each with its caption: (address, caption)."""
    return '<div style="display:flex; flex-wrap:wrap; gap:8px">' + "".join(map(_tile, images)) + "</div>"


def crop_block(address: str, shape: Shape, *, side: int, caption: str = "") -> str:
    """What *shape* holds of the image at *address*, at most *side* pixels wide and high; boxes are turned upright.

    The browser cuts it out, so that small regions keep the sharpness of their image. Needs the image's size.
    """
    x, y, wide, high, rotation = shape.frame
    width, height = wide / 100 * shape.image_width, high / 100 * shape.image_height
    scale = min(side / width, side / height, LARGEST_ZOOM)
    left, top = (share / 100 * size * scale for share, size in ((x, shape.image_width), (y, shape.image_height)))
    inner = (
        f"position:absolute; left:{-left:.1f}px; top:{-top:.1f}px; width:{shape.image_width * scale:.1f}px; "
        f"height:{shape.image_height * scale:.1f}px; {_background(address)}; "
        f"transform-origin:{left:.1f}px {top:.1f}px; transform:rotate({-rotation:.6g}deg)"
    )
    outer = f"position:relative; overflow:hidden; width:{width * scale:.1f}px; height:{height * scale:.1f}px"
    return _captioned(f'<div style="{outer}"><div role="img" style="{escape(inner)}"></div></div>', side, caption)


def place_block(address: str, shape: Shape, *, width: int, height: int) -> str:
    """The whole image, small, with *shape* marked: where in it the region is."""
    scale = min(width / shape.image_width, height / shape.image_height, 1.0)
    whole = (
        f"position:relative; overflow:hidden; width:{shape.image_width * scale:.1f}px; "
        f"height:{shape.image_height * scale:.1f}px; {_background(address)}"
    )
    marked = f'<div style="{escape("position:absolute; " + shape.mark())}"></div>'
    return f'<div role="img" style="{escape(whole)}">{marked}</div>'


def picture_block(address: str, *, width: int, height: int, caption: str = "") -> str:
    """The picture at *address*, at most *width* by *height* pixels."""
    style = f"width:{width}px; max-width:100%; height:{height}px; {_background(address, 'contain')}"
    return _captioned(f'<div role="img" style="{escape(style)}"></div>', width, caption)


def span_block(value: str, *, size: int, caption: str = "") -> str:
    """A span in its context, the span itself highlighted."""
    before, span, after = map(escape, split_span(value))
    mark = f'<span style="background:#ffe58f; color:#000; font-weight:600; padding:1px 3px">{span}</span>'
    style = f"font-size:{size}px; line-height:1.5; white-space:pre-wrap; overflow-wrap:anywhere"
    below = f'<div style="font-size:12px; opacity:0.7">{escape(caption)}</div>' if caption else ""
    text = f"{before}{mark}{after}"
    return f'<div style="margin-bottom:6px"><div dir="auto" style="{style}">{text}</div>{below}</div>'


def table_block(row: Mapping[str, object]) -> str:
    """A table row as a table of two columns, field and value; what is missing is shown as a dash."""
    cell = "padding:4px 12px 4px 0; border-bottom:1px solid rgba(128,128,128,0.3); vertical-align:top"
    lines = "".join(
        f'<tr><td style="{cell}; opacity:0.7">{escape(str(name))}</td>'
        f'<td dir="auto" style="{cell}; font-weight:600; overflow-wrap:anywhere">{escape(shown(value))}</td></tr>'
        for name, value in row.items()
    )
    return f'<table style="font-size:15px; border-collapse:collapse">{lines}</table>'


def shown(value: object) -> str:
    """A field's value as a reader takes it in: no more digits than distinguish rows."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return "–" if value is None or value == "" else str(value)


def _captioned(html: str, side: int, caption: str) -> str:
    below = f'<div style="width:{side}px; font-size:12px; overflow-wrap:anywhere">{escape(caption)}</div>'
    return f"<div>{html}{below if caption else ''}</div>"


def side_by_side(parts: Sequence[str]) -> str:
    """Blocks in rows, as many in each as fit."""
    return '<div style="display:flex; flex-wrap:wrap; gap:8px; align-items:flex-end">' + "".join(parts) + "</div>"


def _background(address: str, size: str = "100% 100%") -> str:
    quoted_address = re.sub(r"""["'()\\\s]""", lambda character: f"%{ord(character[0]):02X}", address)
    return f"background-image:url('{quoted_address}'); background-size:{size}; background-repeat:no-repeat"


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
