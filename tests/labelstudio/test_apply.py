"""Writing corrections to a server that fails, answers late, or has changed a moment ago."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from label_studio_sdk.core.api_error import ApiError

from ntk_labelqa.labelstudio.corrections.apply import Applied, apply_corrections
from ntk_labelqa.labelstudio.corrections.journal import open_journal
from ntk_labelqa.labelstudio.corrections.plan import Plan, plan_corrections
from tests.labelstudio.reviews import OURS, PROJECT, SAVED, answer, review_task, said, table_of
from tests.labelstudio.samples import CONFIG, annotation, choice, task
from tests.labelstudio.test_correction_plan import CONTROL

SOURCES = range(101, 107)
REVIEWED = [review_task(source, said(source, 4, answer("accept"))) for source in SOURCES]


class Answer(dict):
    """What the SDK answers: a record that gives itself as a dict."""

    def dict(self) -> dict[str, Any]:
        return dict(self)


class Server:
    """The annotations of a server, which takes each ``unique_id`` once; *fails* says how it answers a write."""

    def __init__(self, fails=lambda _: None) -> None:
        self.annotations = self
        self._client_wrapper = SimpleNamespace(get_base_url=lambda: "http://server")
        self.rows = [
            annotation(source, choice("sport"), updated_at=SAVED) | {"task": source - 100} for source in SOURCES
        ]
        self.fails = fails

    def get(self, id: int) -> Answer:
        found = [row for row in self.rows if row["id"] == id]
        if not found:
            detail = "No Annotation matches the given query."
            raise ApiError(status_code=404, body={"status_code": 404, "version": "1.23.2", "detail": detail})
        return Answer(found[0] | {"updated_at": datetime.fromisoformat(found[0]["updated_at"])})

    def list(self, id: int) -> list[Answer]:
        return [Answer(row) for row in self.rows if row["task"] == id]

    def create(self, id: int, *, request_options, **fields) -> Answer:
        assert request_options == {"max_retries": 0}
        if any(row.get("unique_id") == fields["unique_id"] for row in self.rows):
            raise ApiError(status_code=409, body={"detail": "already exists"})
        error = self.fails(fields["parent_annotation"])
        if error is None or isinstance(error, httpx.ReadTimeout):
            now = datetime.now(UTC)
            self.rows.append({"id": 900 + len(self.rows), "task": id, "completed_by": 1, "updated_at": now, **fields})
        if error:
            raise error
        return Answer(self.rows[-1])

    def plan(self, journal) -> Plan:
        tasks = [task(i - 100, *(row for row in self.rows if row["task"] == i - 100), project=PROJECT) for i in SOURCES]
        table = table_of(REVIEWED)
        return plan_corrections(
            table, tasks, CONFIG, project=PROJECT, control=CONTROL, journal=journal.last, authors=OURS
        )

    def corrections(self) -> list[int]:
        return [row["parent_annotation"] for row in self.rows if row.get("parent_annotation")]


def apply(server: Server, path) -> tuple[Applied, dict]:
    with open_journal(path) as journal:
        return apply_corrections(server, server.plan(journal), journal), journal.last


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.corrections.jsonl"


def test_all_is_written_and_noted(path) -> None:
    server = Server()
    applied, noted = apply(server, path)
    assert (applied.written, applied.there, applied.conflicts, applied.failed) == (6, 0, [], [])
    assert server.corrections() == list(SOURCES)
    assert [entry["annotation"] for entry in noted.values() if entry["event"] == "written"] == list(SOURCES)
    again, _ = apply(server, path)
    assert (again.written, again.there) == (0, 6)


def test_a_server_in_trouble_is_left_alone_after_three_failures(path) -> None:
    server = Server(fails=lambda source: httpx.ConnectError("down") if source > 102 else None)
    applied, _ = apply(server, path)
    assert (applied.written, len(applied.failed), applied.left) == (2, 3, 1)
    server.fails = lambda _: None
    again, _ = apply(server, path)
    assert (again.written, again.there, again.left) == (4, 2, 0)
    assert sorted(server.corrections()) == list(SOURCES)


def test_one_failure_does_not_stop_the_others(path) -> None:
    applied, _ = apply(Server(fails=lambda s: ApiError(status_code=500, body="") if s == 103 else None), path)
    assert (applied.written, len(applied.failed), applied.left) == (5, 1, 0)


def test_a_write_whose_answer_was_lost_is_found_again(path) -> None:
    server = Server(fails=lambda source: httpx.ReadTimeout("late") if source == 103 else None)
    applied, noted = apply(server, path)
    assert (applied.written, len(applied.failed)) == (5, 1)
    assert [entry["event"] for entry in noted.values()].count("intended") == 1
    again, noted = apply(server, path)
    assert (again.written, again.there) == (0, 6)
    assert {entry["event"] for entry in noted.values()} == {"written"}
    assert sorted(server.corrections()) == list(SOURCES)


def test_a_write_that_arrives_while_we_look_is_not_done_twice(path) -> None:
    server = Server()
    with open_journal(path) as journal:
        plan = server.plan(journal)
        apply_corrections(server, plan, journal)
        applied = apply_corrections(server, plan, journal)
    assert (applied.written, applied.there, applied.failed) == (0, 6, [])
    assert server.corrections() == list(SOURCES)


def test_what_changes_between_the_look_and_the_write_is_a_conflict(path) -> None:
    server = Server()
    with open_journal(path) as journal:
        plan = server.plan(journal)
        server.rows[0]["updated_at"] = "2025-05-03T00:00:00Z"
        server.rows[1]["result"] = [choice("cars")]
        del server.rows[2]
        applied = apply_corrections(server, plan, journal)
        assert len(journal.last) == 3
    assert [conflict.correction.annotation for conflict in applied.conflicts] == [101, 102, 103]
    assert applied.written == 3
