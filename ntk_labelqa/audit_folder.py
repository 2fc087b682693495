"""The result of an audit, in memory and as a folder that other tools read.

``audit.json`` is the manifest; every table of :data:`ntk_labelqa.findings.SCHEMAS` is a parquet file beside it;
``items.parquet`` holds what a person needs to see of each item (its task, its value, a thumbnail where one was made),
``annotations.parquet`` when each annotation had last been saved. Further files may join them later:
``decisions.parquet`` and ``warning_decisions.parquet``, what reviewers decided on findings and on class warnings, and
``stale.json``, that labels have changed since. Another audit into the same folder does away with them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.audit_shape import check_table, fault_of_manifest
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from ntk_labelqa.files import clear_leftovers, in_words, whole_file, whole_folder, write_whole
from ntk_labelqa.parquet import read_parquet, write_parquet
from ntk_labelqa.paths import nearest_there, real_place
from ntk_labelqa.shown import make_well_formed, well_formed, without_logins

FORMAT = 1
MANIFEST = "audit.json"
REPORT = "report.html"
DECISIONS, WARNING_DECISIONS = "decisions.parquet", "warning_decisions.parquet"
STALE = "stale.json"
ITEM_COLUMNS = ("task_id", "value", "thumbnail")
LATER_ITEM_COLUMNS = ("region_id", "content")
"""Columns that audits of earlier versions lack."""
ANNOTATION_COLUMNS = ("annotation_id", "updated_at")
_BESIDE: dict[str, dict[str, str]] = {
    "items": {"task_id": "int64", "value": "str", "thumbnail": "object", "region_id": "str", "content": "str"},
    "annotations": {"annotation_id": "int64", "updated_at": "str", "region_id": "str", "item_region_id": "str"},
    "decisions": {
        **dict.fromkeys(("review_task", "task_id", "annotation_id"), "int64"),
        **dict.fromkeys(("review_key", "given_label", "decision", "final_label", "region_id", "kind"), "str"),
        **dict.fromkeys(("error_probability", "model_probability"), "float64"),
    },
    "warning_decisions": {"class_a": "str", "class_b": "str", "decision": "str", "overlap": "float64"},
}
"""Columns that are read of the tables that :data:`ntk_labelqa.findings.SCHEMAS` does not have."""
_LATER_TABLES = (*findings.LATER_TABLES, "annotations")
_LATER_COLUMNS = {
    "items": LATER_ITEM_COLUMNS,
    "annotations": ("region_id", "item_region_id"),
    "decisions": ("review_task", "task_id", "review_key", "final_label", "region_id", "kind", "model_probability"),
    "warning_decisions": ("overlap",),
}
_NULLABLE = (("items", "thumbnail"), ("decisions", "final_label"), ("decisions", "model_probability"))
READINGS = 5
"""How often an audit is read that is replaced meanwhile."""


@dataclass(frozen=True)
class Audit:
    """A manifest and tables; see :mod:`ntk_labelqa.findings` for what each column means.

    Attributes:
        manifest: what ``audit.json`` holds: versions, options, seed, device, the data and its fingerprint, timings and
            the headline figures under ``summary``.
        items: ``task_id``, ``value`` (image address or text), ``thumbnail`` (PNG bytes or null), one row an item;
            ``content``: hash of what the item shows, equal for exact copies, empty if unknown.
        annotations: ``annotation_id`` and ``updated_at`` (ISO 8601, empty if unknown), one row an annotation: tells
            later whether somebody has saved it again since.
        decisions: what reviewers decided, see :mod:`ntk_labelqa.labelstudio.review.decisions`; None if nobody asked
            them.
        warning_decisions: the same of class warnings, see :mod:`ntk_labelqa.labelstudio.review.warning_decisions`.
        stale: since when labels are known to differ from those audited, ISO 8601; empty if nothing is known.
    """

    manifest: dict[str, Any]
    findings: pd.DataFrame
    influences: pd.DataFrame
    classes: pd.DataFrame
    entanglement: pd.DataFrame
    schemes: pd.DataFrame
    items: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ITEM_COLUMNS)))
    annotators: pd.DataFrame = field(default_factory=lambda: findings.empty("annotators"))
    consensus: pd.DataFrame = field(default_factory=lambda: findings.empty("consensus"))
    region_faults: pd.DataFrame = field(default_factory=lambda: findings.empty("region_faults"))
    agreement: pd.DataFrame = field(default_factory=lambda: findings.empty("agreement"))
    region_issues: pd.DataFrame = field(default_factory=lambda: findings.empty("region_issues"))
    annotations: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ANNOTATION_COLUMNS)))
    decisions: pd.DataFrame | None = None
    warning_decisions: pd.DataFrame | None = None
    stale: str = ""

    @property
    def summary(self) -> dict[str, Any]:
        """The headline figures."""
        return self.manifest["summary"]

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False, report: str | None = None) -> Path:
        """Write the audit folder and return its path; it appears whole or not at all.

        It holds texts and e-mail addresses: a new folder can be read by this user alone. One that is replaced keeps its
        mode and group, so that who opens it to others does so once.

        Args:
            folder: where to; of a link, where it leads, also if nothing is there yet.
            overwrite: replace an audit that is already there.
            report: the HTML page that goes along as ``report.html``; see :mod:`ntk_labelqa.report`.

        Raises LabelQAError if the folder already holds something (an audit gives way only to ``overwrite``), or cannot
        be written.
        """
        check_target(Path(folder), overwrite=overwrite)
        target = real_place(folder)
        with whole_folder(target, last=MANIFEST) as beside:
            self._write(beside, report)
            # What changed while this audit was made is news to it too, though it was noted beside the one before.
            if changed := _changed_meanwhile(target, self.manifest):
                mark_stale(beside, changed)
        return Path(folder)

    def _write(self, folder: Path, report: str | None) -> None:
        for name in findings.SCHEMAS:
            write_parquet(findings.conform(name, getattr(self, name)), folder / f"{name}.parquet")
        later = [name for name in LATER_ITEM_COLUMNS if name in self.items]
        write_parquet(self.items[[*ITEM_COLUMNS, *later]], folder / "items.parquet")
        write_parquet(self.annotations[list(ANNOTATION_COLUMNS)], folder / "annotations.parquet")
        text = json.dumps(self.manifest, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        if report is not None:
            (folder / REPORT).write_text(report, encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Audit:
        """Read an audit folder, all of one audit: another run may be replacing it.

        Raises InvalidInputError where it is none, is damaged, or is of a newer format.
        """
        source = Path(folder)
        for _ in range(READINGS - 1):
            before = _edition(source)
            try:
                audit = cls._read(source)
            except InvalidInputError:
                if before == _edition(source):
                    raise
            else:
                if before == _edition(source):
                    return audit
        return cls._read(source)

    @classmethod
    def _read(cls, source: Path) -> Audit:
        manifest = read_manifest(source)
        tables = {
            name: read_table(source, name)
            for name in (*findings.SCHEMAS, "items", "annotations")
            if name not in _LATER_TABLES or (source / f"{name}.parquet").exists()
        }
        decided = {
            name.removesuffix(".parquet"): read_table(source, name.removesuffix(".parquet"))
            for name in (DECISIONS, WARNING_DECISIONS)
            if (source / name).exists()
        }
        return cls(manifest, stale=stale_since(source), **decided, **tables)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The table *name* of an audit folder. Raises InvalidInputError where it is missing, damaged, or of odd values."""
    try:
        table = read_parquet(folder / f"{name}.parquet")
    except Exception as error:  # Arrow and pandas let whatever damaged files cause through
        raise InvalidInputError(
            f"The audit in {folder} cannot be read: {next(iter(str(error).splitlines()), type(error).__name__)}",
            why="A file of it is missing or damaged.",
            remedy=findings.REMEDY,
        ) from error
    schema = {**findings.SCHEMAS, **_BESIDE}[name]
    check_table(
        name,
        table,
        {column: "bytes" if kind == "object" else kind for column, kind in schema.items()},
        optional={*findings.LATER.get(name, {}), *_LATER_COLUMNS.get(name, ())},
        nullable={column for of, column in (*findings.NULLABLE, *_NULLABLE) if of == name},
        shares=findings.SHARES,
        words=findings.WORDS.get(name),
    )
    return findings.conform(name, table) if name in findings.SCHEMAS else table


