"""What a labelling config means on the page that it makes: names in any case, encodings, paths, what is not shown."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ntk_labelqa.dataset import Control, LabeledDataset, Provenance
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.corrections.results import Change, corrected_result
from ntk_labelqa.labelstudio.reading.config_xml import ATTRIBUTES, conditions, read, was_shown
from ntk_labelqa.labelstudio.reading.label_config import infer, parse
from ntk_labelqa.labelstudio.reading.label_values import MAYBE_NOT_SHOWN, NOT_SHOWN
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.task_data import at_path, value_shown
from tests.labelstudio.samples import annotation, choice, task

TEXT = '<Text name="text" value="$text"/>'
A_OR_B = '<Choice value="a"/><Choice value="b"/>'


def config(inside: str) -> str:
    return f"<View>{inside}</View>"


def audited(xml: str, tasks: list[dict[str, Any]], control: str | None = None) -> LabeledDataset:
    return build_dataset(tasks, parse(xml, control), Provenance("file"))


def labels(dataset: LabeledDataset) -> list[str]:
    return [dataset.class_names[code] for code in dataset.label_codes]


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ('<Taxonomy name="c" toName="text" {}="true"><Choice value="a"/></Taxonomy>', "perRegion"),
        ('<Choices name="c" toName="text" {}="TRUE"><Choice value="a"/></Choices>', "perItem"),
        ('<Taxonomy name="c" toName="text" {}="true"><Choice value="a"/></Taxonomy>', "labeling"),
    ],
)
def test_attributes_are_heeded_in_any_case(tag: str, name: str) -> None:
    refusals = []
    for written in (name, name.lower(), name.upper()):
        with pytest.raises(InvalidInputError, match="no control that can be audited") as raised:
            parse(config(TEXT + tag.format(written)))
        refusals.append(str(raised.value))
    assert len(set(refusals)) == 1


@pytest.mark.parametrize("written", ["valueList", "valuelist"])
def test_a_list_of_images_is_not_one_image(written: str) -> None:
    found = parse(config(f'<Image name="i" {written}="$pages"/><Choices name="c" toName="i">{A_OR_B}</Choices>'))
    assert found.kind == "other"


@pytest.mark.parametrize("written", ["perRegion", "perregion"])
def test_a_choice_of_regions_is_of_regions(written: str) -> None:
    found = parse(config(f'{TEXT}<Choices name="c" toName="text" {written}="true">{A_OR_B}</Choices>'))
    assert found.control.of_regions
    assert found.kind == "span"


@pytest.mark.parametrize("written", ["apiUrl", "apiurl"])
def test_a_taxonomy_from_elsewhere_has_the_classes_that_were_given(written: str) -> None:
    xml = config(f'{TEXT}<Taxonomy name="c" toName="text" {written}="https://example.org/tree"/>')
    result = {"from_name": "c", "to_name": "text", "type": "taxonomy", "value": {"taxonomy": [["x", "y"]]}}
    dataset = audited(xml, [task(1, annotation(1, result))])
    assert dataset.class_names == ("x / y",)


def test_tags_and_names_of_a_usable_control_in_any_case() -> None:
    found = parse(f'<view><TEXT NAME="text" VALUE="$body"/><choices name="c" toname="text">{A_OR_B}</choices></view>')
    assert (found.control.tag, found.control.value_key, found.class_names) == ("Choices", "body", ("a", "b"))


def test_a_largest_rating_in_lower_case() -> None:
    assert parse(config(TEXT + '<Rating name="r" toName="text" maxrating="3"/>')).class_names == ("1", "2", "3")


@pytest.mark.parametrize(("time", "separator"), [("timeColumn", "sep"), ("timecolumn", "SEP")])
def test_how_a_time_series_is_written(time: str, separator: str) -> None:
    series = f'<TimeSeries name="s" value="$csv" {time}="t" {separator}=";"><Channel column="a"/></TimeSeries>'
    found = parse(config(f'{series}<Choices name="c" toName="s">{A_OR_B}</Choices>'))
    assert (found.kind, found.control.time_column, found.control.separator) == ("series", "t", ";")


def test_every_attribute_has_a_meaning_of_its_own() -> None:
    assert all(ATTRIBUTES.values())
    assert len({name.lower() for name in ATTRIBUTES}) == len(ATTRIBUTES)


@pytest.mark.parametrize(("encoding", "said"), [("base64", "caf\u00c3\u00a9"), ("base64unicode", "café")])
def test_encoded_texts_are_read_as_the_page_shows_them(encoding: str, said: str) -> None:
    xml = config(
        f'<Text name="text" value="$text" encoding="{encoding}"/><Choices name="topic" toName="text">{A_OR_B}</Choices>'
    )
    data = {"text": base64.b64encode("café".encode()).decode()}
    dataset = audited(xml, [task(1, annotation(1, choice("a")), data=data)])
    assert dataset.items["value"].tolist() == [said]


def test_a_damaged_encoding_shows_nothing() -> None:
    assert value_shown({"text": "no base64!"}, Control("c", "text", value_key="text", encoding="base64")) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("doc.body", "deep"),
        ("rows[0]", "first"),
        ("rows[1].url", "u"),
        ("media.image.url", "m"),
        ("flat.key", "as it is"),
        ("doc.nothing", None),
        ("rows[7]", None),
        ("rows[first]", None),
        ("doc.body.deeper", None),
        ("", None),
    ],
)
def test_values_by_path(path: str, value: str | None) -> None:
    data = {
        "doc": {"body": "deep"},
        "rows": ["first", {"url": "u"}],
        "media": {"image": {"url": "m"}},
        "flat.key": "as it is",
    }
    assert at_path(data, path) == value


@pytest.mark.parametrize("tag", ["Text", "Image", "Table"])
def test_items_are_what_lies_at_the_path(tag: str) -> None:
    xml = config(f'<{tag} name="x" value="$media.rows[0]"/><Choices name="topic" toName="x">{A_OR_B}</Choices>')
    tasks = [task(1, annotation(1, choice("a")), data={"media": {"rows": ["one.png", "two.png"]}})]
    assert audited(xml, tasks).items["value"].tolist() == ["one.png"]


def test_rows_of_a_table_by_path_are_encoded() -> None:
    xml = config('<Table name="t" value="$doc.row"/><Choices name="topic" toName="t">' + A_OR_B + "</Choices>")
    tasks = [task(i, annotation(i, choice("ab"[i % 2])), data={"doc": {"row": {"size": i}}}) for i in range(1, 7)]
    encoded = encode(audited(xml, tasks))
    assert "size" in encoded.dataset.provenance.notes[-1]
    assert len(encoded.features) == 6


LEAKS = """<Choices name="kind" toName="text"><Choice value="leak"/><Choice value="fine"/></Choices>
<View {when}><Choices name="where" toName="text" choice="multiple">
<Choice value="roof"/><Choice value="wall"/></Choices></View>"""


def of_leaks(when: str) -> list[str]:
    """Labels of ``where:roof`` of a leak of the roof, one of nothing, and of what is fine; empty: left out."""
    kinds = [("leak", ["roof"]), ("leak", []), ("fine", [])]
    tasks = [
        task(number, annotation(number, choice(kind, control="kind"), *([choice(*at, control="where")] if at else [])))
        for number, (kind, at) in enumerate(kinds, 1)
    ]
    dataset = audited(config(TEXT + LEAKS.format(when=when)), tasks, "where:roof")
    by_task = dict(zip(dataset.items["task_id"], labels(dataset), strict=True))
    for reason in dataset.left_out:
        assert reason.of == "task" or reason.reason in (NOT_SHOWN, MAYBE_NOT_SHOWN)
    return [by_task.get(number, "") for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("", ["roof", "not roof", "not roof"]),
        ('visibleWhen="choice-selected" whenTagName="kind" whenChoiceValue="leak"', ["roof", "not roof", ""]),
        ('visiblewhen="choice-selected" whentagname="kind" whenchoicevalue="fire,leak"', ["roof", "not roof", ""]),
        ('visibleWhen="choice-unselected" whenTagName="kind" whenChoiceValue="fine"', ["roof", "not roof", ""]),
        ('visibleWhen="choice-selected" whenTagName="kind"', ["roof", "not roof", "not roof"]),
        ('visibleWhen="choice-selected"', ["roof", "not roof", "not roof"]),
        ('whenChoiceValue="leak"', ["roof", "not roof", ""]),
        ('visibleWhen="region-selected"', ["roof", "", ""]),
    ],
)
def test_options_that_nobody_was_shown_are_not_options_that_were_not_chosen(when: str, said: list[str]) -> None:
    assert of_leaks(when) == said


def test_conditions_add_up_from_the_outside_in() -> None:
    inner = (
        '<View visibleWhen="choice-selected" whenTagName="a" whenChoiceValue="x"><Choices name="c" toName="t"/></View>'
    )
    tree = read(f'<View><View visibleWhen="choice-unselected" whenTagName="b">{inner}</View></View>')
    when = conditions(tree, "c")
    assert when == (("choice-unselected", "b", ""), ("choice-selected", "a", "x"))
    assert was_shown(when, [choice("x", control="a")])
    assert not was_shown(when, [choice("x", control="a"), choice("y", control="b")])
    assert not was_shown(when, [])


def test_choices_of_regions_are_not_labels_of_items_without_a_config() -> None:
    of_region = choice("a") | {"value": {"choices": ["a"], "x": 1, "y": 1, "width": 5, "height": 5}, "id": "r"}
    of_image = choice("a") | {"item_index": 1}
    for result in (of_region, of_image):
        with pytest.raises(InvalidInputError, match="of regions or of single images"):
            infer([task(number, annotation(number, result)) for number in range(1, 5)])


def test_a_choice_of_a_region_beside_that_of_the_item_is_left_alone() -> None:
    of_region = choice("b") | {"value": {"choices": ["b"], "start": 1, "end": 3}, "id": "r"}
    xml = config(f'{TEXT}<Choices name="topic" toName="text">{A_OR_B}</Choices>')
    assert labels(audited(xml, [task(1, annotation(1, of_region, choice("a")))])) == ["a"]


NESTED = """<Choices name="topic" toName="text" allowNested="true">
<Choice value="pet"><Choice value="cat"/><Choice value="dog"/></Choice><Choice value="car"/></Choices>"""


def test_nested_choices_are_paths() -> None:
    xml = config(TEXT + NESTED)
    said = [annotation(1, choice() | {"value": {"choices": [["pet", "cat"]]}})]
    dataset = audited(xml, [task(1, *said)])
    assert dataset.class_names == ("pet", "pet / cat", "pet / dog", "car")
    assert labels(dataset) == ["pet / cat"]
    control = parse(xml).control
    after = corrected_result(said[0]["result"], control, [Change("k", "pet / cat", "pet / dog")], key="k", config=xml)
    assert after[0]["value"]["choices"] == [["pet", "dog"]]


@pytest.mark.parametrize(
    "address", ["s3://bucket/notes/{}.txt", "gs://bucket/{}", "https://example.org/{}.html", "/data/upload/1/{}.json"]
)
def test_texts_that_are_addresses_of_files_are_named(address: str) -> None:
    xml = config(f'{TEXT}<Choices name="topic" toName="text">{A_OR_B}</Choices>')
    tasks = [task(i, annotation(i, choice("ab"[i % 2])), data={"text": address.format(i)}) for i in range(1, 7)]
    with pytest.raises(InvalidInputError, match=r"6 of 6 texts are addresses of files.*--features"):
        encode(audited(xml, tasks))


def test_web_addresses_themselves_can_be_judged() -> None:
    xml = config(f'{TEXT}<Choices name="topic" toName="text">{A_OR_B}</Choices>')
    hosts = ["bank.example", "b4nk.example", "shop.example", "sh0p.example", "post.example", "p0st.example"]
    tasks = [
        task(i, annotation(i, choice("ab"[i % 2])), data={"text": f"https://{host}/login"})
        for i, host in enumerate(hosts, 1)
    ]
    assert len(encode(audited(xml, tasks)).features) == 6
