"""Labelling configs of every type, each with what an annotator says with it."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

LABELS = '<Label value="a"/><Label value="b"/>'
CHOICES = '<Choice value="a"/><Choice value="b"/>'
TEXT = "We met in Lyon,\nand again in Paris."
PAGE = "<p>We met in <b>Lyon</b>, and</p><ul><li>again in Paris.</li></ul>"
TALK = [{"author": "Ann", "text": "We met in Lyon"}, {"author": "Bo", "text": "and again in Paris."}]
CHAT = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "In Lyon."}]
SERIES = {"t": [float(at) for at in range(12)], "v": [at % 5 / 2 for at in range(12)]}
DATA: dict[str, Any] = {
    "text": TEXT,
    "page": PAGE,
    "talk": TALK,
    "chat": CHAT,
    "coded": base64.b64encode(TEXT.encode()).decode(),
    "image": "/data/upload/1/a.png",
    "sound": "/data/upload/1/a.wav",
    "clip": "https://example.org/a.mp4",
    "series": SERIES,
    "row": {"name": "bolt", "size": 3, "new": True},
    "doc": {"body": [TEXT]},
}
TEXTS = {
    "Text": '<Text name="x" value="$text"/>',
    "coded": '<Text name="x" value="$coded" encoding="base64unicode"/>',
    "deep": '<Text name="x" value="$doc.body[0]"/>',
    "HyperText": '<HyperText name="x" value="$page"/>',
    "Paragraphs": '<Paragraphs name="x" value="$talk"/>',
    "Chat": '<Chat name="x" value="$chat"/>',
    "Table": '<Table name="x" value="$row"/>',
    "Image": '<Image name="x" value="$image"/>',
    "Audio": '<Audio name="x" value="$sound"/>',
    "Video": '<Video name="x" value="$clip"/>',
    "TimeSeries": '<TimeSeries name="x" value="$series" timeColumn="t"><Channel column="v"/></TimeSeries>',
}
SIZE = {"original_width": 80, "original_height": 60}
TRACK = [
    {"frame": 1, "time": 0.04, "enabled": True, "x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0},
    {"frame": 9, "time": 0.4, "enabled": False, "x": 30, "y": 12, "width": 20, "height": 25, "rotation": 9},
]


class Sample(NamedTuple):
    """A labelling config, the control of it, and the values of results that an annotation has."""

    config: str
    control: str | None
    results: tuple[dict[str, Any], ...]


def _whole(over: str, control: str, value: dict[str, Any], part: str | None = None, more: str = "") -> Sample:
    """What labels an item as a whole."""
    tag = control[1:].split()[0].rstrip("/>")
    result = {"from_name": "c", "to_name": "x", "type": tag.lower(), "value": value, "id": "r"}
    return Sample(f"<View>{TEXTS[over]}{control}{more}</View>", part, (result,))


def _regions(over: str, tag: str, *values: dict[str, Any], part: str | None = None, more: str = "") -> Sample:
    """Two regions of an item, or more."""
    results = tuple(
        {"from_name": "c", "to_name": "x", "type": tag.lower(), "id": f"r{number}", **SIZE}
        | {"value": {**value, tag.lower(): ["ab"[number % 2]]}, "image_rotation": 0}
        for number, value in enumerate(values)
    )
    return Sample(f'<View>{TEXTS[over]}<{tag} name="c" toName="x">{LABELS}</{tag}>{more}</View>', part, results)


def _runs(top: int) -> list[int]:
    """A mask of a quarter, from row *top* on, as Label Studio writes it."""
    import numpy as np
    from label_studio_sdk.converter.brush import encode_rle

    painted = np.zeros((60, 80, 4), np.uint8)
    painted[top : top + 30, :40] = 255
    return list(encode_rle(painted.ravel()))


def samples() -> list[Sample]:
    """One of each type of label and of item."""
    box = {"x": 10, "y": 20, "width": 30, "height": 20, "rotation": 0}
    corners = [[10, 10], [40, 12], [35, 50]]
    turned = {**box, "x": 50, "rotation": 30}
    video = f'<VideoRectangle name="d" toName="x"/><Labels name="c" toName="x">{LABELS}</Labels>'
    tracked = {"from_name": "d", "to_name": "x", "type": "videorectangle", "id": "r1", "value": {"sequence": TRACK}}
    tracked["value"] |= {"framesCount": 20, "duration": 0.8, "labels": ["a"]}
    picked = f'<Choices name="c" toName="x" choice="multiple">{CHOICES}</Choices>'
    nested = '<Choices name="c" toName="x" allowNested="true"><Choice value="a"><Choice value="b"/></Choice></Choices>'
    tree = '<Taxonomy name="c" toName="x"><Choice value="a"><Choice value="b"/></Choice></Taxonomy>'
    shown = f'<Choices name="c" toName="x" choice="multiple" visibleWhen="choice-selected" whenTagName="o">{CHOICES}'
    other = '<Choices name="o" toName="x"><Choice value="x"/></Choices>'
    single = f'<Choices name="c" toName="x">{CHOICES}</Choices>'
    return [
        *(_whole(over, single, {"choices": ["a"]}) for over in TEXTS),
        _whole("Text", picked, {"choices": ["a", "b"]}, "c:a"),
        _whole("Text", f"{shown}</Choices>", {"choices": ["a"]}, "c:a", other),
        _whole("Text", nested, {"choices": [["a", "b"]]}),
        _whole("Image", tree, {"taxonomy": [["a", "b"]]}),
        _whole("Image", tree, {"taxonomy": [["a", "b"]]}, "c:1"),
        _whole("Text", '<Taxonomy name="c" toName="x" value="$tree"/>', {"taxonomy": [["a", "b"]]}),
        _whole("Text", '<Rating name="c" toName="x" maxRating="5"/>', {"rating": 3}),
        _whole("Text", '<Number name="c" toName="x" min="0" max="5"/>', {"number": 3}),
        _whole("Text", '<Number name="c" toName="x"/>', {"number": 3.5}),
        _whole("Text", '<Pairwise name="c" toName="x"/>', {"selected": "left"}),
        _regions("Image", "RectangleLabels", box, turned),
        _regions("Image", "RectangleLabels", box, turned, part="c:a"),
        _regions(
            "Image", "PolygonLabels", {"points": corners}, {"points": [[60, 60], [90, 62], [85, 95]], "closed": True}
        ),
        _regions("Image", "EllipseLabels", {"x": 50, "y": 50, "radiusX": 9, "radiusY": 5, "rotation": 3}, {**box}),
        _regions("Image", "KeyPointLabels", {"x": 5, "y": 5, "width": 1}, {"x": 55, "y": 5, "width": 1}),
        _regions("Image", "BrushLabels", {"format": "rle", "rle": _runs(0)}, {"format": "rle", "rle": _runs(30)}),
        _regions("Image", "Labels", box, {"points": corners}),
        _regions("Text", "Labels", {"start": 10, "end": 14, "text": "Lyon"}, {"start": 29, "end": 34, "text": "Paris"}),
        _regions("coded", "Labels", {"start": 10, "end": 14, "text": "Lyon"}),
        _regions(
            "HyperText",
            "HyperTextLabels",
            {"start": "/p[1]/b[1]/text()[1]", "end": "/p[1]/b[1]/text()[1]", "startOffset": 0, "endOffset": 4}
            | {"globalOffsets": {"start": 10, "end": 14}, "text": "Lyon"},
            {"globalOffsets": {"start": 3, "end": 6}, "text": "met"},
        ),
        _regions(
            "Paragraphs",
            "ParagraphLabels",
            {"start": "0", "end": "0", "startOffset": 10, "endOffset": 14, "text": "Lyon"},
            {"start": "0", "end": "1", "startOffset": 3, "endOffset": 3},
        ),
        _regions("Audio", "Labels", {"start": 0.1, "end": 0.5, "channel": 0}, {"start": 1, "end": 2}),
        _regions(
            "TimeSeries",
            "TimeSeriesLabels",
            {"start": 1, "end": 5, "instant": False},
            {"start": 6, "end": 9, "instant": False},
        ),
        Sample(f"<View>{TEXTS['Video']}{video}</View>", "c", (tracked,)),
    ]


def tasks_of(sample: Sample) -> list[dict[str, Any]]:
    """Two tasks, the first of which has two annotations and a prediction."""
    numbers = iter(range(11, 99))

    def annotation(**more: Any) -> dict[str, Any]:
        said = {"id": next(numbers), "completed_by": 1, "was_cancelled": False, "updated_at": "2026-05-01T10:00:00Z"}
        return {**said, "lead_time": 3.5, "result": [dict(result) for result in sample.results], **more}

    first = [annotation(), annotation(completed_by={"id": 2, "email": "b@example.org"}, parent_annotation=11)]
    predicted = [{"id": 7, "model_version": "m1", "score": 0.5, "result": [dict(one) for one in sample.results]}]
    return [
        {"id": 1, "data": dict(DATA), "annotations": first, "predictions": predicted, "drafts": [], "meta": {}},
        {"id": 2, "data": dict(DATA), "annotations": [annotation()], "predictions": [], "updated_at": "2026-05-02"},
    ]
