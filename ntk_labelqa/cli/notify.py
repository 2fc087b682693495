"""``--notify``: the summary of an audit or a gate, as JSON, to a webhook or a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from ntk_labelqa.errors import LabelQAError, PartialDeliveryError, UsageError
from ntk_labelqa.paths import real_place
from ntk_labelqa.shown import without_logins

if TYPE_CHECKING:
    from ntk_labelqa.audit_folder import Audit

F = TypeVar("F", bound=Callable[..., Any])
VARIABLE = "NTK_LABELQA_NOTIFY"
TIMEOUT = 10.0
"""Seconds that a webhook may take."""
FIGURES = ("items", "annotations", "classes", "issues", "error_rate", "error_rate_low", "error_rate_high")


def notify_option(command: F) -> F:
    """Where the summary goes."""
    return click.option(
        "--notify",
        metavar="URL|FILE",
        envvar=VARIABLE,
        callback=_checked,
        help=f"Also send a summary as JSON: to a webhook (POST) or into a file. Addresses that are secrets go into "
        f"the variable {VARIABLE}.",
    )(command)


def audit_summary(audit: Audit) -> dict[str, Any]:
    """What ``audit --notify`` sends: the headline figures and what they are of. No label, item, path or login."""
    data = audit.manifest["data"]
    return {
        "event": "audit",
        "created_at": audit.manifest["created_at"],
        "server": without_logins(data["server_url"]),
        "project_id": data["project_id"],
        "project_title": data["project_title"],
        "fingerprint": data["fingerprint"],
        **{name: audit.summary[name] for name in FIGURES},
    }


def deliver(summary: dict[str, Any], target: str) -> None:
    """Send *summary* to *target*: POST to an address, else written beside a file and renamed.

    Raises PartialDeliveryError where it does not arrive. The message names the address's host alone, as the rest of a
    webhook's address is often its key.
    """
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    if _is_address(target):
        _post(text, target)
    else:
        _write(text, Path(target))


def _post(text: str, address: str) -> None:
    import httpx

    from ntk_labelqa.labelstudio.answers import BoundedClient

    host = urlsplit(address).hostname
    content, headers = text.encode("utf-8", "backslashreplace"), {"Content-Type": "application/json"}
    try:
        with BoundedClient(head_seconds=TIMEOUT, body_seconds=TIMEOUT, timeout=TIMEOUT) as http:
            answer = http.post(address, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PartialDeliveryError(
            f"The summary could not be sent to {host}: {type(error).__name__}.",
            why="The webhook does not answer, or its address is wrong.",
            remedy="Check --notify. The result itself is complete.",
        ) from error
    if not answer.is_success:
        raise PartialDeliveryError(
            f"The summary could not be sent: {host} answered {answer.status_code}.",
            remedy="Check --notify against what the webhook expects. The result itself is complete.",
        )


def _write(text: str, path: Path) -> None:
    from ntk_labelqa.files import write_whole

    try:
        write_whole(real_place(path), text.encode("utf-8", "backslashreplace") + b"\n")
    except LabelQAError as error:
        raise PartialDeliveryError(
            f"The summary did not arrive. {error.what}",
            remedy="Name a file in a folder you may write to with --notify. The result itself is complete.",
        ) from error


def _checked(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse early what could never be delivered to: the audit may take long."""
    if not value:
        return None
    if _is_address(value) and not urlsplit(value).hostname:
        raise UsageError("The address given with --notify names no host.", remedy="Begin it with https://HOST/.")
    if not _is_address(value) and "://" in value:
        raise UsageError("--notify takes http:// and https:// addresses, and files.")
    if value == "-":
        raise UsageError("--notify does not take standard output.", remedy="Name a file; `gate --format json` prints.")
    if not _is_address(value) and Path(value).is_dir():
        raise UsageError(f"{value}, given with --notify, is a folder.", remedy="Name a file in it.")
    return value


def _is_address(target: str) -> bool:
    return target.lower().startswith(("http://", "https://"))
