"""Every writer: on a full disk it says so in words and leaves what was there, and no planted name misleads it."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ntk_labelqa.audit_folder import Audit, export_csv, mark_stale
from ntk_labelqa.audit_lock import only_audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.cli.notify import deliver
from ntk_labelqa.dataset import Control, LabeledDataset, Provenance
from ntk_labelqa.encoders.precomputed import write_features
from ntk_labelqa.encoders.store import EmbeddingStore
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.factor_cache import FactorCache
from ntk_labelqa.gram.file import gram_file
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.label_types.crop import Crops
from ntk_labelqa.labelstudio.corrections.clean_export import write_export
from ntk_labelqa.labelstudio.corrections.journal import open_journal
from ntk_labelqa.labelstudio.media.cache import MediaCache
from ntk_labelqa.labelstudio.media.regions import cut_regions
from ntk_labelqa.labelstudio.reading import incremental
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review.decisions import save_decisions
from ntk_labelqa.report.html import write_report
from tests.disks import full_disk
from tests.gate.audits import audit_of
from tests.report.audits import random_audit

AUDIT = audit_of(wrong=5)
ROWS = np.random.default_rng(0).normal(size=(60, 4))


class Failed(LabelQAError):
    """A command that ended with exit code 3."""


def command(*arguments: str) -> None:
    """Run a command line in this process; what it prints goes to no file."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = run(list(arguments))
    if code:
        assert code == 3
        raise Failed("exit code 3")


def journal(folder: Path) -> None:
    with open_journal(folder / "journal") as opened:
        opened.add("intended", key="a" * 100)


def push(folder: Path) -> None:
    with delivery.only_push(None, 3):  # type: ignore[arg-type]  # its address is stood in for
        pass


def locked(folder: Path) -> None:
    with only_audit(folder / "audit"):
        pass


def embeddings(folder: Path) -> None:
    with EmbeddingStore(folder / "embeddings.sqlite") as store:
        store.put("model", ["content"], [np.ones(100)])


def factors(folder: Path) -> None:
    labels = np.eye(2)[(ROWS[:, 0] > 0).astype(int)]
    invert(ROWS, labels, architecture="linear", landmarks="all", cache=FactorCache(folder))


def last_pull(folder: Path) -> None:
    incremental._write(folder / "pull.json.gz", incremental.LastPull(datetime.now(UTC), {1: {"id": 1}}, 0))


def regions(folder: Path) -> None:
    items = pd.DataFrame({"task_id": [4], "value": [Box(0, 0, 50, 50).value("a.png")], "region_id": ["a"]})
    table = pd.DataFrame({"annotation_id": [9], "item": [0], "label": 0, "region_id": ["a"]})
    control = Control("c", "i", "RectangleLabels")
    image = next(at / "a.png" for at in folder.parents if (at / "a.png").exists())
    items = items.assign(path=str(image))
    cut_regions(LabeledDataset(items, table, ("x",), "crop", Provenance("test"), control), Crops(), folder)


