"""The words of a review task as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


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
