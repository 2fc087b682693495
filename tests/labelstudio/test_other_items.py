"""Items that nothing here can compare by itself: judged by features, from the export to the correction."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ntk_labelqa.auditing import run_audit
from ntk_labelqa.dataset import Control, LabeledDataset, Provenance
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types.control_type import Said
from ntk_labelqa.labelstudio.corrections.results import Change, can_be_corrected, corrected_result
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.label_values import labels_given
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.labelstudio.review.tasks import finding_key
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.readable import readable
from ntk_labelqa.report.html import render_report
from tests.labelstudio.reviews import superseded
from tests.labelstudio.samples import annotation, task

A_OR_B = '<Choice value="a"/><Choice value="b"/>'
CHOICES = '<Choices name="c" toName="x">' + A_OR_B + "</Choices>"
FILES = {
    "audio": '<Audio name="x" value="$sound"/>',
    "video": '<Video name="x" value="$clip"/>',
    "series": '<TimeSeries name="x" value="$csv" valueType="url"><Channel column="a"/></TimeSeries>',
    "pdf": '<Pdf name="x" value="$pdf"/>',
}
OBJECTS = [
    '<HyperText name="x" value="$address" valueType="url"/>',
    '<Paragraphs name="x" value="$address" valueType="url"/>',
    '<List name="x" value="$found" title="Found"/>',
    '<Image name="x" valueList="$pages"/>',
    '<Text name="x" value="$address" valueType="url"/>',
    '<Text name="x" value="$sheet" resolver="csv|column=text"/>',
    '<Text name="x" value="From $sender to $receiver"/>',
]


def config(inside: str) -> str:
    return f"<View>{inside}</View>"


def result(control: str, kind: str, value: dict[str, Any], over: str = "x", **more: Any) -> dict[str, Any]:
    return {"from_name": control, "to_name": over, "type": kind, "value": value, **more}


def given(xml: str, results: list[Any], control: str | None = None) -> LabeledDataset:
    """A task for each of *results*, which is one result, or several."""
    tasks = [
        task(number, annotation(number, *(said if isinstance(said, list) else [said])))
        for number, said in enumerate(results, 1)
    ]
    return build_dataset(tasks, parse(xml, control), Provenance("file"))


def labels(dataset: LabeledDataset) -> list[str]:
    return [dataset.class_names[code] for code in dataset.label_codes]


def features(folder: Path, dataset: LabeledDataset) -> Path:
    """Two numbers an item that tell its class; regions have their ids beside them."""
    codes = dataset.label_codes
    noise = np.random.default_rng(0).normal(0, 0.05, (len(dataset), 2))
    rows = np.stack([np.cos(codes), np.sin(codes)], axis=1) + noise
    regions = {"region_ids": dataset.item_regions.astype(str)} if "region_id" in dataset.items else {}
    np.savez(folder / "f.npz", ids=dataset.items["task_id"], features=rows, **regions)
    return folder / "f.npz"


@pytest.mark.long
@pytest.mark.parametrize("shown", OBJECTS)
def test_a_choice_over_anything_is_audited_with_features(shown: str, tmp_path: Path) -> None:
    right = [result("c", "choices", {"choices": ["ab"[i % 2]]}) for i in range(40)]
    file = features(tmp_path, given(config(shown + CHOICES), right))
    dataset = given(config(shown + CHOICES), [*right[:6], right[7], *right[7:]])
    assert (dataset.kind, dataset.class_names) == ("other", ("a", "b"))
    with pytest.raises(InvalidInputError, match=r"cannot be compared without features.*--features"):
        encode(dataset)
    audit = run_audit(dataset, AuditOptions(features=file, architecture="2-L"))
    findings = audit.findings[audit.findings["is_label_issue"]]
    assert findings["task_id"].tolist() == [7]
    assert "task 7" in render_report(audit)


@pytest.mark.long
@pytest.mark.parametrize("kind", FILES)
def test_what_files_hold_is_audited_with_features_as_well(kind: str, tmp_path: Path) -> None:
    right = [result("c", "choices", {"choices": ["ab"[i % 2]]}) for i in range(40)]
    file = features(tmp_path, given(config(FILES[kind] + CHOICES), right))
    dataset = given(config(FILES[kind] + CHOICES), [*right[:6], right[7], *right[7:]])
    assert dataset.kind == kind
    audit = run_audit(dataset, AuditOptions(features=file, architecture="2-L"))
    assert audit.findings[audit.findings["is_label_issue"]]["task_id"].tolist() == [7]
    assert "task 7" in render_report(audit)


def test_what_files_hold_is_audited_by_vectors_and_fields_of_the_task_data() -> None:
    right = [result("c", "choices", {"choices": ["ab"[i % 2]]}) for i in range(40)]
    dataset = given(config(FILES["audio"] + CHOICES), right)
    about = [{"sound": "s.wav", "seconds": 1.5 * i, "embedding": [1.0, float(i)]} for i in range(40)]
    dataset = replace(dataset, items=dataset.items.assign(data=about))
    assert encode(dataset).encoder == "vector"
    assert encode(dataset, encoder="fields").encoder == "fields"


PAGE = "<head><style>p {{}}</style></head><p>We <b>{} to</b> the</p><script>ab</script><ul><li>{}&#33;</ul>"
TALK = [{"who": "Ann", "said": "We {} to the"}, {"who": "Bo", "said": "{}!"}]
TEXTS = {
    '<HyperText name="x" value="$in"/>': (PAGE, "We {} to the\n{}!"),
    '<HyperText name="x" value="$in" encoding="base64unicode"/>': (PAGE, "We {} to the\n{}!"),
    '<Markdown name="x" value="$in"/>': ("# We {} to\n- {}", "# We {} to\n- {}"),
    '<Paragraphs name="x" value="$in" nameKey="who" textKey="said"/>': (TALK, "Ann: We {} to the\nBo: {}!"),
    '<Paragraphs name="x" value="$in" textKey="said"/>': (TALK, "We {} to the\n{}!"),
    '<Chat name="x" value="$in"/>': (
        [{"role": "user", "content": "We {} to the"}, {"role": "assistant", "content": "{}!"}],
        "user: We {} to the\nassistant: {}!",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("shown", TEXTS)
def test_text_in_any_form_is_audited_by_its_words(shown: str) -> None:
    form, text = TEXTS[shown]
    words = [("sail", "harbour"), ("climb", "summit")]
    tasks = []
    for number in range(1, 41):
        filled = json.loads(json.dumps(form).replace("{{}}", "").replace("{}", "%s") % words[number % 2])
        value = base64.b64encode(filled.encode()).decode() if "base64" in shown else filled
        given_label = "ab"[(number % 2) ^ (number == 7)]
        said = annotation(number, result("c", "choices", {"choices": [given_label]}))
        tasks.append({"id": number, "data": {"in": value}, "annotations": [said]})
    dataset = build_dataset(tasks, parse(config(shown + CHOICES)), Provenance("file"))
    assert (dataset.kind, dataset.items["value"][0]) == ("text", text.format(*words[1]))
    audit = run_audit(dataset, AuditOptions(architecture="2-L"))
    assert audit.findings[audit.findings["is_label_issue"]]["task_id"].tolist() == [7]
    assert "harbour" in render_report(audit)


def test_of_a_turn_that_is_none_and_a_page_that_does_not_end_what_can_be_read_is_read() -> None:
    talk = Control("c", "x", over="Paragraphs")
    assert readable([{"author": None, "text": "a"}, "b", {"author": "C"}, {}], talk) == "a\nC: "
    page = Control("c", "x", over="HyperText")
    assert readable("</p></script>one<br>two<script>three", page) == "one\ntwo"
    assert readable(None, page) == ""
    assert readable("<html><head><title>t</title><style>p</style><body>one<p>two", page) == "one\ntwo"
    assert readable("one<![weird[ x ]]> two<![endif]--> three", page) == "one two three"
    assert readable("o<script>x</script>ne <!-- c -->two<style>y</style>", page) == "one two"
    assert readable("a\0b \ud83d", page) == "ab ?"
    start = time.process_time()
    for endless in ("<!--" * 60_000, "<a<b" * 250_000, "<div>" * 100_000):
        readable(endless, page)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("tag", "kind", "value", "label"),
    [
        ('<Taxonomy name="c" toName="x">' + A_OR_B + "</Taxonomy>", "taxonomy", {"taxonomy": [["a"]]}, "a"),
        ('<Rating name="c" toName="x"/>', "rating", {"rating": 4}, "4"),
        ('<Number name="c" toName="x" min="0" max="10"/>', "number", {"number": 7}, "7"),
        ('<Number name="c" toName="x" min="0" max="1" step="0.25"/>', "number", {"number": 0.75}, "0.75"),
    ],
)
def test_every_control_of_items(tag: str, kind: str, value: dict[str, Any], label: str) -> None:
    dataset = given(config(OBJECTS[0] + tag), [result("c", kind, value)])
    assert labels(dataset) == [label]


def test_numbers_without_bounds_have_the_classes_that_were_given_by_size() -> None:
    xml = config('<Text name="x" value="$text"/><Number name="c" toName="x"/>')
    dataset = given(xml, [result("c", "number", {"number": number}) for number in (10, 2, 2, 0.5)])
    assert dataset.class_names == ("0.5", "2", "10")
    assert labels(dataset) == ["10", "2", "2", "0.5"]


def test_a_pair_is_a_choice_between_two() -> None:
    pair = '<Text name="l" value="$a"/><Text name="r" value="$b"/><Pairwise name="c" toName="l,r"/>'
    dataset = given(config(pair), [result("c", "pairwise", {"selected": side}, "l,r") for side in ("left", "right")])
    assert (dataset.class_names, labels(dataset), dataset.kind) == (("left", "right"), ["left", "right"], "other")


def test_choices_that_come_with_each_task() -> None:
    xml = config('<Text name="x" value="$text"/><Choices name="c" toName="x" value="$options"/>')
    dataset = given(xml, [result("c", "choices", {"choices": [name]}) for name in ("no", "yes", "no")])
    assert (dataset.kind, dataset.class_names) == ("text", ("no", "yes"))


def test_several_choices_that_come_with_each_task() -> None:
    xml = config('<Text name="x" value="$text"/><Choices name="c" toName="x" value="$options" choice="multiple"/>')
    with pytest.raises(InvalidInputError, match="c:OPTION"):
        parse(xml)
    said = [result("c", "choices", {"choices": names}) for names in (["red", "big"], ["big"])]
    assert labels(given(xml, said, "c:red")) == ["red", "not red"]


def test_what_can_be_judged_as_it_is_goes_first() -> None:
    page = (
        '<HyperText name="s" value="$address" valueType="url"/><Choices name="tone" toName="s">' + A_OR_B + "</Choices>"
    )
    found = parse(config('<Text name="x" value="$text"/>' + CHOICES + page))
    assert found.control.name == "c"
    assert "'tone'" in found.note
    boxes = (
        '<Image name="i" value="$image"/><RectangleLabels name="box" toName="i"><Label value="a"/></RectangleLabels>'
    )
    assert parse(config(boxes + '<Number name="n" toName="i"/>' + page), "box").kind == "crop"


REGION_CONTROLS = [
    ('<Image name="x" value="$image"/>', "VectorLabels", {"vertices": [{"x": 1, "y": 1}, {"x": 9, "y": 9}]}),
    ('<Image name="x" valueList="$pages"/>', "RectangleLabels", {"x": 1, "y": 1, "width": 9, "height": 9}),
    ('<Text name="x" value="$address" valueType="url"/>', "Labels", {"start": 1, "end": 9}),
    ('<Video name="x" value="$clip"/>', "TimelineLabels", {"ranges": [{"start": 1, "end": 9}]}),
]


@pytest.mark.parametrize(("shown", "tag", "place"), REGION_CONTROLS)
def test_regions_of_every_shape_are_audited_with_features(
    shown: str, tag: str, place: dict[str, Any], tmp_path: Path
) -> None:
    xml = config(f'{shown}<{tag} name="c" toName="x"><Label value="a"/><Label value="b"/></{tag}>')
    said = [
        [result("c", tag.lower(), {**place, tag.lower(): [label]}, id=f"{label}{task}") for label in ("a", "b")]
        for task in range(20)
    ]
    dataset = given(xml, said)
    assert (dataset.kind, len(dataset), dataset.items["region_id"].nunique()) == ("other", 40, 40)
    with pytest.raises(InvalidInputError, match="one row a task and region"):
        encode(dataset)
    audit = run_audit(dataset, AuditOptions(features=features(tmp_path, dataset), architecture="2-L"))
    assert set(audit.findings["region_id"]) == set(dataset.items["region_id"])
    control, [first, second] = parse(xml).control, said[0]
    assert can_be_corrected(control)
    change = Change("p1-t1-a1-r", "a", "b", "a0")
    [now, beside] = corrected_result([first, second], control, [change], key="k", config=xml)
    assert now["value"] == {**place, tag.lower(): ["b"]}
    assert beside == second


def test_choices_of_regions_are_of_what_is_drawn() -> None:
    boxes = '<RectangleLabels name="box" toName="x"><Label value="car"/></RectangleLabels>'
    colour = '<Choices name="c" toName="x" perRegion="true">' + A_OR_B + "</Choices>"
    xml = config('<Image name="x" value="$image"/>' + boxes + colour)
    place = {"x": 10, "y": 10, "width": 9, "height": 9}
    said = [
        result("box", "rectanglelabels", {**place, "rectanglelabels": ["car"]}, id="r1"),
        result("c", "choices", {**place, "choices": ["b"]}, id="r1"),
    ]
    dataset = given(xml, [said], "c")
    assert (labels(dataset), dataset.items["region_id"].tolist()) == (["b"], ["r1"])
    assert dataset.kind == "crop"
    assert parse(xml).control.name == "box"


@pytest.mark.parametrize(
    ("tag", "kind", "value", "given_label", "final", "after"),
    [
        ('<Number name="c" toName="x"/>', "number", {"number": 3}, "3", "4", {"number": 4}),
        ('<Number name="c" toName="x"/>', "number", {"number": 3}, "3", "2.5", {"number": 2.5}),
        ('<Pairwise name="c" toName="x,y"/>', "pairwise", {"selected": "left"}, "left", "right", {"selected": "right"}),
    ],
)
def test_corrections_of_numbers_and_pairs(
    tag: str, kind: str, value: dict[str, Any], given_label: str, final: str, after: dict[str, Any]
) -> None:
    xml = config('<Text name="x" value="$text"/><Text name="y" value="$other"/>' + tag)
    control, said = parse(xml).control, result("c", kind, value)
    changes = [Change("1:2:round", given_label, final)]
    corrected = corrected_result([said], control, changes, key="1:2:round", config=xml)
    assert corrected[0]["value"] == after
    assert corrected[0]["meta"]["ntk_labelqa"]["review_key"] == finding_key("1:2:round")
    child = annotation(9, *corrected, parent_annotation=1)
    assert superseded(task(1, annotation(1, said), child)) == {1}
    [now] = labels_given(child, control, {})
    assert isinstance(now, Said)
    assert now.label == final
