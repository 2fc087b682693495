"""What attributes change on a real server: the audit's labels are those that the labelling page shows."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.connect import ONCE
from ntk_labelqa.labelstudio.reading.pull import pull_project
from tests.browser import browser
from tests.live.test_review_page import logged_in

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live
TEXT = '<Text name="text" value="$text"/>'
WORDS = "The café by the harbour is open"


def view(inside: str) -> str:
    return f"<View>{inside}</View>"


def chosen(*labels: Any, control: str = "topic", kind: str = "choices", **more: Any) -> dict[str, Any]:
    return {"from_name": control, "to_name": "text", "type": kind, "value": {kind: list(labels)}, **more}


CHOICES = '<Choices name="topic" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>'
LEAK = """<Choices name="kind" toName="text"><Choice value="leak"/><Choice value="fine"/></Choices>
<View visiblewhen="choice-selected" whenTagName="kind" whenchoicevalue="leak"><Header value="Where does it leak?"/>
<Choices name="where" toName="text" choice="multiple"><Choice value="roof"/><Choice value="wall"/></Choices></View>"""
OF_REGION = {"value": {"start": 4, "end": 8, "text": "café", "choices": ["good"]}, "id": "r1"}


def pulled(
    client: LabelStudio,
    config: str,
    tasks: list[tuple[dict[str, Any], list[dict[str, Any]]]],
    control: str | None = None,
) -> tuple[int, LabeledDataset]:
    project = client.projects.create(title="Variation", label_config=config)
    assert project.id is not None
    request: Any = [{"data": data, "annotations": [{"result": results}]} for data, results in tasks]
    client.projects.import_tasks(id=project.id, request=request, request_options=ONCE)
    return project.id, pull_project(client, project.id, control=control)


def labels(dataset: LabeledDataset) -> list[str]:
    return [dataset.class_names[code] for code in dataset.label_codes]


@pytest.mark.parametrize("tag", ["Taxonomy", "Choices"])
def test_controls_of_regions_in_any_case_are_none_of_items(client, tag: str) -> None:
    attribute = 'labeling="true"' if tag == "Taxonomy" else 'peritem="true"'
    config = view(TEXT + f'<{tag} name="topic" toName="text" {attribute}><Choice value="good"/></{tag}>')
    with pytest.raises(InvalidInputError, match="no control that can be audited"):
        pulled(client, config, [({"text": WORDS}, [])])


def test_a_choice_of_regions_in_lower_case(client) -> None:
    config = view(
        TEXT
        + '<Labels name="place" toName="text"><Label value="x"/></Labels>'
        + CHOICES.replace("<Choices", '<Choices perregion="true"')
    )
    place = {"start": 4, "end": 8, "text": "café"}
    results = [
        {"from_name": "place", "to_name": "text", "type": "labels", "value": {**place, "labels": ["x"]}, "id": "r1"},
        chosen("good", **OF_REGION),
    ]
    _, dataset = pulled(client, config, [({"text": WORDS}, results)], "topic")
    assert (dataset.kind, dataset.items["region_id"].tolist(), labels(dataset)) == ("span", ["r1"], ["good"])


def test_nested_choices(client) -> None:
    nested = CHOICES.replace('value="good"/>', 'value="good"><Choice value="very"/></Choice>')
    config = view(TEXT + nested.replace("<Choices", '<Choices allownested="true"'))
    _, dataset = pulled(client, config, [({"text": WORDS}, [chosen(["good", "very"])])])
    assert labels(dataset) == ["good / very"]


@pytest.fixture(scope="module")
def annotator(server: LocalServer) -> Iterator[Page]:
    with browser() as chromium:
        yield logged_in(chromium, server)


def opened(page: Page, server: LocalServer, project: int, task: int) -> Page:
    page.goto(f"{server.url}/projects/{project}/data?task={task}")
    expect(page.locator(".lsf-main-view, .lsf-main-content").first).to_be_visible(timeout=120_000)
    page.wait_for_timeout(500)
    return page


@pytest.mark.browser
@pytest.mark.parametrize("encoding", ["base64", "base64unicode"])
def test_an_encoded_text_is_what_the_page_shows(client, server, annotator, encoding: str) -> None:
    config = view(TEXT.replace("/>", f' encoding="{encoding}"/>') + CHOICES)
    data = {"text": base64.b64encode(WORDS.encode()).decode()}
    project, dataset = pulled(client, config, [(data, [chosen("good")])])
    page = opened(annotator, server, project, int(dataset.items["task_id"][0]))
    expect(page.get_by_text(dataset.items["value"][0], exact=True)).to_be_visible()


@pytest.mark.browser
def test_a_value_by_path_is_what_the_page_shows(client, server, annotator) -> None:
    config = view(TEXT.replace("$text", "$doc.parts[1].body") + CHOICES)
    data = {"doc": {"parts": [{"body": "not this"}, {"body": WORDS}]}}
    project, dataset = pulled(client, config, [(data, [chosen("good")])])
    assert dataset.items["value"].tolist() == [WORDS]
    page = opened(annotator, server, project, int(dataset.items["task_id"][0]))
    expect(page.get_by_text(WORDS, exact=True)).to_be_visible()


@pytest.mark.browser
def test_an_option_that_the_page_does_not_show_is_left_out(client, server, annotator) -> None:
    tasks = [
        ({"text": "one"}, [chosen("leak", control="kind"), chosen("roof", control="where")]),
        ({"text": "two"}, [chosen("leak", control="kind")]),
        ({"text": "three"}, [chosen("fine", control="kind")]),
    ]
    project, dataset = pulled(client, view(TEXT + LEAK), tasks, "where:roof")
    said = dict(zip(dataset.items["value"], labels(dataset), strict=True))
    assert said == {"one": "roof", "two": "not roof"}
    for task in client.tasks.list(project=project, fields="all"):
        page = opened(annotator, server, project, int(task.id))
        asked = page.get_by_text("Where does it leak?")
        expect(asked).to_be_visible() if task.data["text"] in said else expect(asked).to_be_hidden()
