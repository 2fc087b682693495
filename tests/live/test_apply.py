"""Corrections on a real server: each exactly once, nothing of anybody else touched, and all of it taken back."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pandas as pd
import pytest

from ntk_labelqa.cli.entry import run
from ntk_labelqa.labelstudio.corrections.journal import journal_path, read_journal
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review.decisions import read_decisions
from ntk_labelqa.labelstudio.review.push import push_findings
from tests.live.topics import CONFIG, answer, doubting_audit, labels_of, review, topic, topics_project, whole_project

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    """Locks of these pushes stay out of the user's cache."""
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path / "cache")


@pytest.fixture
def command(server, monkeypatch, capsys):
    """Runs ntk-labelqa against the server: (exit code, standard output, standard error)."""
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def accepted(client, tmp_path):
    """(source project, audit folder): six labels, all doubted, and every suggestion accepted."""
    source = topics_project(client, 6)
    audit = doubting_audit(client, source)
    folder = audit.save(tmp_path / "audit")
    push_findings(client, audit)
    review(client, source, dict.fromkeys(audit.findings["annotation_id"], answer("accept")))
    return source, folder


def test_what_changed_in_the_source_project_is_left_alone(client, command, accepted) -> None:
    source, folder = accepted
    tasks = take_snapshot(client, source)
    ids = [task["annotations"][0]["id"] for task in tasks]
    client.annotations.update(id=ids[0], result=[topic("cars")])
    client.annotations.update(id=ids[1], result=tasks[1]["annotations"][0]["result"])
    client.annotations.delete(id=ids[2])
    client.tasks.delete(id=str(tasks[3]["id"]))
    before = whole_project(client, source)
    code, told, _ = command("decisions", folder)
    assert code == 0
    assert "2 corrections can be written" in told
    assert whole_project(client, source) == before
    code, told, complaint = command("decisions", folder, "--apply")
    assert code == 4, complaint
    for number, why in enumerate(
        ("its label was changed to 'cars'", "saved again", "its annotation was deleted", "its task is gone")
    ):
        assert any(f"annotation {ids[number]}," in line and why in line for line in told.splitlines()), told
    after = whole_project(client, source)
    assert after[:3] == before[:3]
    assert [labels_of(task)[1:] for task in after[3:]] == [["cars"]] * 2
    assert [task["annotations"][0] for task in after[3:]] == [task["annotations"][0] for task in before[3:]]


@pytest.mark.parametrize("label", ["cars", pytest.param("sport", marks=pytest.mark.slow)])
def test_a_class_renamed_in_the_config_is_a_conflict(client, command, accepted, label) -> None:
    source, folder = accepted
    client.projects.update(id=source, label_config=CONFIG.replace(f'"{label}"', '"renamed"'))
    before = whole_project(client, source)
    code, told, _ = command("decisions", folder, "--apply")
    assert code == 4
    assert f"no longer has the label {label!r}" in told
    written = 0 if label == "cars" else 3
    assert f"{written} corrections written" in told
    assert [task["annotations"][:1] for task in whole_project(client, source)] == [t["annotations"] for t in before]


def test_undo_leaves_what_somebody_else_has_touched(client, server, command, accepted) -> None:
    source, folder = accepted
    assert command("decisions", folder, "--apply")[0] == 0
    ours = [task["annotations"][1] for task in take_snapshot(client, source)]
    client.annotations.update(id=ours[0]["id"], result=[topic("space")])
    copied = client.annotations.create(id=ours[1]["task"], result=[topic("cars")], parent_annotation=ours[1]["id"])
    drafts = f"{server.url}/api/tasks/{ours[2]['task']}/annotations/{ours[2]['id']}/drafts"
    httpx.post(
        drafts, headers={"Authorization": f"Token {server.token}"}, json={"result": [topic("sport")], "lead_time": 1}
    ).raise_for_status()
    before = whole_project(client, source)
    code, told, complaint = command("decisions", folder, "--undo")
    assert code == 4, complaint
    assert "3 corrections taken back" in told
    assert f"annotation {ours[2]['id']}: somebody is editing it" in told
    assert f"annotation {ours[0]['id']}: somebody has saved it since" in told
    assert f"annotation {ours[1]['id']}: another annotation was made from it" in told
    after = whole_project(client, source)
    assert after[:3] == before[:3]
    assert all(len(task["annotations"]) == 1 for task in after[3:])
    client.annotations.delete(id=copied.id)
    code, told, _ = command("decisions", folder, "--undo")
    assert (code, "1 correction taken back" in told) == (4, True)


