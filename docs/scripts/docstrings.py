"""How the site reads the docstrings: their cross-references as code, their examples as examples."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):`~?\.?([^`]+)`")
EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
MATH = re.compile(r"\.\. math::")


class Docstrings(griffe.Extension):
    """Turns what only Sphinx reads into what Markdown reads."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of *obj*."""
        if obj.docstring:
            text = ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = MATH.sub("", EXAMPLE.sub("Examples:", text))