def _edition(folder: Path) -> tuple[int, int, int] | None:
    """What distinguishes the audit in *folder* from those before and after it; None where there is none."""
    try:
        manifest = (folder / MANIFEST).stat()
    except OSError:
        return None
    return manifest.st_dev, manifest.st_ino, manifest.st_mtime_ns


def mark_stale(folder: Path, at: str) -> None:
    """Note beside the audit in *folder* that labels changed *at* (ISO 8601, UTC): the first such time and the last.

    Raises NotWrittenError where it cannot be written.
    """
    since = stale_since(folder) or at
    write_whole(folder / STALE, json.dumps({"since": since, "last": at}) + "\n")


def stale_since(folder: Path) -> str:
    """Since when labels differ from those that were audited; empty if nothing is known of it."""
    try:
        return well_formed(str(json.loads((folder / STALE).read_text(encoding="utf-8"))["since"]))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "an unknown time"  # a note that cannot be read is still a note


def _changed_meanwhile(folder: Path, manifest: dict[str, Any]) -> str:
    """When labels last changed, if after the audit of *manifest* had begun to read them; else empty."""
    if not stale_since(folder):
        return ""
    try:
        last = str(json.loads((folder / STALE).read_text(encoding="utf-8"))["last"])
        return last if datetime.fromisoformat(last) >= datetime.fromisoformat(manifest["began_at"]) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # nothing is known of when, and the audit that replaces this one is the newer