@pytest.mark.slow
def test_a_correction_that_somebody_deleted_is_not_written_again(client, command, accepted) -> None:
    source, folder = accepted
    command("decisions", folder, "--apply")
    ours = take_snapshot(client, source)[0]["annotations"][1]
    client.annotations.delete(id=ours["id"])
    code, told, _ = command("decisions", folder, "--apply")
    assert code == 4
    assert "its correction was deleted in Label Studio since" in told
    assert len(take_snapshot(client, source)[0]["annotations"]) == 1
    assert command("decisions", folder, "--undo")[0] == 0
    assert command("decisions", folder, "--apply")[0] == 0
    assert [labels_of(task)[1:] for task in take_snapshot(client, source)] == [["cars"]] * 6


def test_nothing_pushed_nothing_to_read(client, command, tmp_path) -> None:
    folder = doubting_audit(client, topics_project(client, 2)).save(tmp_path / "audit")
    code, _, complaint = command("decisions", folder)
    assert code == 3
    assert "has no review project" in complaint
    assert command("decisions", folder, "--apply", "--undo")[0] == 2
    assert command("decisions", folder, "--undo")[0] == 0


KILLED = """
import os, pathlib, signal, sys
import pandas as pd
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.labelstudio.corrections import apply as apply_module
from ntk_labelqa.labelstudio.corrections import undo as undo_module
from ntk_labelqa.labelstudio.connect import connect
from ntk_labelqa.labelstudio.corrections.journal import Journal, journal_path, open_journal

url, token, folder, table, source, task, *points = sys.argv[1:]
audit, decisions = Audit.load(folder), pd.read_parquet(table)
add, create, delete = Journal.add, apply_module._create, undo_module.delete

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def note_and_die(journal, event, **fields):
    die(add(journal, event, **fields))

def write_half_a_line_and_die(journal, event, **fields):
    journal._file.write(b'{"event": "written", "key": "p')
    journal._file.flush()
    die()

def be_killed(point):
    if point == "noted":
        Journal.add = note_and_die
    if point == "half a line":
        Journal.add = write_half_a_line_and_die
    if point == "done":
        apply_module._create = lambda *a: die(create(*a))
        undo_module.delete = lambda *a: die(delete(*a))

def run():
    client = connect(url, token)
    with open_journal(journal_path(pathlib.Path(folder))) as journal:
        if task == "undo":
            return undo_module.undo_corrections(client, journal)
        plan, _ = apply_module.plan_now(client, audit, decisions, int(source), journal.last)
        return apply_module.apply_corrections(client, plan, journal)

for point in points:
    if os.fork() == 0:
        be_killed(point)
        run()
        os._exit(0)
    _, status = os.wait()
    assert status == signal.SIGKILL, (point, status)
print(run())
"""


def killed(server, folder, table, source: int, task: str, points: list[str]) -> str:
    """Apply or undo, killed at each of *points* in turn, then run to its end; what that says it did."""
    arguments = [server.url, server.token, str(folder), str(table), str(source), task, *points]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [1, 50])
def test_killed_at_every_write(client, server, tmp_path, count) -> None:
    source = topics_project(client, count)
    audit = doubting_audit(client, source)
    folder = audit.save(tmp_path / "audit")
    push_findings(client, audit)
    table = read_decisions(client, audit, source).table
    table.assign(decision="accept", final_label="cars", reviewers="somebody").to_parquet(tmp_path / "decisions")
    before = whole_project(client, source)
    # Each round of four kills lets one correction through, which the next process has to find on the server.
    points = ["noted", "half a line", "done", "half a line"] * count
    told = killed(server, folder, tmp_path / "decisions", source, "apply", points)
    after = whole_project(client, source)
    assert [labels_of(task)[1:] for task in after] == [["cars"]] * count, told
    assert [task["annotations"][0] for task in after] == [task["annotations"][0] for task in before]
    journal = read_journal(journal_path(folder))
    assert {entry["event"] for entry in journal.values()} == {"written"}
    assert sorted(entry["correction"] for entry in journal.values()) == [t["annotations"][1]["id"] for t in after]
    killed(server, folder, tmp_path / "decisions", source, "undo", ["done", "half a line"])
    assert whole_project(client, source) == before


@pytest.mark.slow
def test_corrections_of_a_second_machine_are_found_on_the_server(client, command, accepted, tmp_path) -> None:
    source, folder = accepted
    command("decisions", folder, "--apply")
    journal_path(folder).rename(tmp_path / "elsewhere")
    code, told, _ = command("decisions", folder, "--apply")
    assert (code, "0 corrections written" in told, "6 were there already" in told) == (0, True, True)
    assert command("decisions", folder, "--undo")[1].startswith("0 corrections taken back")
    table = pd.read_parquet(folder / "decisions.parquet")
    assert table["decision"].eq("accept").all()
    assert all(len(task["annotations"]) == 2 for task in take_snapshot(client, source))
