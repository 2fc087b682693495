"""``ntk-labelqa doctor``: what an audit would run with, in one table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from ntk_labelqa.cli.crash_log import write_crash_log
from ntk_labelqa.cli.options import FOLDER, OUT_FILE
from ntk_labelqa.errors import LabelQAError, UsageError
from ntk_labelqa.shown import without_secrets


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        found: in words.
        advice: what to do about it; empty where nothing has to be done.
        told: what others may hear of it: no address, no path; None: *found*.
        state: failed where an audit of a project could not run.
    """

    found: str
    advice: str = ""
    told: str | None = None
    state: Literal["fine", "failed"] = "fine"


@click.command()
@click.option(
    "--bundle",
    type=OUT_FILE,
    metavar="FILE.zip",
    help="Also collect what a report of a fault needs into a file: versions, system, memory, the names of variables, "
    "the size of caches, where the last crash was. No secret, text, name or path; it lists what is in it.",
)
@click.option("--audit", type=FOLDER, metavar="DIR", help="With --bundle: also the figures of the audit in DIR.")
def doctor(bundle: Path | None, audit: Path | None) -> None:
    """Show the device, precision, versions, memory, caches, and whether the Label Studio server and key work.

    Exits with 3 if an audit of a project could not run. A server that is not configured is no error: exports need none.
    """
    check_target(bundle, audit)
    checks = {name: looked(look) for name, look in CHECKS.items()}
    show(checks)
    if bundle is not None:
        collect(bundle, checks, audit)
    if any(check.state == "failed" for check in checks.values()):
        click.get_current_context().exit(LabelQAError.exit_code)


def check_target(bundle: Path | None, audit: Path | None) -> None:
    """Refuse what could not be written, before anything is looked at."""
    if audit is not None and bundle is None:
        raise UsageError("--audit says what goes into a bundle.", remedy="Add --bundle FILE.zip.")
    if bundle is not None and bundle.suffix != ".zip":
        raise UsageError(f"{bundle} does not end in .zip.", remedy="Name such a file with --bundle.")
    if bundle is not None and bundle.exists():
        raise LabelQAError(f"{bundle} is already there.", remedy="Remove it, or name another file.")


def looked(look: Callable[[], Check]) -> Check:
    """What *look* found, or how it failed."""
    try:
        return look()
    except LabelQAError as error:
        return Check(error.what, error.remedy, told=type(error).__name__, state="failed")
    except Exception as error:  # noqa: BLE001 - an installation that is broken is what this looks for
        kind, log = type(error).__name__, write_crash_log(error)
        advice = f"Report it, with --bundle or with the details in {log}."
        return Check(without_secrets(f"{kind}: {error}"), advice, told=kind, state="failed")


def collect(bundle: Path, checks: Mapping[str, Check], audit: Path | None) -> None:
    """Write the bundle, and say what is in it."""
    from ntk_labelqa.cli.bundle import write_bundle
    from ntk_labelqa.terminal import aligned

    told = {
        name: {"state": one.state, "found": one.found if one.told is None else one.told} for name, one in checks.items()
    }
    parts = write_bundle(bundle, told, audit)
    click.echo(f"\n{bundle}, which you alone may read:")
    click.echo("\n".join(f"  {line}" for line in aligned(list(parts.items()))))
    click.echo(f"Nothing was sent. Look at it before you send it: unzip -p {bundle} | less")


def show(checks: Mapping[str, Check]) -> None:
    """The table."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from ntk_labelqa.shown import canvas, printable
    from ntk_labelqa.terminal import width

    wide = [Column(name, overflow="fold") for name in ("found", "what to do")]
    table = Table("", "check", *wide, title="ntk-labelqa doctor", title_justify="left")
    for name, check in checks.items():
        mark = "[red]✗[/]" if check.state == "failed" else "[yellow]![/]" if check.advice else "[green]✓[/]"
        table.add_row(mark, name, Text(printable(check.found)), Text(printable(check.advice)))
    Console(file=canvas(sys.stdout), width=width()).print(table)


def _versions() -> Check:
    from ntk_labelqa.runtime import versions

    return Check(", ".join(f"{name} {number}" for name, number in versions().items()))


def _device() -> Check:
    from ntk_labelqa.runtime import device

    return Check(device())


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
    return Check(found, "" if worst < 1e-4 else "Use --dtype float64 on this device.")


def _memory() -> Check:
    from ntk_labelqa.gram.inverse_plan import LANDMARKS, low_rank_bytes
    from ntk_labelqa.gram.plan import in_units, usable_memory

    usable = usable_memory()
    an_item = low_rank_bytes(1, LANDMARKS, 4) - low_rank_bytes(0, LANDMARKS, 4)
    most = max(usable - low_rank_bytes(0, LANDMARKS, 4), 0) // an_item
    return Check(f"{in_units(usable)} can be used: room for about {most:,} items with {LANDMARKS:,} landmarks")


def _cache() -> Check:
    from ntk_labelqa.cache import VARIABLE, lasting_root

    if root := lasting_root():
        return Check(str(root), told="a folder")
    advice = f"Name one in {VARIABLE} to have later audits take less time."
    return Check("none: this user has no folder for it", advice)


def _label_studio() -> Check:
    from ntk_labelqa.labelstudio.connect import connect_from_environment, describe_server, server_version

    if not os.environ.get("LABEL_STUDIO_URL"):
        return Check("not configured", "Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY to audit a project.")
    client = connect_from_environment()
    return Check(describe_server(client), told=f"version {server_version(client)}")


CHECKS: dict[str, Callable[[], Check]] = {
    "versions": _versions,
    "device": _device,
    "precision": _precision,
    "memory": _memory,
    "cache": _cache,
    "Label Studio": _label_studio,
}
