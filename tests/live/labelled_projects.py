"""Projects with configs as Label Studio's templates have them, one a label type, with planted wrong labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tests.label_types.test_regions import run_lengths
from tests.media_files import save_sound

SENTENCES = {
    "Sports": "The {} team won the match after the goalkeeper saved a penalty in minute {}.",
    "Space": "The {} rocket left its orbit and the probe sent pictures of the moon on day {}.",
}
WORDS = ("red", "young", "northern", "famous", "tired", "second", "old", "blue", "southern", "brave")
NAMES = ("Anna", "Boris", "Clara", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Irina", "Jonas")
CITIES = ("Lyon", "Porto", "Graz", "Turin", "Malmö", "Gdańsk", "Bruges", "Cádiz", "Bergen", "Split")
COUNT = 60
WRONG = (6, 17, 40)
"""Items, counted from 0, that get the other label."""

TEXT = '<Text name="text" value="$text"/>'
NER = """<View><Labels name="label" toName="text"><Label value="PER" background="red"/>
<Label value="LOC" background="green"/></Labels><Text name="text" value="$text"/></View>"""
SOUNDS = """<View><Audio name="sound" value="$sound"/><Labels name="label" toName="sound"><Label value="Low"/>
<Label value="High"/></Labels></View>"""
BOXES = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="Airplane" background="green"/><Label value="Car" background="blue"/></RectangleLabels></View>"""
MULTIPLE = f"""<View>{TEXT}<Choices name="topic" toName="text" choice="multiple">
<Choice value="Sports"/><Choice value="Space"/><Choice value="Long"/></Choices></View>"""
TAXONOMY = f"""<View>{TEXT}<Taxonomy name="taxonomy" toName="text">
<Choice value="Leisure"><Choice value="Sports"/></Choice>
<Choice value="Science"><Choice value="Space"/></Choice></Taxonomy></View>"""
RATING = f'<View>{TEXT}<Rating name="rating" toName="text" maxRating="5" icon="star"/></View>'
TABLE = """<View><Header value="Table with {key: value} pairs"/><Table name="table" value="$item"/>
<Choices name="choice" toName="table"><Choice value="Correct"/><Choice value="Incorrect"/></Choices></View>"""
PATHS = {"Sports": ["Leisure", "Sports"], "Space": ["Science", "Space"]}


@dataclass(frozen=True)
class LabelType:
    """A config, the control to name, the tasks, and the label that each item should have.

    *wrong* are the regions, or where there are none the texts of task data, whose label was planted.
    """

    config: str
    control: str | None
    tasks: list[dict[str, Any]]
    wrong: frozenset[str]


