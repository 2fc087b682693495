"""Runs the cells of a notebook, a JSON list on standard input, and prints a list of what each of them printed."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from typing import Any


def run_cell(source: str, names: dict[str, Any]) -> str:
    """What the cell prints, and the value of its last line where that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    return printed.getvalue()


if __name__ == "__main__":
    names: dict[str, Any] = {"__name__": "__main__"}
    print(json.dumps([run_cell(cell, names) for cell in json.load(sys.stdin)]))
