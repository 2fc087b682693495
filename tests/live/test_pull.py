"""Pulling from a real server: what people labelled, all of it, and nothing written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ntk_labelqa.demo.server import PEOPLE
from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio.connect import connect
from ntk_labelqa.labelstudio.reading import label_values as values
from ntk_labelqa.labelstudio.reading import pull, tasks
from ntk_labelqa.labelstudio.reading.export_file import read_export
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from tests.labelstudio.samples import CONFIG, choice

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live

TWO_CONTROLS = CONFIG.replace(
    "</View>", '<Choices name="mood" toName="text"><Choice value="glad"/><Choice value="sad"/></Choices></View>'
)


def new_project(client: LabelStudio, rows: list[dict[str, Any]], config: str = CONFIG) -> int:
    """A project with *rows* imported; its id."""
    project = client.projects.create(title="to be pulled", label_config=config)
    if rows:
        client.projects.import_tasks(id=project.id, request=rows)
    return project.id


def row(text: str, *annotations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A task to import."""
    return {"data": {"text": text}, "annotations": list(annotations)} | fields


def labelled(label: str, **fields: Any) -> dict[str, Any]:
    """An annotation to import."""
    return {"result": [choice(label)]} | fields


@pytest.fixture(scope="module")
def topics(client: LabelStudio) -> int:
    """A project with a bit of everything that people leave behind; its id."""
    people = {user.email: user.id for user in client.users.list()}
    first, second = people[PEOPLE[0]], people[PEOPLE[1]]
    predictions = [
        {"model_version": version, "result": [choice("sport")]} for version in ("resnet", "ntk-labelqa 0.1.0")
    ]
    rows = [
        row("two opinions", labelled("space", completed_by=first), labelled("cars", completed_by=second)),
        row("skipped by one", labelled("cars"), {"result": [], "was_cancelled": True}),
        row("an old label", labelled("boats", completed_by=first)),
        row("another control", {"result": [choice("space", control="mood")]}),
        row("nobody was here"),
        row("predicted", labelled("sport", completed_by=second), predictions=predictions),
    ]
    return new_project(client, rows)


def test_what_people_labelled(client, topics) -> None:
    dataset = pull_project(client, topics)
    assert dataset.items["value"].tolist() == ["two opinions", "skipped by one", "predicted"]
    given = [
        (dataset.items["value"][item], by, dataset.class_names[code])
        for item, by, code in dataset.annotations[["item", "annotator", "label"]].itertuples(index=False)
    ]
    assert given == [
        ("two opinions", PEOPLE[0], "space"),
        ("two opinions", PEOPLE[1], "cars"),
        ("skipped by one", "owner@example.org", "cars"),
        ("predicted", PEOPLE[1], "sport"),
    ]
    assert {gone.reason: len(gone.ids) for gone in dataset.left_out} == {
        tasks.SKIPPED: 1,
        tasks.UNKNOWN_LABEL: 1,
        values.NO_CHOICE: 1,
        tasks.UNANNOTATED: 3,
    }
    assert dataset.predictions["model_version"].tolist() == ["resnet"]
    assert dataset.class_names == ("sport", "space", "cars")


def test_nothing_is_changed_and_no_snapshot_stays(client, topics) -> None:
    def state() -> list[dict[str, Any]]:
        return [found.dict() for found in client.tasks.list(project=topics, fields="all")]

    before = state()
    pull_project(client, topics)
    assert state() == before
    assert list(client.projects.exports.list(topics)) == []


def test_an_export_file_gives_the_same_as_the_server(client, topics, tmp_path: Path) -> None:
    pulled = pull_project(client, topics)
    path, config = tmp_path / "export.json.gz", tmp_path / "config.xml"
    path.write_bytes(gzip.compress(json.dumps(list(take_snapshot(client, topics))).encode()))
    config.write_text(CONFIG)
    read = read_export(path, label_config=config)
    assert read.items.equals(pulled.items)
    assert read.predictions.equals(pulled.predictions)
    assert read.annotations.drop(columns="annotator").equals(pulled.annotations.drop(columns="annotator"))
    assert read.left_out == pulled.left_out


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN", "CSV"])
def test_what_the_export_button_gives(client, topics, tmp_path: Path, form: str) -> None:
    path = tmp_path / "export"
    path.write_bytes(client.projects.exports.as_binary(topics, export_type=form))
    if form == "JSON":
        read = read_export(path, control="topic")
        assert read.items["value"].tolist() == ["two opinions", "skipped by one", "an old label", "predicted"]
        assert len(read.predictions) == 0  # the button gives their ids alone
        return
    with pytest.raises(InvalidInputError, match="JSON_MIN" if form == "JSON_MIN" else "not JSON"):
        read_export(path)


def test_unknown_project(client) -> None:
    with pytest.raises(LabelStudioError, match=r"project 99999 failed.*404"):
        pull_project(client, 99_999)


def test_wrong_token(server) -> None:
    with pytest.raises(LabelStudioError, match="does not take the key"):
        connect(server.url, "0" * 40)


def test_a_project_deleted_in_the_middle_of_a_pull(client, monkeypatch) -> None:
    project = new_project(client, [row("a", labelled("cars")), row("b", labelled("space"))])
    wait = pull._wait_until_made

    def delete_and_wait(*asked: Any) -> None:
        client.projects.delete(id=project)
        wait(*asked)

    monkeypatch.setattr(pull, "_wait_until_made", delete_and_wait)
    with pytest.raises(LabelStudioError, match="404"):
        pull_project(client, project)


def test_nothing_annotated(client) -> None:
    with pytest.raises(InvalidInputError, match="None of the 2 tasks has an annotation"):
        pull_project(client, new_project(client, [row("a"), row("b")]))
    with pytest.raises(InvalidInputError, match="None of the 0 tasks"):
        pull_project(client, new_project(client, []))


def test_two_controls_and_none(client) -> None:
    both = new_project(client, [row("a", {"result": [choice("cars"), choice("sad", control="mood")]})], TWO_CONTROLS)
    with pytest.raises(InvalidInputError, match=r"'topic', 'mood'.*--control"):
        pull_project(client, both)
    assert pull_project(client, both, control="mood").class_names == ("glad", "sad")
    note = '<View><Image name="i" value="$image"/><TextArea name="note" toName="i"/></View>'
    with pytest.raises(InvalidInputError, match="TextArea 'note'"):
        pull_project(client, new_project(client, [], note))
