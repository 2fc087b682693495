"""``ntk-labelqa demo``: the whole loop on a real Label Studio, with errors that we planted."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ntk_labelqa.cli import interrupts
from ntk_labelqa.cli.options import OUT_FOLDER, quiet_option
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    from ntk_labelqa.demo.run import DemoResult
    from ntk_labelqa.demo.server import LocalServer


OUT = Path("demo-audit")
CLEARING_SECONDS = 60.0
"""For stopping the server and removing its files."""


@click.command()
@click.option("--out", type=OUT_FOLDER, default=OUT, show_default=True, help="The audit folder to write.")
@click.option("--overwrite", is_flag=True, help=f"Replace an audit that is already there; {OUT} always is.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the server on 127.0.0.1; default: a free one.")
@click.option("--once", is_flag=True, help="Stop the server when the audit is done, instead of at Ctrl-C.")
@quiet_option
def demo(out: Path, overwrite: bool, port: int | None, once: bool, quiet: bool) -> None:
    """Start a local Label Studio with 1,797 digit images and planted wrong labels, audit it, and push the findings.

    The server listens on 127.0.0.1 alone, and is removed with everything in it when the command ends. The first start
    installs Label Studio into the cache.
    """
    from ntk_labelqa.audit_folder import check_target
    from ntk_labelqa.demo.run import run_demo
    from ntk_labelqa.demo.server import LocalServer

    interrupts.allow(CLEARING_SECONDS)
    check_target(out, overwrite=overwrite or out == OUT)
    # A closed terminal ends the command like a request to end it: the server is stopped.
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    began = time.monotonic()
    stages = Stages(quiet=quiet)
    with stages.stage("Starting Label Studio"):
        server = LocalServer(port=port)
    with server:
        result = run_demo(server, out, stages=stages)
        click.echo(summary(result, server, time.monotonic() - began))
        if not once:
            click.echo("The server stays up until Ctrl-C.")
            _wait_for_ctrl_c()


def summary(result: DemoResult, server: LocalServer, seconds: float) -> str:
    """What to look at, and how well it went."""
    lines = {
        "Planted errors": f"{result.planted}",
        "Flagged": f"{result.flagged} labels",
        "Recall": f"{result.recall:.3f} of the planted errors were found",
        "Precision": f"{result.precision:.3f} of the flagged labels are wrong",
        "Review project": result.review_url,
        "Log in as": f"{server.username} with the password {server.password}",
        "Report": str(result.report.resolve()),
        "Took": f"{seconds:.0f} s",
    }
    return "\n".join(f"{name:<15} {value}" for name, value in lines.items())


def _wait_for_ctrl_c() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("Stopping the server.", err=True)
