"""The journal: whole lines only, whatever killed the writer, and one writer at a time."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from ntk_labelqa import files
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from ntk_labelqa.labelstudio.corrections.journal import journal_path, open_journal, read_journal


def test_it_lies_beside_the_audit_and_not_in_it(tmp_path) -> None:
    assert journal_path(tmp_path / "audit") == tmp_path / "audit.corrections.jsonl"


def test_the_last_entry_of_each_finding_counts(tmp_path) -> None:
    path = tmp_path / "journal"
    with open_journal(path) as journal:
        journal.add("intended", key="a", task=1)
        journal.add("written", key="a", correction=5)
        journal.add("intended", key="ü", task=2)
    last = read_journal(path)
    assert {key: entry["event"] for key, entry in last.items()} == {"a": "written", "ü": "intended"}
    with open_journal(path) as journal:
        assert journal.last == last


def test_half_a_line_is_cut_off_and_written_over(tmp_path) -> None:
    path = tmp_path / "journal"
    with open_journal(path) as journal:
        journal.add("intended", key="a")
    with path.open("ab") as file:
        file.write(b'{"event": "written", "key": "a", "corr')
    assert read_journal(path)["a"]["event"] == "intended"
    with open_journal(path) as journal:
        assert journal.last["a"]["event"] == "intended"
        journal.add("written", key="a")
    assert len(path.read_text().splitlines()) == 2
    assert read_journal(path)["a"]["event"] == "written"


def test_a_damaged_journal_is_not_guessed_at(tmp_path) -> None:
    path = tmp_path / "journal"
    path.write_text('{"event": "written"\n')
    with pytest.raises(InvalidInputError, match="damaged"):
        read_journal(path)


def test_one_at_a_time(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "OTHERS_SECONDS", 0.0)
    path = tmp_path / "journal"
    with open_journal(path), pytest.raises(LabelQAError, match="already"), open_journal(path):
        pass


def test_who_comes_second_waits_says_so_and_sees_what_the_first_has_written(tmp_path) -> None:
    path, said = tmp_path / "journal", []
    first = ExitStack()
    journal = first.enter_context(open_journal(path))

    def end(waiting: str) -> None:
        said.append(waiting)
        journal.add("intended", key="a")
        first.close()

    with open_journal(path, end) as second:
        assert list(second.last) == ["a"]
    assert said == [f"Waiting for another command that writes {path} to end."]


def test_no_journal_is_an_empty_one(tmp_path) -> None:
    assert read_journal(tmp_path / "journal") == {}
