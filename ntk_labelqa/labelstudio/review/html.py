"""The HTML of a review task. Label Studio cleans what it shows: scripts, classes, ``data:`` images go; styles stay."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape

from ntk_labelqa.dataset import split_span
from ntk_labelqa.labelstudio.reading.regions import Box

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


def links(title: str, addresses: Mapping[str, str]) -> str:
    """Links in a row after *title*, by what they are called; each opens a new tab."""
    anchors = ", ".join(
        f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(name)}</a>'
        for name, address in addresses.items()
    )
    return f'<div style="margin:4px 0 8px; font-size:12px">{escape(title)} {anchors}</div>'


def text_block(text: str, *, size: int, most: int | None = None, caption: str = "") -> str:
    """*text* with its line breaks, in its own writing direction; cut after *most* characters."""
    shown = text if most is None or len(text) <= most else text[: most - 1].rstrip() + "…"
    style = f"font-size:{size}px; line-height:1.4; white-space:pre-wrap; overflow-wrap:anywhere"
    below = f'<div style="font-size:12px; opacity:0.7">{escape(caption)}</div>' if caption else ""
    return f'<div style="margin-bottom:6px"><div dir="auto" style="{style}">{escape(shown)}</div>{below}</div>'


def tiles(images: Sequence[tuple[str, str]]) -> str:
    """Thumbnails side by side, each with its caption: (address, caption)."""
    return '<div style="display:flex; flex-wrap:wrap; gap:8px">' + "".join(map(_tile, images)) + "</div>"


def crop_block(address: str, box: Box, *, side: int, caption: str = "") -> str:
    """What *box* holds of the image at *address*, at most *side* pixels wide and high, turned upright.

    The browser cuts it out, so that small regions keep the sharpness of their image. Needs the image's size.
    """
    width, height = box.width / 100 * box.image_width, box.height / 100 * box.image_height
    scale = min(side / width, side / height, LARGEST_ZOOM)
    left, top = (share / 100 * size * scale for share, size in ((box.x, box.image_width), (box.y, box.image_height)))
    inner = (
        f"position:absolute; left:{-left:.1f}px; top:{-top:.1f}px; width:{box.image_width * scale:.1f}px; "
        f"height:{box.image_height * scale:.1f}px; {_background(address)}; "
        f"transform-origin:{left:.1f}px {top:.1f}px; transform:rotate({-box.rotation:.6g}deg)"
    )
    outer = f"position:relative; overflow:hidden; width:{width * scale:.1f}px; height:{height * scale:.1f}px"
    return _captioned(f'<div style="{outer}"><div role="img" style="{escape(inner)}"></div></div>', side, caption)


def place_block(address: str, box: Box, *, width: int, height: int) -> str:
    """The whole image, small, with *box* outlined: where in it the region is."""
    scale = min(width / box.image_width, height / box.image_height, 1.0)
    whole = (
        f"position:relative; overflow:hidden; width:{box.image_width * scale:.1f}px; "
        f"height:{box.image_height * scale:.1f}px; {_background(address)}"
    )
    outline = (
        f"position:absolute; left:{box.x:.6g}%; top:{box.y:.6g}%; width:{box.width:.6g}%; height:{box.height:.6g}%; "
        f"box-sizing:border-box; border:2px solid #e00; box-shadow:0 0 0 1px #fff; transform-origin:0 0; "
        f"transform:rotate({box.rotation:.6g}deg)"
    )
    return f'<div role="img" style="{escape(whole)}"><div style="{outline}"></div></div>'


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
    """A field's value as a reader takes it in: no more digits than tell rows apart."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return "–" if value is None or value == "" else str(value)


def _captioned(html: str, side: int, caption: str) -> str:
    below = f'<div style="width:{side}px; font-size:12px; overflow-wrap:anywhere">{escape(caption)}</div>'
    return f"<div>{html}{below if caption else ''}</div>"


def side_by_side(parts: Sequence[str]) -> str:
    """Blocks in rows, as many in each as fit."""
    return '<div style="display:flex; flex-wrap:wrap; gap:8px; align-items:flex-end">' + "".join(parts) + "</div>"


def _background(address: str) -> str:
    quoted_address = re.sub(r"""["'()\\\s]""", lambda character: f"%{ord(character[0]):02X}", address)
    return f"background-image:url('{quoted_address}'); background-size:100% 100%"


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
