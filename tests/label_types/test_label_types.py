"""Each control type with a config from Label Studio's templates: its labellings, and what is read of them."""

from __future__ import annotations

from typing import Any

import pytest

from ntk_labelqa.dataset import LabeledDataset, Provenance, split_span
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types import control_type
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.label_types.crop import split_crop
from ntk_labelqa.labelstudio.reading import label_values as values
from ntk_labelqa.labelstudio.reading import tasks as reading
from ntk_labelqa.labelstudio.reading.label_config import parse
from tests.labelstudio.samples import annotation, task

TEXT = '<Text name="text" value="$text"/>'
MULTIPLE = f"""<View>{TEXT}<Choices name="topic" toName="text" choice="multiple">
<Choice value="Sports"/><Choice value="Politics"/></Choices></View>"""
TAXONOMY = f"""<View>{TEXT}<Taxonomy name="taxonomy" toName="text"><Choice value="Archaea"/><Choice value="Bacteria"/>
<Choice value="Eukarya"><Choice value="Human"/><Choice value="Oppossum" alias="opossum"/></Choice></Taxonomy></View>"""
RATING = f'<View>{TEXT}<Rating name="rating" toName="text" maxRating="4"/></View>'
BOXES = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="Airplane" background="green"/><Label value="Car" background="blue"/></RectangleLabels></View>"""
SPANS = f"""<View><Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>{TEXT}</View>"""
TABLE = """<View><Table name="table" value="$item"/><Choices name="choice" toName="table">
<Choice value="Correct"/><Choice value="Incorrect"/></Choices></View>"""


def given(control: str, value: dict[str, Any], region: str = "r", **more: Any) -> dict[str, Any]:
    """One result."""
    return {"id": region, "from_name": control, "to_name": "text", "value": value, **more}


def box(label: str, x: float, region: str) -> dict[str, Any]:
    """A region 10 % wide and high."""
    value = {"x": x, "y": 5.0, "width": 10.0, "height": 10.0, "rotation": 0, "rectanglelabels": [label]}
    return given("label", value, region, original_width=200, original_height=100)


def span(label: str, text: str, start: int, region: str, said: str = "") -> dict[str, Any]:
    """A span of 4 characters."""
    value = {"start": start, "end": start + 4, "text": said or text[start : start + 4], "labels": [label]}
    return given("label", value, region)


def read(config: str, *tasks: dict[str, Any], control: str | None = None) -> LabeledDataset:
    """The data set of *tasks*."""
    return reading.build_dataset(tasks, parse(config, control), Provenance("test"))


def labels(dataset: LabeledDataset) -> list[str]:
    """The label of each annotation."""
    return [dataset.class_names[code] for code in dataset.label_codes]


def left_out(dataset: LabeledDataset) -> dict[str, tuple[int, ...]]:
    """Ids by reason."""
    return {gone.reason: gone.ids for gone in dataset.left_out}


def test_an_option_of_a_multiple_choice_is_a_labelling_of_its_own() -> None:
    given_choices = [["Sports"], ["Politics", "Sports"], ["Politics"], [], ["Sports", "Renamed"]]
    tasks = [task(i, annotation(i, given("topic", {"choices": chosen}))) for i, chosen in enumerate(given_choices, 1)]
    dataset = read(MULTIPLE, *tasks, task(6, annotation(6)), control="topic:Sports")
    assert labels(dataset) == ["Sports", "Sports", "not Sports", "not Sports", "not Sports"]
    assert left_out(dataset)[reading.UNKNOWN_LABEL] == (5,)
    assert dataset.control is not None
    assert dataset.control.full_name == "topic:Sports"


def test_the_options_are_named_where_none_is() -> None:
    with pytest.raises(InvalidInputError, match=r"multiple choice.*topic:Sports, topic:Politics"):
        parse(MULTIPLE)
    with pytest.raises(InvalidInputError, match=r"topic:Sports, topic:Politics"):
        parse(MULTIPLE, "topic:Weather")


@pytest.mark.parametrize(
    ("control", "classes", "said", "reasons"),
    [
        (
            "taxonomy",
            ("Archaea", "Bacteria", "Eukarya", "Eukarya / Human", "Eukarya / opossum"),
            ["Archaea", "Eukarya / Human"],
            {control_type.SEVERAL_CHOICES: (3, 4)},
        ),
        (
            "taxonomy:1",
            ("Archaea", "Bacteria", "Eukarya"),
            ["Archaea", "Eukarya", "Eukarya"],
            {control_type.SEVERAL_CHOICES: (4,)},
        ),
        (
            "taxonomy:2",
            ("Eukarya / Human", "Eukarya / opossum"),
            ["Eukarya / Human", "Eukarya / opossum"],
            {control_type.ABOVE_LEVEL: (1,), control_type.SEVERAL_CHOICES: (3,)},
        ),
    ],
)
def test_a_taxonomy_by_path_and_by_level(
    control: str, classes: tuple[str, ...], said: list[str], reasons: dict[str, tuple[int, ...]]
) -> None:
    human, opossum = ["Eukarya", "Human"], ["Eukarya", "opossum"]
    chosen = [[["Archaea"]], [human], [human, opossum], [["Bacteria"], opossum]]
    dataset = read(
        TAXONOMY,
        *(task(i, annotation(i, given("taxonomy", {"taxonomy": paths}))) for i, paths in enumerate(chosen, 1)),
        control=control,
    )
    assert (dataset.class_names, labels(dataset)) == (classes, said)
    assert reasons.items() <= left_out(dataset).items()


def test_levels_that_a_taxonomy_lacks() -> None:
    with pytest.raises(InvalidInputError, match=r"no level '3'.*1 to 2.*taxonomy:1"):
        parse(TAXONOMY, "taxonomy:3")


def test_a_rating() -> None:
    stars = [4, 1, 5, 2.5, None]
    dataset = read(RATING, *(task(i, annotation(i, given("rating", {"rating": n}))) for i, n in enumerate(stars, 1)))
    assert (dataset.class_names, labels(dataset)) == (("1", "2", "3", "4"), ["4", "1"])
    assert left_out(dataset)[reading.UNKNOWN_LABEL] == (3,)
    assert left_out(dataset)[control_type.NO_CHOICE] == (4, 5)


def test_each_box_is_an_item_with_its_region_id() -> None:
    image = {"image": "/data/upload/1.png"}
    dataset = read(BOXES, task(7, annotation(1, box("Car", 10, "aa"), box("Airplane", 50, "bb")), data=image))
    assert dataset.kind == "crop"
    assert dataset.items["task_id"].tolist() == [7, 7]
    assert dataset.annotations[["annotation_id", "item", "region_id"]].to_numpy().tolist() == [
        [1, 0, "aa"],
        [1, 1, "bb"],
    ]
    assert labels(dataset) == ["Car", "Airplane"]
    assert split_crop(dataset.items["value"][1]) == ("/data/upload/1.png", Box(50, 5, 10, 10, 0, 200, 100))


def test_boxes_of_two_annotators_that_overlap_are_one_item_with_both_labels() -> None:
    first = annotation(1, box("Car", 10, "aa"), box("Car", 50, "bb"))
    second = annotation(2, box("Airplane", 51, "cc"), box("Car", 80, "dd"))
    dataset = read(BOXES, task(7, first, second, data={"image": "a.png"}))
    assert dataset.annotations[["annotation_id", "item", "region_id"]].to_numpy().tolist() == [
        [1, 0, "aa"],
        [1, 1, "bb"],
        [2, 1, "cc"],
        [2, 2, "dd"],
    ]


def test_other_results_and_regions_without_a_place_do_not_become_items() -> None:
    lost = given("label", {"x": 1, "rectanglelabels": ["Car"]}, "ee")
    both = box("Car", 50, "ff")
    both["value"]["rectanglelabels"] = ["Car", "Airplane"]
    other = given("other", {"choices": ["Car"]}, "gg")
    good = annotation(1, lost, both, other, box("Car", 10, "aa"))
    dataset = read(BOXES, task(1, good, data={"image": "a.png"}), task(2, annotation(2), data={"image": "b.png"}))
    assert dataset.annotations["region_id"].tolist() == ["aa"]
    assert left_out(dataset) == {
        values.BAD_REGION: (1,),
        values.SEVERAL_LABELS: (1,),
        values.NO_REGION: (2,),
        reading.UNANNOTATED: (2,),
    }


def test_a_span_in_its_context_counted_in_characters_or_as_browsers_do() -> None:
    text = "😀 Anna met Lyon ⟦twice⟧"
    spans = [span("PER", text, 2, "aa"), span("LOC", text, 12, "bb", "Lyon"), span("LOC", text, 3, "cc", "Rome")]
    dataset = read(SPANS, task(1, annotation(1, *spans), data={"text": text}))
    assert dataset.kind == "span"
    assert [split_span(value) for value in dataset.items["value"]] == [
        ("😀 ", "Anna", " met Lyon  twice "),
        ("😀 Anna met ", "Lyon", "  twice "),
    ]
    assert dataset.annotations["region_id"].tolist() == ["aa", "bb"]
    assert left_out(dataset)[values.BAD_REGION] == (1,)


def test_a_table_row() -> None:
    rows = [{"item": {"age": 3, "town": "Bonn"}}, {"item": {"age": None}}]
    dataset = read(
        TABLE,
        *(task(i, annotation(i, given("choice", {"choices": ["Correct"]})), data=row) for i, row in enumerate(rows)),
    )
    assert (dataset.kind, dataset.items["data"].tolist()) == ("row", rows)


def test_a_single_choice_goes_first_and_the_others_are_named() -> None:
    both = MULTIPLE.replace("</View>", '<Rating name="stars" toName="text"/>') + (
        '<Choices name="tone" toName="text"><Choice value="kind"/><Choice value="rude"/></Choices></View>'
    )
    dataset = read(both, task(1, annotation(1, given("tone", {"choices": ["kind"]}))))
    assert dataset.control is not None
    assert dataset.control.name == "tone"
    assert "Choices 'topic', Rating 'stars'" in dataset.provenance.notes[0]


def test_what_is_not_supported_is_named() -> None:
    with pytest.raises(InvalidInputError, match="no control that can be audited") as raised:
        parse(RATING.replace("maxRating", 'perRegion="true" maxRating'))
    assert "of regions, not of the item" in str(raised.value)