def table(folder: Path) -> None:
    save_decisions(AUDIT.findings, folder)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "audit": lambda folder: AUDIT.save(folder / "audit", overwrite=True, report="page"),
    "stale note": lambda folder: mark_stale(folder, "2026-01-01T00:00:00+00:00"),
    "tables as CSV": lambda folder: export_csv(AUDIT, folder),
    "report": lambda folder: write_report(random_audit(60, 3), folder / "report.html"),
    "decisions": table,
    "export": lambda folder: write_export([{"id": 1}], folder / "export.json"),
    "packed export": lambda folder: write_export([{"id": 1}], folder / "export.json.gz"),
    "summary": lambda folder: deliver({"event": "audit"}, str(folder / "summary.json")),
    "features": lambda folder: write_features(folder / "features.npz", np.arange(60), ROWS),
    "features as parquet": lambda folder: write_features(folder / "features.parquet", np.arange(60), ROWS),
    "policy": lambda folder: command("init", str(folder / "labelqa.toml")),
    "trend": lambda folder: command("history", str(folder.parent / "earlier"), "--out", str(folder / "trend.html")),
    "Gram matrix": lambda folder: gram_file(folder / "gram.npy", ROWS, architecture="linear"),
    "journal": journal,
    "mark of a push": push,
    "lock of an audit": locked,
    "media": lambda folder: MediaCache(folder).store("https://example.org/a.png", b"content"),
    "regions": regions,
    "embeddings": embeddings,
    "factors": factors,
    "last pull": last_pull,
}
COST_TIME_ALONE = ("factors", "last pull")
"""Caches without which the next run takes longer, and nothing else."""
KEPT_OPEN = ("journal", "mark of a push", "embeddings", "lock of an audit")
"""Files that are written to in place, and lie there empty where nothing could be."""
PRIVATE = ("journal", "mark of a push", "media", "regions", "embeddings", "factors", "last pull", "audit")
"""What nobody asked for by name, or what holds texts and e-mail addresses."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the writers write; what some of them read lies beside it."""
    made = tmp_path / "here"
    made.mkdir()
    AUDIT.save(tmp_path / "earlier")
    Image.new("L", (20, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(delivery, "cache_root", lambda: made)
    monkeypatch.setattr(delivery, "server_url", lambda _client: "http://localhost")
    return made


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_said_in_words(folder: Path, name: str) -> None:
    if name in COST_TIME_ALONE:
        with full_disk():
            WRITERS[name](folder)
    else:
        with full_disk(), pytest.raises(LabelQAError) as raised:
            WRITERS[name](folder)
        assert raised.value.exit_code in (3, 4)
        assert "None" not in str(raised.value)
    left = {file: content for file, content in files_in(folder).items() if content or name not in KEPT_OPEN}
    assert left == {}
    WRITERS[name](folder)


@pytest.mark.parametrize("name", ["audit", "decisions", "export", "report", "summary", "features", "stale note"])
def test_a_full_disk_leaves_what_was_there(folder: Path, name: str) -> None:
    WRITERS[name](folder)
    before = files_in(folder)
    with full_disk(), pytest.raises(LabelQAError):
        WRITERS[name](folder)
    assert files_in(folder) == before


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in COST_TIME_ALONE])
def test_a_file_where_a_folder_should_be_is_said_in_words(folder: Path, monkeypatch, name: str) -> None:
    (folder / "file").touch()
    monkeypatch.setattr(delivery, "cache_root", lambda: folder / "file")
    with pytest.raises(LabelQAError):
        WRITERS[name](folder / "file")
    assert os.listdir(folder) == ["file"]


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_through_a_name_that_was_planted(folder: Path, name: str) -> None:
    WRITERS[name](folder)
    written = [path for path in folder.rglob("*") if path.is_file()] or [folder / "audit", folder / ".audit.lock"]
    victim = folder.parent / "victim"
    victim.write_text("keep")
    for path in (*written, folder / "audit"):
        if path.is_file() and name in ("media", "regions", "policy", "Gram matrix"):  # what is there stays as it is
            path.unlink()
        by_process = (f".{path.name}.partial-{os.getpid()}", f".{path.name}.{os.getpid()}{path.suffix}")
        for beside in (*by_process, f"{path.name}.new", f"{path.name}.part", ".audit.lock"):
            if not os.path.lexists(path.with_name(beside)):
                path.with_name(beside).symlink_to(victim)
    with suppress(LabelQAError) if name == "lock of an audit" else nullcontext():
        WRITERS[name](folder)
    assert victim.read_text() == "keep"


@pytest.mark.parametrize("name", PRIVATE)
def test_what_holds_texts_and_addresses_is_for_this_user_alone(folder: Path, name: str) -> None:
    before = os.umask(0)
    try:
        WRITERS[name](folder)
    finally:
        os.umask(before)
    made = [path for path in folder.iterdir() if path.name != "looked-for-room"]
    assert made
    for path in made:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_an_audit_that_was_opened_to_others_stays_open(folder: Path) -> None:
    saved = AUDIT.save(folder / "audit")
    saved.chmod(0o755)
    AUDIT.save(saved, overwrite=True)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o755
    assert Audit.load(saved).summary == json.loads((saved / "audit.json").read_text())["summary"]
