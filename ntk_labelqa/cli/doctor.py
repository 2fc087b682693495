"""``ntk-labelqa doctor``: what an audit would run with, in one table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from ntk_labelqa.errors import LabelQAError

Check = tuple[str, str]
"""What was found, and what to do about it; the second is empty where nothing has to be done."""


@click.command()
def doctor() -> None:
    """Show the device, precision, versions, memory, caches, and whether the Label Studio server and key work.

    Exits with 3 if an audit of a project could not run. A server that is not configured is no error: exports need none.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ntk_labelqa.shown import canvas, printable
    from ntk_labelqa.terminal import width

    table = Table("", "check", "found", "what to do", title="ntk-labelqa doctor", title_justify="left")
    failed = False
    for name, look in CHECKS.items():
        try:
            found, advice = look()
            mark = "[yellow]![/]" if advice else "[green]✓[/]"
        except LabelQAError as error:
            found, advice, mark, failed = error.what, error.remedy, "[red]✗[/]", True
        table.add_row(mark, name, Text(printable(found)), Text(printable(advice)))
    Console(file=canvas(sys.stdout), width=width()).print(table)
    if failed:
        click.get_current_context().exit(LabelQAError.exit_code)


def _versions() -> Check:
    from ntk_labelqa.runtime import versions

    return ", ".join(f"{name} {number}" for name, number in versions().items()), ""


def _device() -> Check:
    from ntk_labelqa.runtime import device

    return device(), ""


def _precision() -> Check:
    """The leave-one-out error that rounding causes: two nearly equal items are where a careless recursion fails."""
    import numpy as np

    from ntk_labelqa.gram.matrix import gram_matrix

    rows = np.random.default_rng(0).normal(size=(64, 784))
    rows[1] = rows[0] * (1 + 1e-7)
    exact = gram_matrix(rows, architecture="10-L", dtype="float64")
    single = gram_matrix(rows.astype(np.float32), architecture="10-L", dtype="float32")
    worst = float((np.abs(single - exact) / np.abs(exact)).max())
    found = f"float32 kernel within {worst:.0e} of float64"
    return found, "" if worst < 1e-4 else "Use --dtype float64 on this device."


def _memory() -> Check:
    from ntk_labelqa.gram.inverse_plan import LANDMARKS, low_rank_bytes
    from ntk_labelqa.gram.plan import in_units, usable_memory

    usable = usable_memory()
    an_item = low_rank_bytes(1, LANDMARKS, 4) - low_rank_bytes(0, LANDMARKS, 4)
    most = max(usable - low_rank_bytes(0, LANDMARKS, 4), 0) // an_item
    return f"{in_units(usable)} can be used: room for about {most:,} items with {LANDMARKS:,} landmarks", ""


def _cache() -> Check:
    from ntk_labelqa.cache import VARIABLE, lasting_root

    if root := lasting_root():
        return str(root), ""
    return "none: this user has no folder for it", f"Name one in {VARIABLE} to have later audits take less time."


def _label_studio() -> Check:
    from ntk_labelqa.labelstudio.connect import connect_from_environment, describe_server

    if not os.environ.get("LABEL_STUDIO_URL"):
        return "not configured", "Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY to audit a project."
    return describe_server(connect_from_environment()), ""


CHECKS: dict[str, Callable[[], Check]] = {
    "versions": _versions,
    "device": _device,
    "precision": _precision,
    "memory": _memory,
    "cache": _cache,
    "Label Studio": _label_studio,
}