def read_manifest(folder: Path) -> dict[str, Any]:
    """``audit.json`` of an audit folder; raises InvalidInputError where there is none that this version can read."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInputError(
            f"{folder} is not an audit folder: it has no {MANIFEST}.",
            remedy="Name a folder that `ntk-labelqa audit --out` has written.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"{folder / MANIFEST} cannot be read: {error}", remedy=findings.REMEDY) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InvalidInputError(
            f"{folder} holds an audit of another format than {FORMAT}.",
            why="It was written by another version of ntk-labelqa.",
            remedy="Run the audit again, or use the version that wrote it.",
        )
    make_well_formed(manifest)
    if fault := fault_of_manifest(manifest):
        raise InvalidInputError(
            f"{folder / MANIFEST} has what no audit has: {fault}.",
            why="The file is damaged, or was written by another program.",
            remedy=findings.REMEDY,
        )
    return _without_logins_of_servers(manifest)


def _without_logins_of_servers(manifest: dict[str, Any]) -> dict[str, Any]:
    """*manifest* as it is written today: early versions took addresses with a login in them."""
    data = manifest.get("data")
    if not isinstance(data, dict):
        return manifest
    addresses = {key: without_logins(data[key]) for key in ("source", "server_url") if isinstance(data.get(key), str)}
    return {**manifest, "data": {**data, **addresses}}


def check_target(folder: Path, *, overwrite: bool) -> None:
    """Raise LabelQAError if an audit could not be saved at *folder*: called early, so that no long run is in vain."""
    target = real_place(folder)
    clear_leftovers(target, last=MANIFEST)
    try:
        taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
        is_audit = taken and (target / MANIFEST).is_file()
    except OSError as error:
        raise LabelQAError(
            f"{folder} cannot be looked into: {error.strerror}.", remedy="Name a folder you may write to."
        ) from error
    if taken and not is_audit:
        raise LabelQAError(f"{folder} exists and is not an audit folder.", remedy="Name a new folder, or an empty one.")
    if is_audit and not overwrite:
        raise LabelQAError(
            f"{folder} already holds an audit.", remedy="Pass --overwrite to replace it, or name another folder."
        )
    parent = nearest_there(target)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise LabelQAError(f"{parent} cannot be written to.", remedy="Name a folder you may write to.")


def export_csv(audit: Audit, folder: Path) -> list[Path]:
    """Write each table of *audit* that has a row as a CSV file (UTF-8) into *folder*; pictures are left out.

    Files of earlier exports are replaced; nothing else there is touched. Raises LabelQAError where that cannot be.
    """
    tables = {name: getattr(audit, name) for name in findings.SCHEMAS}
    written = []
    with in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if table.empty:
            continue
        target = folder / f"{name}.csv"
        with whole_file(target) as stream:
            table.drop(columns="picture", errors="ignore").to_csv(stream, index=False)
        written.append(target)
    return written
