"""Which control of a labelling config is audited, and what is said where none can be."""

from __future__ import annotations

import pytest

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.reading.label_config import infer, parse
from tests.labelstudio.samples import annotation, choice, task

CHOICES = '<Choice value="cat"/><Choice value="dog"/>'


def config(*tags: str, item: str = '<Image name="img" value="$image"/>') -> str:
    """A labelling config of *tags* over *item*."""
    return f"<View>{item}{''.join(tags)}</View>"


def choices(name: str = "animal", attributes: str = "", inside: str = CHOICES) -> str:
    """A ``Choices`` tag over ``img``."""
    return f'<Choices name="{name}" toName="img" {attributes}>{inside}</Choices>'


def test_single_choice_over_an_image() -> None:
    found = parse(config(choices()))
    assert (found.control.name, found.control.to_name, found.control.value_key) == ("animal", "img", "image")
    assert (found.class_names, found.kind) == (("cat", "dog"), "image")


def test_classes_keep_the_order_of_the_config_and_their_aliases() -> None:
    inside = '<Choice value="Zebra"/><Choice value="Ant" alias="a"/><Choice value="Cat &amp; dog"/>'
    assert parse(config(choices(inside=inside))).class_names == ("Zebra", "a", "Cat & dog")


def test_other_controls_do_not_matter() -> None:
    boxes = '<RectangleLabels name="box" toName="img"><Label value="x"/></RectangleLabels>'
    assert parse(config(boxes, choices(), choices("many", 'choice="multiple"'))).control.name == "animal"


def test_two_controls_are_named_and_one_can_be_chosen() -> None:
    both = config(choices("animal"), choices("mood", 'choice="single-radio"'))
    with pytest.raises(InvalidInputError, match=r"'animal', 'mood'.*--control NAME"):
        parse(both)
    assert parse(both, "mood").control.name == "mood"
    with pytest.raises(InvalidInputError, match=r"'colour' cannot be audited.*'animal', 'mood'"):
        parse(both, "colour")


@pytest.mark.parametrize(
    ("tags", "item", "said"),
    [
        ([choices(attributes='choice="multiple"')], None, "animal:cat, animal:dog"),
        ([choices(inside="")], None, "without any choice"),
        ([choices().replace('toName="img"', 'toName="gone"')], None, "over 'gone', which is not in the config"),
        (['<Repeater on="$items" indexFlag="{{i}}">' + choices("c_{{i}}") + "</Repeater>"], None, "inside a Repeater"),
        (['<TextArea name="note" toName="img"/>'], None, "TextArea 'note' (of a type that cannot be audited)"),
        ([], None, "no control at all"),
    ],
)
def test_what_was_found_is_named_where_nothing_can_be_audited(tags: list[str], item: str | None, said: str) -> None:
    whole = config(*tags, item=item) if item else config(*tags)
    with pytest.raises(InvalidInputError, match=r"no control that can be audited|is a multiple choice") as raised:
        parse(whole)
    assert said in str(raised.value)


@pytest.mark.parametrize("text", ["", "nothing", "<View><Choices", '{"json": true}'])
def test_text_that_is_no_config(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot be read|no control at all"):
        parse(text)


def test_inferred_from_results() -> None:
    address = {"caption": "a pet", "photo": "/data/local-files/?d=pets/1.jpg"}
    labels = ["dog", "cat", "dog"]
    tasks = [task(i, annotation(i, choice(label)), data=address) for i, label in enumerate(labels)]
    found = infer(tasks)
    assert (found.control.name, found.control.to_name, found.control.value_key) == ("topic", "text", "photo")
    assert (found.class_names, found.kind) == (("cat", "dog"), "image")


def test_inferred_from_texts_with_results_of_other_kinds_and_damaged_ones() -> None:
    boxes = {"from_name": "box", "to_name": "img", "type": "rectanglelabels", "value": {"rectanglelabels": ["x"]}}
    broken = [{"from_name": "topic", "type": "choices"}, {"type": "choices", "value": None}, {}]
    tasks = [task(1, annotation(1, boxes, choice("a"), *broken)), task(2, annotation(2, choice("b")))]
    assert infer(tasks).class_names == ("a", "b")


def test_inferred_controls_are_named_where_there_are_two() -> None:
    tasks = [task(1, annotation(1, choice("a"), choice("b", control="mood")))]
    with pytest.raises(InvalidInputError, match=r"'mood', 'topic'.*--control"):
        infer(tasks)
    assert infer(tasks, "mood").class_names == ("b",)


def test_a_control_with_several_choices_at_a_time_is_not_taken_for_single_choice() -> None:
    tasks = [task(i, annotation(i, choice(*labels))) for i, labels in enumerate([["a"], ["a", "b"], ["b"]])]
    with pytest.raises(InvalidInputError, match=r"choices 'topic' \(several may be chosen\)"):
        infer(tasks)


def test_addresses_of_something_else_are_not_taken_for_texts() -> None:
    tasks = [task(i, annotation(i, choice("a")), data={"audio": f"/data/upload/{i}.wav"}) for i in range(3)]
    with pytest.raises(InvalidInputError, match="--label-config"):
        infer(tasks)
