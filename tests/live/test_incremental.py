"""Pulling only what changed, from a real server: whatever people do in between, the result is that of a whole pull."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.labelstudio.connect import ONCE, server_url
from ntk_labelqa.labelstudio.reading import incremental
from ntk_labelqa.labelstudio.reading.incremental import cache_file, read_last
from ntk_labelqa.labelstudio.reading.pull import Pulled, pull_project
from tests.live.topics import CONFIG, topic, topics_project

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live
AT_ONCE = timedelta(0)
"""No overlap, as the tests do in a second what people do in days."""


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))


def take(client: LabelStudio, project_id: int, project: Any) -> Pulled:
    return incremental.since_last(client, project_id, project, overlap=AT_ONCE)


def same_as_whole(client: LabelStudio, project: int) -> str:
    """Pull what changed, compare all of it with a whole pull, and return what was said of how it came."""
    changed, whole = pull_project(client, project, take=take), pull_project(client, project)
    assert_equal(changed, whole)
    return changed.provenance.notes[0]


def assert_equal(one: LabeledDataset, other: LabeledDataset) -> None:
    assert one.items.equals(other.items)
    assert one.annotations.equals(other.annotations)
    assert one.left_out == other.left_out
    assert one.class_names == other.class_names
    assert one.fingerprint() == other.fingerprint()


def first_annotations(client: LabelStudio, project: int) -> list[tuple[int, int]]:
    """Task and annotation of every labelled task."""
    return [(task.id, task.annotations[0]["id"]) for task in client.tasks.list(project=project, fields="all")]


def test_what_people_do_between_two_pulls(client) -> None:
    project = topics_project(client, 30)
    assert "Pulled all 30 tasks: none are kept" in same_as_whole(client, project)
    assert same_as_whole(client, project) == "Pulled the 0 of 30 tasks that changed."
    (one, first), (two, second), (three, _), *_ = first_annotations(client, project)

    client.annotations.update(id=first, result=[topic("cars")])
    assert same_as_whole(client, project) == "Pulled the 1 of 30 tasks that changed."
    client.annotations.create(id=two, result=[topic("sport")])
    client.annotations.create(id=three, result=[], was_cancelled=True)
    client.projects.import_tasks(
        id=project, request=[{"data": {"text": "new"}}, {"data": {"text": "newer"}}], request_options=ONCE
    )
    assert same_as_whole(client, project) == "Pulled the 4 of 32 tasks that changed."
    client.annotations.delete(id=second)
    client.tasks.update(id=three, data={"text": "another text"})
    assert same_as_whole(client, project) == "Pulled the 2 of 32 tasks that changed."
    client.actions.create(
        project=project, id="delete_tasks_annotations", selected_items={"all": False, "included": [one]}
    )
    assert same_as_whole(client, project) == "Pulled the 1 of 32 tasks that changed."


def test_deleted_tasks_make_it_a_whole_pull(client) -> None:
    project = topics_project(client, 6)
    same_as_whole(client, project)
    gone = first_annotations(client, project)[0][0]
    client.tasks.delete(id=gone)
    # As many are added, so that the number alone would not tell.
    added = {"data": {"text": "new"}, "annotations": [{"result": [topic("space")]}]}
    client.projects.import_tasks(id=project, request=[added], request_options=ONCE)
    assert "Pulled all 6 tasks: tasks were deleted" in same_as_whole(client, project)
    assert same_as_whole(client, project) == "Pulled the 0 of 6 tasks that changed."


def test_another_config_is_seen(client) -> None:
    project = topics_project(client, 6)
    same_as_whole(client, project)
    client.projects.update(id=project, label_config=CONFIG.replace("</Choices>", '<Choice value="boats"/></Choices>'))
    assert "Pulled the 0 of 6" in same_as_whole(client, project)
    assert pull_project(client, project, take=take).class_names == ("sport", "space", "cars", "boats")


def test_predictions_are_never_missed(client) -> None:
    project = topics_project(client, 4)
    same_as_whole(client, project)
    task = first_annotations(client, project)[0][0]
    client.projects.import_predictions(
        id=project, request=[{"task": task, "model_version": "resnet", "result": [topic("cars")]}], request_options=ONCE
    )
    pulled = pull_project(client, project, take=take)
    assert "has predictions" in pulled.provenance.notes[0]
    assert pulled.predictions["model_version"].tolist() == ["resnet"]


def test_a_window_that_overlaps_and_no_trace_on_the_server(client) -> None:
    project = topics_project(client, 5)
    views = client.views.list(project=project)
    pull_project(client, project, take=incremental.since_last)
    again = pull_project(client, project, take=incremental.since_last)
    # All five were made within the overlap, and are pulled again rather than trusted.
    assert again.provenance.notes == ("Pulled the 5 of 5 tasks that changed.",)
    assert_equal(again, pull_project(client, project))
    assert client.views.list(project=project) == views
    assert list(client.projects.exports.list(project)) == []


def test_a_view_left_by_a_killed_pull_goes_with_the_next(client) -> None:
    project = topics_project(client, 3)
    same_as_whole(client, project)
    client.views.create(project=project, data={"title": incremental.VIEW_TITLE}, request_options=ONCE)
    same_as_whole(client, project)
    assert client.views.list(project=project) == []


def test_a_damaged_cache_costs_a_whole_pull_alone(client) -> None:
    project = topics_project(client, 3)
    same_as_whole(client, project)
    kept = cache_file(server_url(client), project)
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_bytes(kept.read_bytes()[:-20])
    assert "none are kept" in same_as_whole(client, project)
    last = read_last(kept)
    assert last is not None
    assert len(last.tasks) == 3


def test_all_is_pulled_again_after_many_pulls_of_changes(client, monkeypatch) -> None:
    project = topics_project(client, 3)
    monkeypatch.setattr(incremental, "FULL_EVERY", 2)
    said = [same_as_whole(client, project).split()[1] for _ in range(5)]
    assert said == ["all", "the", "the", "all", "the"]
