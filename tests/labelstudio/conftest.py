"""A Label Studio in memory with four labels, all of them doubted by an audit, and the commands run against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from label_studio_sdk.client import LabelStudio

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.labelstudio import connect
from ntk_labelqa.labelstudio.review import delivery
from tests.labelstudio.studio import COLLEAGUE, Studio, connected
from tests.live.topics import doubting_audit


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of pushes stay out of the user's cache, and nobody waits."""
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path / "cache")
    monkeypatch.setattr(delivery, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def studio() -> Studio:
    return Studio(labels=4)


@pytest.fixture
def client(studio: Studio) -> Iterator[LabelStudio]:
    with connected(studio) as client:
        yield client


@pytest.fixture
def colleague(studio: Studio) -> Iterator[LabelStudio]:
    with connected(studio, COLLEAGUE) as client:
        yield client


@pytest.fixture
def audit(client: LabelStudio, studio: Studio) -> Audit:
    return doubting_audit(client, studio.source)


@pytest.fixture
def folder(audit: Audit, tmp_path: Path) -> Path:
    return audit.save(tmp_path / "audit")


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(client: LabelStudio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command with the owner's key: (exit code, standard output, standard error)."""
    monkeypatch.setattr(connect, "connect_from_environment", lambda: client)
    monkeypatch.setenv("COLUMNS", "400")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call
