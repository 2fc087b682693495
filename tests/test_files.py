"""Files and folders: whole or not there, under names that nobody can plant, for the right eyes alone."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ntk_labelqa import files
from ntk_labelqa.files import (
    NotWrittenError,
    clear_leftovers,
    clear_leftovers_in,
    open_locked,
    private_folder,
    whole_file,
    whole_folder,
    write_whole,
)
from tests.disks import full_disk

LAST = "manifest"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def umask():
    """Sets the process's umask for one test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def write_folder(target: Path, content: str) -> None:
    with whole_folder(target, last=LAST) as folder:
        (folder / "table").write_text(content)
        (folder / LAST).write_text(content)


def killed(program: str, *arguments: object) -> None:
    """Run *program* until it says that it is at work, and kill it."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGKILL)


WRITING_A_FILE = """
import sys, time
from pathlib import Path
from ntk_labelqa.files import whole_file
with whole_file(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    print("at work", flush=True)
    time.sleep(60)
"""
WRITING_A_FOLDER = """
import os, sys, time
from pathlib import Path
from ntk_labelqa.files import whole_folder
os.chdir(sys.argv[2])
rename = Path.rename
def stop_after(self, target):
    moved = rename(self, target)
    if sys.argv[3] in str(target):
        print("at work", flush=True)
        time.sleep(60)
    return moved
Path.rename = stop_after
with whole_folder(Path(sys.argv[1]), last="manifest") as folder:
    (folder / "table").write_text("new")
    (folder / "manifest").write_text("new")
    if not sys.argv[3]:
        print("at work", flush=True)
        time.sleep(60)
"""


def test_a_name_that_was_planted_is_not_written_through(tmp_path, monkeypatch) -> None:
    (tmp_path / "theirs").write_text("keep")
    names = iter(["guessed", "free"])
    monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: names)
    (tmp_path / ".report.partial-guessed").symlink_to(tmp_path / "theirs")
    write_whole(tmp_path / "report", "new")
    assert (tmp_path / "theirs").read_text() == "keep"
    assert (tmp_path / "report").read_text() == "new"


def test_names_differ_from_write_to_write_and_do_not_tell_the_process(tmp_path) -> None:
    seen = set()
    for _ in range(5):
        with whole_file(tmp_path / "report"):
            seen |= {name for name in os.listdir(tmp_path) if "partial" in name}
    assert len(seen) == 5
    assert not any(name.endswith(str(os.getpid())) for name in seen)


def test_a_link_in_the_place_is_replaced_and_not_followed(tmp_path) -> None:
    (tmp_path / "theirs").write_text("keep")
    (tmp_path / "report").symlink_to("theirs")
    write_whole(tmp_path / "report", "new")
    assert not (tmp_path / "report").is_symlink()
    assert (tmp_path / "theirs").read_text() == "keep"


@pytest.mark.parametrize(("mask", "private", "expected"), [(0o022, False, 0o644), (0o027, False, 0o640)])
def test_a_new_file_has_the_mode_that_the_user_wants(tmp_path, umask, mask: int, private: bool, expected: int) -> None:
    umask(mask)
    write_whole(tmp_path / "report", "new")
    assert mode(tmp_path / "report") == expected
    assert os.umask(mask) == mask, "the process's own mask stays"


def test_what_is_private_is_private_and_so_is_what_is_not_whole_yet(tmp_path, umask) -> None:
    umask(0)
    with whole_file(tmp_path / "open"):
        [beside] = tmp_path.iterdir()
        assert mode(beside) == 0o600
    (tmp_path / "closed").write_text("")
    write_whole(tmp_path / "closed", "new", private=True)
    assert mode(tmp_path / "closed") == 0o600
    assert mode(private_folder(tmp_path / "a" / "b")) == mode(tmp_path / "a") == 0o700
    with open_locked(tmp_path / "lock"):
        assert mode(tmp_path / "lock") == 0o600


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o666])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, kept: int) -> None:
    (tmp_path / "report").touch()
    (tmp_path / "report").chmod(kept)
    write_whole(tmp_path / "report", "new")
    assert mode(tmp_path / "report") == kept


def test_a_new_folder_is_private_and_one_that_is_replaced_keeps_its_mode(tmp_path, umask) -> None:
    umask(0)
    write_folder(tmp_path / "audit", "old")
    assert mode(tmp_path / "audit") == 0o700
    (tmp_path / "audit").chmod(0o2750)
    write_folder(tmp_path / "audit", "new")
    assert mode(tmp_path / "audit") == 0o2750
    assert (tmp_path / "audit" / "table").read_text() == "new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), SystemExit(143)])
def test_what_fails_changes_nothing(tmp_path, error: BaseException) -> None:
    (tmp_path / "report").write_text("old")
    write_folder(tmp_path / "audit", "old")
    expected = NotWrittenError if isinstance(error, OSError) else type(error)

    def half_a_file() -> None:
        with whole_file(tmp_path / "report") as stream:
            stream.write(b"new")
            raise error

    def half_a_folder() -> None:
        with whole_folder(tmp_path / "audit", last=LAST) as folder:
            (folder / "table").write_text("new")
            raise error

    for write in (half_a_file, half_a_folder):
        with pytest.raises(expected):
            write()
    assert (tmp_path / "report").read_text() == "old"
    assert (tmp_path / "audit" / "table").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["audit", "report"]


def test_a_folder_that_cannot_be_put_in_its_place_brings_the_old_one_back(tmp_path, monkeypatch) -> None:
    write_folder(tmp_path / "audit", "old")
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if Path(target) == tmp_path / "audit" and "partial" in self.name:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(NotWrittenError, match="Input/output error"):
        write_folder(tmp_path / "audit", "new")
    assert (tmp_path / "audit" / "table").read_text() == "old"
    assert os.listdir(tmp_path) == ["audit"]


def test_a_full_disk_is_said_in_words(tmp_path) -> None:
    (tmp_path / "report").write_text("old")
    with full_disk(), pytest.raises(NotWrittenError, match="report could not be written: File too large") as raised:
        write_whole(tmp_path / "report", b"x" * 100_000)
    assert raised.value.exit_code == 3
    assert "free space" in str(raised.value)
    assert (tmp_path / "report").read_text() == "old"
    assert os.listdir(tmp_path) == ["report"]


@pytest.mark.parametrize("name", ["file/report", "missing/report", "n" * 300])
def test_a_place_that_cannot_be_is_said_in_words(tmp_path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotWrittenError, match="could not be written"):
        write_whole(tmp_path / name, "new")
    assert os.listdir(tmp_path) == ["file"]


def test_a_long_name_can_be_written(tmp_path) -> None:
    write_whole(tmp_path / ("ü" * 127), "new")
    assert [len(name) for name in os.listdir(tmp_path)] == [127]


def test_what_a_killed_run_left_is_cleared_before_the_work(tmp_path) -> None:
    killed(WRITING_A_FILE, tmp_path / "report")
    assert len(os.listdir(tmp_path)) == 1
    with whole_file(tmp_path / "report"):
        assert len(os.listdir(tmp_path)) == 1, "the old one is gone while the new one is written"
    assert os.listdir(tmp_path) == ["report"]


def test_what_another_process_is_writing_is_left_alone(tmp_path) -> None:
    command = [sys.executable, "-c", WRITING_A_FILE.replace("time.sleep(60)", "input()"), str(tmp_path / "report")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "at work\n"
        write_whole(tmp_path / "report", "ours")
        clear_leftovers_in(tmp_path)
        other.communicate("\n")
    assert other.returncode == 0
    assert (tmp_path / "report").read_text() == "half"
    assert os.listdir(tmp_path) == ["report"]


def test_two_processes_that_write_at_once_both_come_through(tmp_path) -> None:
    program = """
import sys
from pathlib import Path
from ntk_labelqa.files import write_whole
for _ in range(100):
    write_whole(Path(sys.argv[1]), sys.argv[2] * 10_000)
"""
    both = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "report"), letter]) for letter in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (tmp_path / "report").read_text() in ("a" * 10_000, "b" * 10_000)
    assert os.listdir(tmp_path) == ["report"]


def test_leftovers_of_others_and_links_are_left_alone(tmp_path, monkeypatch) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "photo").touch()
    (tmp_path / ".report.partial-link").symlink_to("theirs")
    os.mkfifo(tmp_path / ".report.partial-pipe")
    (tmp_path / ".report.partial-other").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    write_whole(tmp_path / "report", "new")
    assert (tmp_path / "theirs" / "photo").exists()
    assert len(os.listdir(tmp_path)) == 5


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("", "old"),
        (".audit.replaced-", "old"),  # the old one was put aside, the new one not put in its place yet
    ],
)
def test_a_killed_run_leaves_the_old_folder_or_the_new_one(tmp_path, at: str, found: str) -> None:
    write_folder(tmp_path / "audit", "old")
    killed(WRITING_A_FOLDER, tmp_path / "audit", tmp_path, at)
    clear_leftovers(tmp_path / "audit", last=LAST)
    assert (tmp_path / "audit" / "table").read_text() == found
    assert os.listdir(tmp_path) == ["audit"]


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("", "old"),
        (".audit.complete-", "new"),  # the old contents are still there, and half of them may be gone
        (".audit.moving-", "new"),
    ],
)
def test_a_killed_run_leaves_the_old_contents_or_the_new_ones(tmp_path, at: str, found: str) -> None:
    write_folder(tmp_path / "audit", "old")
    killed(WRITING_A_FOLDER, tmp_path / "audit", tmp_path / "audit", at)
    clear_leftovers(tmp_path / "audit", last=LAST)
    assert (tmp_path / "audit" / "table").read_text() == found
    assert (tmp_path / "audit" / LAST).read_text() == found
    assert sorted(os.listdir(tmp_path / "audit")) == [LAST, "table"]


def test_a_lock_is_no_way_to_write_elsewhere(tmp_path) -> None:
    (tmp_path / "theirs").write_text("keep")
    (tmp_path / "lock").symlink_to("theirs")
    with pytest.raises(OSError, match="symbolic links"):
        open_locked(tmp_path / "lock")
    assert (tmp_path / "theirs").read_text() == "keep"


def test_a_file_system_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch) -> None:
    def refused(*_: object, **__: object) -> bool:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files, "lock_descriptor", refused)
    (tmp_path / ".report.partial-12345678").touch()
    write_whole(tmp_path / "report", "new")
    assert (tmp_path / "report").read_text() == "new"
    assert (tmp_path / ".report.partial-12345678").exists(), "it could be another process's"