def result(control: str, over: str, kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One result."""
    return {"from_name": control, "to_name": over, "type": kind, "value": value, **more}


def of_texts(config: str, control: str, kind: str, value: Callable[[str], dict[str, Any]]) -> LabelType:
    """Sixty sentences of two topics, with *value* of the topic that each is said to have."""
    tasks, wrong = [], set()
    for number in range(COUNT):
        topic = ("Sports", "Space")[number % 2]
        said = topic if number not in WRONG else {"Sports": "Space", "Space": "Sports"}[topic]
        text = SENTENCES[topic].format(WORDS[number % 10], number)
        given = [result(control.partition(":")[0], "text", kind, value(said))]
        tasks.append({"data": {"text": text}, "annotations": [{"result": given}]})
        if said != topic:
            wrong.add(text)
    return LabelType(config, control, tasks, frozenset(wrong))


def spans() -> LabelType:
    """Sentences with the name of a person and of a place; three are mixed up."""
    tasks, wrong = [], set()
    for number in range(40):
        name, city = NAMES[number % 10], CITIES[(number // 2) % 10]
        text = f"On day {number} our colleague {name} travelled from the office to the town of {city} by train."
        parts = []
        for kind, word, region in (("PER", name, f"per-{number}"), ("LOC", city, f"loc-{number}")):
            planted = region in ("per-6", "loc-17", "per-33")
            label = kind if not planted else {"PER": "LOC", "LOC": "PER"}[kind]
            wrong |= {region} if planted else set()
            start = text.index(word)
            value = {"start": start, "end": start + len(word), "text": word, "labels": [label]}
            parts.append(result("label", "text", "labels", value, id=region))
        tasks.append({"data": {"text": text}, "annotations": [{"result": parts}]})
    return LabelType(NER, None, tasks, frozenset(wrong))


def boxes(folder: Path, address: str, tag: str = "RectangleLabels", count: int = 24) -> LabelType:
    """Pictures of 400 × 300 pixels with two triangles and a square in *folder*, two annotators for every fourth, drawn
    with the control *tag*.
    """
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    tasks, wrong = [], set()
    for number in range(count):
        image = Image.fromarray(random.integers(40, 70, (300, 400, 3)).astype(np.uint8))
        parts = []
        for place, kind in enumerate(("Airplane", "Car", "Airplane" if number % 2 else "Car")):
            left, top, side = 20 + 130 * place, int(random.integers(20, 200)), int(random.integers(50, 80))
            _draw(image, kind, left, top, side)
            region = f"box-{number}-{place}"
            planted = (number, place) in ((3, 0), (10, 1), (17, 2))
            label = kind if not planted else {"Airplane": "Car", "Car": "Airplane"}[kind]
            wrong |= {region} if planted else set()
            parts.append(_shape(tag, label, region, left, top, side))
        image.save(folder / f"{number:02}.png")
        annotations = [{"result": parts}]
        if number % 4 == 0:  # somebody else drew nearly the same
            again = [{**part, "id": part["id"] + "-b"} for part in parts]
            annotations.append({"result": again})
        tasks.append({"data": {"image": f"{address}/{number:02}.png"}, "annotations": annotations})
    return LabelType(BOXES.replace("RectangleLabels", tag), None, tasks, frozenset(wrong))


def _draw(image: Image.Image, kind: str, left: int, top: int, side: int) -> None:
    pen = ImageDraw.Draw(image)
    if kind == "Car":
        pen.rectangle((left + 3, top + 3, left + side - 3, top + side - 3), fill="#d8a030")
    else:
        pen.polygon(
            [(left + side / 2, top + 3), (left + 3, top + side - 3), (left + side - 3, top + side - 3)], "#3fb0e0"
        )


def _shape(tag: str, label: str, region: str, left: float, top: float, side: float) -> dict[str, Any]:
    """A square region, drawn as the control *tag* draws."""
    x, y, wide, high = left / 4, top / 3, side / 4, side / 3
    if tag == "PolygonLabels":
        value: dict[str, Any] = {"points": [[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]], "closed": True}
    elif tag == "BrushLabels":
        painted = np.zeros((300, 400), bool)
        painted[int(top) : int(top + side), int(left) : int(left + side)] = True
        value = {"format": "rle", "rle": run_lengths(painted)}
    else:
        value = {"x": x, "y": y, "width": wide, "height": high, "rotation": 0}
    return result(
        "label",
        "image",
        tag.lower(),
        {**value, tag.lower(): [label]},
        id=region,
        original_width=400,
        original_height=300,
        image_rotation=0,
    )


def sounds(folder: Path, address: str) -> LabelType:
    """Two seconds of a low and a high note in *folder*, each marked; three are mixed up."""
    folder.mkdir(parents=True, exist_ok=True)
    random, tasks, wrong = np.random.default_rng(0), [], set()
    times = np.arange(2 * 16_000) / 16_000
    for number in range(24):
        note = np.where(times < 1, np.sin(2 * np.pi * 300 * times), np.sin(2 * np.pi * 900 * times))
        save_sound(folder / f"{number:02}.wav", 0.3 * note + random.normal(0, 0.02, len(times)))
        parts = []
        for place, kind in enumerate(("Low", "High")):
            region = f"sound-{number}-{place}"
            planted = (number, place) in ((3, 0), (10, 1), (17, 1))
            label = kind if not planted else {"Low": "High", "High": "Low"}[kind]
            wrong |= {region} if planted else set()
            value = {"start": place + 0.1, "end": place + 0.7, "channel": 0, "labels": [label]}
            parts.append(result("label", "sound", "labels", value, id=region, original_length=2.0))
        tasks.append({"data": {"sound": f"{address}/{number:02}.wav"}, "annotations": [{"result": parts}]})
    return LabelType(SOUNDS, None, tasks, frozenset(wrong))


def rows() -> LabelType:
    """Invoices whose total is right or wrong, by their own field; three rows with the other label."""
    random = np.random.default_rng(0)
    tasks, wrong = [], set()
    for number in range(COUNT):
        right = number % 2 == 0
        item = {
            "invoice": f"INV-{number:03}",
            "town": CITIES[number % 4],
            "difference": float(random.normal(0, 1) if right else random.normal(40, 4)),
            "reminders": int(right) if number % 7 else None,
            "status": "paid" if right else "open",
        }
        label = ("Correct", "Incorrect")[(not right) ^ (number in WRONG)]
        given = [result("choice", "table", "choices", {"choices": [label]})]
        tasks.append({"data": {"item": item}, "annotations": [{"result": given}]})
        wrong |= {item["invoice"]} if number in WRONG else set()
    return LabelType(TABLE, None, tasks, frozenset(wrong))


def of_topics() -> dict[str, LabelType]:
    """The label types whose items are sentences, by name."""
    choices = of_texts(MULTIPLE, "topic:Sports", "choices", lambda topic: {"choices": [topic, "Long"]})
    paths = of_texts(TAXONOMY, "taxonomy", "taxonomy", lambda topic: {"taxonomy": [PATHS[topic]]})
    top = of_texts(TAXONOMY, "taxonomy:1", "taxonomy", lambda topic: {"taxonomy": [PATHS[topic]]})
    stars = of_texts(RATING, "rating", "rating", lambda topic: {"rating": {"Sports": 2, "Space": 5}[topic]})
    return {"multiple": choices, "taxonomy": paths, "level": top, "rating": stars}
