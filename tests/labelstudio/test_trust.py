"""What somebody else wrote into Label Studio is not relied upon: neither review tasks, nor projects, nor marks."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import replace
from typing import Any

import httpx
import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.labelstudio.corrections.authors import Authors, authors, journals_beside
from ntk_labelqa.labelstudio.corrections.journal import journal_path, open_journal
from ntk_labelqa.labelstudio.corrections.results import correction_id
from ntk_labelqa.labelstudio.reading.pull import pull_project
from ntk_labelqa.labelstudio.review.decisions import decisions_table, read_decisions
from ntk_labelqa.labelstudio.review.known import known_projects, note_projects
from ntk_labelqa.labelstudio.review.places import with_known_places
from ntk_labelqa.labelstudio.review.project import ReviewTask, mark
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.labelstudio.review.tasks import review_key
from ntk_labelqa.labelstudio.review.trust import EDITED, OF_ANOTHER_AUDIT, distrust, is_our_warning, is_ours
from ntk_labelqa.labelstudio.review.warning_decisions import warning_decisions_table
from ntk_labelqa.labelstudio.review.warning_tasks import warning_key
from tests.labelstudio.reviews import PEOPLE, PROJECT, answer, raised, review_task, said
from tests.labelstudio.samples import annotation, choice
from tests.labelstudio.studio import COLLEAGUE, OWNER, REVIEWER, Studio, accept_all, corrected
from tests.labelstudio.test_odd_answers import VALUES, mutated

pytestmark = pytest.mark.usefixtures("own_cache")
TASK = review_task(103, said(1, 4, answer("accept")))


EDITS = [
    {"source_task": 9},
    {"source_annotation": 104},
    {"given_label": "cars"},
    {"source_region": "r1"},
    {"kind": "spurious"},
    {"source_project": 8},
    {"source_task": "3"},
    {"source_task": True},
    {"error_probability": "much"},
    {"error_probability": float("nan")},
    {"suggested_result": "[]"},
    {"source_updated_at": "yesterday"},
]


def edited(**data: Any) -> ReviewTask:
    return replace(TASK, data={**TASK.data, **data})


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_a_review_task_whose_key_does_not_follow_from_its_parts_is_not_ours(edit: dict[str, Any]) -> None:
    assert is_ours(TASK, PROJECT)
    assert not is_ours(edited(**edit), PROJECT)
    assert distrust(edited(**edit), raised([TASK]), PROJECT) == EDITED
    table = decisions_table([edited(**edit), TASK], PEOPLE, raised([TASK]), PROJECT)
    assert table["problem"].tolist() == ["", EDITED]
    assert table["decision"].tolist() == ["accept", "unreadable"]


ODD_ENDS = ['"start": "x", "end": 2', '"start": 1', '"start": NaN, "end": 2', '"start": null, "end": []']
ODD_PLACES = ["", "{}", *(f'{{"value": {{{ends}}}}}' for ends in ODD_ENDS)]


@pytest.mark.parametrize("suggested", ODD_PLACES)
def test_an_odd_suggestion_of_a_missing_region_is_at_no_place(suggested: str) -> None:
    place = '{"value": {"start": 1.0, "end": 2.0}}'
    wanted = [{"data": review_task(103, source_region="", kind="missing", suggested_result=place).data}]
    odd = review_task(103, source_region="", kind="missing", suggested_result=suggested)
    assert is_ours(odd, PROJECT)
    assert list(with_known_places(wanted, [odd])) == wanted


def warning_task(*annotations: Any, **data: Any) -> ReviewTask:
    base = {"source_project": PROJECT, "source_control": "topic", "class_a": "sport", "class_b": "space"}
    base |= {"overlap": 0.5, "cause": "classes"} | data
    return ReviewTask(1, warning_key(PROJECT, "topic", "sport", "space"), True, base, annotations)


@pytest.mark.parametrize("overlap", [None, "much", float("nan"), 10**400, -1, True])
def test_a_class_warning_with_an_overlap_that_cannot_be_is_not_ours(overlap: Any) -> None:
    assert is_our_warning(warning_task(), PROJECT)
    assert not is_our_warning(warning_task(overlap=overlap), PROJECT)


@pytest.mark.parametrize("choices", [5, {"x": 1}, [], [5], [["merge"]], "merge"])
def test_an_odd_answer_to_a_class_warning_is_unreadable(choices: Any) -> None:
    part = {"from_name": "decision", "to_name": "item", "type": "choices", "value": {"choices": choices}}
    table = warning_decisions_table([warning_task(said(1, 4, [part]))], PEOPLE)
    assert table["decision"].tolist() == ["unreadable"]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_odd_review_tasks_and_answers_end_in_words(studio, client, audit, folder, command, seed) -> None:
    tasks = accept_all(studio, push_findings(client, audit).project_id)
    chance = random.Random(seed)
    for task in tasks:
        key = chance.choice(sorted(task["data"].keys() - {"review_key"}))
        task["data"] = task["data"] | {key: chance.choice(VALUES)}
        [answered] = studio.annotations_of(task["id"])
        answered["result"] = [mutated(part, chance) for part in answered["result"]]
    before = deepcopy(studio.tasks_of(studio.source))
    code, out, err = command("decisions", folder, "--apply")
    assert code in (0, 4), out + err
    table = read_decisions(client, audit, studio.source).table
    assert len(table) == len(tasks)
    push_findings(client, audit)
    for was, now in zip(before, studio.tasks_of(studio.source), strict=True):
        assert now["annotations"][: len(was["annotations"])] == was["annotations"]


def test_a_round_of_any_kind_is_a_round() -> None:
    assert is_ours(replace(TASK, key=f"{TASK.key}~2"), PROJECT)
    for round in ("~", "~²", "~0", "~2~3", "~" + "9" * 5000, "~x"):
        assert not is_ours(replace(TASK, key=TASK.key + round), PROJECT)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ({"suggested_label": "cars"}, "its suggested label is 'cars', but this audit's is 'space'"),
        ({"source_control": "mood"}, "its control is 'mood'"),
        ({"source_updated_at": "2025-05-03T00:00:00Z"}, "saved at another time"),
    ],
)
def test_what_the_audit_says_otherwise_is_not_acted_upon(edit: dict[str, Any], why: str) -> None:
    assert why in distrust(edited(**edit), raised([TASK]), PROJECT)


def test_what_no_audit_found_is_not_acted_upon() -> None:
    assert distrust(TASK, {}, PROJECT) == OF_ANOTHER_AUDIT


def test_what_is_done_goes_by_the_audit_and_not_by_the_review_task() -> None:
    forged = edited(error_probability=0.01, suggested_result='{"value": {"x": 1}}', annotator="somebody")
    [row] = decisions_table([forged], PEOPLE, raised([TASK]), PROJECT).to_dict("records")
    assert (row["error_probability"], row["suggested_result"], row["annotator"]) == (0.9, "", "ann")
    assert row["problem"] == ""


def test_an_edited_review_task_changes_nothing_anywhere_else(studio, client, audit, folder, command) -> None:
    review = push_findings(client, audit).project_id
    tasks = accept_all(studio, review)
    wrong, right = tasks[0]["data"]["source_annotation"], tasks[1]["data"]
    tasks[0]["data"] |= {"source_task": right["source_task"], "source_annotation": right["source_annotation"]}
    code, told, complaint = command("decisions", folder, "--apply")
    assert code == 4
    assert f"review task {tasks[0]['id']}: its review key does not fit" in told
    assert "1 of 4 corrections were not written" in complaint
    assert len(corrected(studio)) == len(set(corrected(studio))) == 3
    assert wrong not in corrected(studio)


def test_the_finding_of_an_edited_review_task_is_asked_about_again(studio, client, audit) -> None:
    review = push_findings(client, audit).project_id
    task = next(task for task in studio.tasks.values() if task["project"] == review)
    before = dict(task["data"])
    task["data"]["source_task"] = 9999
    assert push_findings(client, audit).created == 1
    assert [one["data"] for one in studio.tasks.values()].count(before) == 1
    assert task["id"] in studio.tasks


def test_a_forged_finding_is_not_written(studio, client, audit, folder, command) -> None:
    table = audit.findings.assign(is_label_issue=[True, True, True, False])
    replace(audit, findings=table).save(folder, overwrite=True)
    review = push_findings(client, Audit.load(folder)).project_id
    data = dict(next(task for task in studio.tasks.values() if task["project"] == review)["data"])
    row = audit.findings.iloc[3]
    place = {"source_task": int(row["task_id"]), "source_annotation": int(row["annotation_id"])}
    key = review_key(studio.source, place["source_task"], place["source_annotation"], row["given_label"])
    saved = studio.annotations[place["source_annotation"]]["updated_at"]
    forged = data | place | {"given_label": row["given_label"], "review_key": key, "source_updated_at": saved}
    number = studio.add_task(review, forged)
    studio.add_annotation(number, *answer("accept"), by=REVIEWER)
    code, told, _ = command("decisions", folder, "--apply")
    assert (code, corrected(studio)) == (4, [])
    assert f"annotation {place['source_annotation']}" in told
    assert OF_ANOTHER_AUDIT in told


def test_somebody_elses_project_is_not_pushed_into(studio, client, audit) -> None:
    foreign = studio.add_project("Label review", "<View/>", by=COLLEAGUE, description=mark(studio.source))
    pushed = push_findings(client, audit)
    assert pushed.project_id != foreign
    assert not studio.tasks_of(foreign)
    assert f"Left alone: project {foreign}" in pushed.notes[0]


def test_nothing_is_read_from_somebody_elses_project(studio, client, audit, folder, command) -> None:
    studio.add_project("Label review", "<View/>", by=COLLEAGUE, description=mark(studio.source))
    code, _, complaint = command("decisions", folder, "--apply")
    assert code == 3
    assert "was not made with this key" in complaint


def test_a_colleague_finds_the_project_by_the_journal(studio, client, colleague, audit, folder) -> None:
    pushed = push_findings(client, audit)
    with pytest.raises(LabelStudioError, match="was not made with this key"):
        read_decisions(colleague, audit, studio.source)
    note_projects(client, folder, pushed)
    known = known_projects(colleague, folder)
    assert read_decisions(colleague, audit, studio.source, known).project == pushed.project_id
    assert push_findings(colleague, audit, known=known).project_id == pushed.project_id


def test_a_push_notes_its_project(studio, folder, command) -> None:
    assert command("push", folder)[0] == 0
    assert command("push", folder)[0] == 0
    assert journal_path(folder).read_text().count('"pushed"') == 1
    assert command("decisions", folder, "--undo")[0] == 0


def test_the_project_is_looked_at_again_before_anything_is_written(studio, client, audit, folder, command) -> None:
    review = push_findings(client, audit).project_id
    accept_all(studio, review)
    listed = iter([OWNER, OWNER, COLLEAGUE])

    def given_away(name: str, right: httpx.Response) -> httpx.Response:
        if name != "projects":
            return right
        [source, ours] = right.json()["results"]
        return httpx.Response(200, json={"count": 2, "results": [source, ours | {"created_by": {"id": next(listed)}}]})

    studio.change = given_away
    code, _, complaint = command("decisions", folder, "--apply")
    assert (code, corrected(studio)) == (3, [])
    assert "is not the review project any more" in complaint


def test_an_annotation_that_is_of_another_task_by_now_is_left_alone(studio, client, audit, folder, command) -> None:
    accept_all(studio, push_findings(client, audit).project_id)
    first = int(audit.findings["annotation_id"].iloc[0])

    def moved(name: str, right: httpx.Response) -> httpx.Response:
        ours = name == "annotation" and right.json()["id"] == first
        return httpx.Response(200, json=right.json() | {"task": 9999}) if ours else right

    studio.change = moved
    code, told, _ = command("decisions", folder, "--apply")
    assert code == 4
    assert "its annotation is of task 9999" in told
    assert first not in corrected(studio)
    assert len(corrected(studio)) == 3


def forge_correction(studio: Studio, by: int) -> int:
    """A child of the first annotation that bears the mark of a correction; the id of that annotation."""
    first = next(iter(studio.annotations.values()))
    key = review_key(studio.source, first["task"], first["id"], "sport")
    about = {"review_key": key, "control": "topic", "part": "", "given_label": "sport"}
    result = choice("cars") | {"meta": {"ntk_labelqa": about}}
    studio.add_annotation(first["task"], result, by=by, parent_annotation=first["id"], unique_id=correction_id(key))
    return int(first["id"])


def test_a_forged_correction_hides_nobodys_label(studio, client) -> None:
    first = forge_correction(studio, COLLEAGUE)
    dataset = pull_project(client, studio.source)
    assert first in dataset.annotations["annotation_id"].tolist()
    assert any("1 annotations bear the mark of a correction" in note for note in dataset.provenance.notes)


def test_a_correction_by_this_key_stands_in(studio, client) -> None:
    first = forge_correction(studio, OWNER)
    assert first not in pull_project(client, studio.source).annotations["annotation_id"].tolist()


def test_a_correction_by_another_key_stands_in_where_a_journal_lists_it(studio, client, colleague, tmp_path) -> None:
    first = forge_correction(studio, OWNER)
    child = max(studio.annotations)
    assert first in pull_project(colleague, studio.source).annotations["annotation_id"].tolist()
    with open_journal(journal_path(tmp_path / "earlier")) as journal:
        about = {"server": "http://studio.test", "project": studio.source, "annotation": first, "correction": child}
        journal.add("written", key="k", **about)
    journals = journals_beside(tmp_path / "next")
    pulled = pull_project(colleague, studio.source, journals=journals)
    assert first not in pulled.annotations["annotation_id"].tolist()
    assert authors(colleague, studio.source + 1, journals) == Authors(COLLEAGUE)
    assert authors(None, None, journals).wrote(annotation(child, completed_by=9, parent_annotation=first))


def test_a_journal_of_somebody_else_where_everybody_writes_lists_nothing(tmp_path, monkeypatch) -> None:
    with open_journal(journal_path(tmp_path / "audit")) as journal:
        journal.add("written", key="k")
    tmp_path.chmod(0o1777)
    assert journals_beside(tmp_path / "next") == [journal_path(tmp_path / "audit")]
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert journals_beside(tmp_path / "next") == []
    tmp_path.chmod(0o770)
    assert journals_beside(tmp_path / "next") == [journal_path(tmp_path / "audit")]


def test_a_forged_correction_does_not_stop_ours(studio, client, audit, folder, command) -> None:
    accept_all(studio, push_findings(client, audit).project_id)
    first = next(iter(studio.annotations.values()))
    about = {"review_key": "p1-t2-a3-x", "control": "topic", "part": "", "given_label": "sport"}
    forged = choice("space") | {"meta": {"ntk_labelqa": about}}
    studio.add_annotation(first["task"], forged, by=COLLEAGUE, parent_annotation=first["id"])
    assert command("decisions", folder, "--apply")[0] == 0
    assert corrected(studio).count(first["id"]) == 2
