"""What of a task's data the labelling page shows: the value at a path, decoded as the config says."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from ntk_labelqa.dataset import Control

_STEP = re.compile(r"[^.\[\]{}]+")
_DECODED = {"base64": "latin-1", "base64unicode": "utf-8"}
"""Encodings that a ``Text`` may name, and what the bytes are; browsers decode plain base64 byte by byte."""


def value_shown(data: Mapping[str, Any], control: Control) -> Any:
    """What the object that *control* labels shows of the task *data*; None where there is nothing, or it is damaged."""
    value = at_path(data, control.value_key)
    if control.encoding not in _DECODED or not isinstance(value, str):
        return value
    try:
        content = base64.b64decode(value, validate=True)
        return content.decode(_DECODED[control.encoding])
    except ValueError:  # binascii.Error and UnicodeDecodeError are
        return None


def at_path(data: Mapping[str, Any], path: str) -> Any:
    """The value at *path*, as in ``$path`` of a labelling config: a key, or steps such as ``doc.body`` and ``rows[0]``.

    Example:
        >>> at_path({"rows": [{"url": "a.png"}]}, "rows[0].url")
        'a.png'
        >>> at_path({"a.b": 1}, "a.b")
        1
    """
    if path in data:
        return data[path]
    found: Any = data
    for step in _STEP.findall(path):
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found if path else None
