"""Regions of every type: read, matched between annotators, cut out, compared, corrected; damaged ones left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ntk_labelqa.auditing import run_audit
from ntk_labelqa.dataset import LabeledDataset, Provenance, split_span
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.label_types.crop import split_crop
from ntk_labelqa.label_types.ellipse import Ellipse
from ntk_labelqa.label_types.key_point import KeyPoint
from ntk_labelqa.label_types.mask import Mask
from ntk_labelqa.label_types.polygon import Polygon
from ntk_labelqa.label_types.registry import item_type_of
from ntk_labelqa.label_types.segment import split_segment
from ntk_labelqa.label_types.shape import Shape
from ntk_labelqa.label_types.track import split_track
from ntk_labelqa.labelstudio.corrections.results import Change, corrected_result
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.label_values import BAD_REGION, ID_TWICE
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.labelstudio.review.items import ItemPages
from ntk_labelqa.options import AuditOptions
from tests.labelstudio.samples import annotation, task
from tests.media_files import save_sound, save_video

LABELS = '<Label value="a"/><Label value="b"/>'
WIDTH, HEIGHT = 80, 60


def run_lengths(mask: np.ndarray) -> list[int]:
    """A bitmap as Label Studio writes masks."""
    from label_studio_sdk.converter.brush import encode_rle

    painted = np.repeat(mask.astype(np.uint8)[..., None] * 255, 4, axis=2)
    return list(encode_rle(painted.ravel()))


def disc(x: float, y: float, radius: float, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A painted disc, bool[height, width]; place in per cent, radius in pixels."""
    rows, columns = np.mgrid[:height, :width]
    return np.asarray((columns - x / 100 * width) ** 2 + (rows - y / 100 * height) ** 2 <= radius**2)


def of_image(value: dict[str, Any]) -> dict[str, Any]:
    return {"value": value, "original_width": WIDTH, "original_height": HEIGHT}


def rectangle(x: float, y: float) -> dict[str, Any]:
    return of_image({"x": x - 10, "y": y - 10, "width": 20, "height": 20, "rotation": 0})


def turned(x: float, y: float) -> dict[str, Any]:
    """The same rectangle, drawn from its upper right corner."""
    across = 100 / WIDTH
    return of_image(
        {"x": x + 8 * across, "y": y - 10, "width": 12 * across, "height": 16 * 100 / HEIGHT, "rotation": 90}
    )


def polygon(x: float, y: float) -> dict[str, Any]:
    return of_image({"points": [[x - 10, y - 10], [x + 10, y - 10], [x + 10, y + 10], [x - 10, y + 10]]})


def ellipse(x: float, y: float) -> dict[str, Any]:
    return of_image({"x": x, "y": y, "radiusX": 10, "radiusY": 10, "rotation": 0})


def mask(x: float, y: float) -> dict[str, Any]:
    return of_image({"format": "rle", "rle": run_lengths(disc(x, y, 7))})


def point(x: float, y: float) -> dict[str, Any]:
    return of_image({"x": x, "y": y, "width": 1})


class Type(NamedTuple):
    """A control over an Image, where a region of it is drawn, and its shape."""

    tag: str
    draw: Callable[[float, float], dict[str, Any]]
    shape: type[Shape]


SHAPES = [
    Type("RectangleLabels", rectangle, Box),
    Type("RectangleLabels", turned, Box),
    Type("PolygonLabels", polygon, Polygon),
    Type("EllipseLabels", ellipse, Ellipse),
    Type("BrushLabels", mask, Mask),
    Type("KeyPointLabels", point, KeyPoint),
    Type("Labels", polygon, Polygon),
]
IDS = [f"{kind.tag}-{kind.draw.__name__}" for kind in SHAPES]


def config(shown: str, tag: str, more: str = "") -> str:
    return f'<View>{shown}<{tag} name="c" toName="x">{LABELS}</{tag}>{more}</View>'


def region(tag: str, drawn: dict[str, Any], label: str, number: str, control: str = "c") -> dict[str, Any]:
    """A result of one region."""
    kind = tag.lower()
    value = {**drawn["value"], kind: [label]}
    return {**drawn, "id": number, "from_name": control, "to_name": "x", "type": kind, "value": value}


def read(xml: str, tasks: list[dict[str, Any]], control: str | None = None) -> LabeledDataset:
    return build_dataset(tasks, parse(xml, control), Provenance("test", project_id=1))


def left_out(dataset: LabeledDataset) -> dict[str, tuple[int, ...]]:
    return {gone.reason: gone.ids for gone in dataset.left_out if gone.of == "region"}


def draw_image(path: Path, bright: tuple[float, float], dark: tuple[float, float], seed: int) -> None:
    """A bright disc and a dark square on grey noise."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(100, 156, (HEIGHT, WIDTH), dtype=np.uint8))
    pen = ImageDraw.Draw(image)
    x, y = bright[0] / 100 * WIDTH, bright[1] / 100 * HEIGHT
    pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=250)
    x, y = dark[0] / 100 * WIDTH, dark[1] / 100 * HEIGHT
    pen.rectangle((x - 6, y - 6, x + 6, y + 6), fill=5)
    image.save(path)


@pytest.mark.long
@pytest.mark.parametrize("kind", SHAPES, ids=IDS)
def test_shapes_are_audited_from_the_drawing_to_the_correction(kind: Type, tmp_path: Path) -> None:
    xml, random = config('<Image name="x" value="$image"/>', kind.tag), np.random.default_rng(3)
    tasks, wrong = [], "r7a"
    for number in range(1, 31):
        bright = (random.uniform(20, 40), random.uniform(25, 75))
        dark = (random.uniform(60, 80), random.uniform(25, 75))
        draw_image(tmp_path / f"{number}.png", bright, dark, number)
        said = [
            region(kind.tag, kind.draw(*bright), "b" if f"r{number}a" == wrong else "a", f"r{number}a"),
            region(kind.tag, kind.draw(*dark), "b", f"r{number}b"),
        ]
        tasks.append(task(number, annotation(number, *said), data={"image": f"{number}.png"}))
    dataset = fetch_media(read(xml, tasks), root=tmp_path, cache_dir=tmp_path / "cache")
    assert (dataset.kind, len(dataset)) == ("crop", 60)
    assert {type(split_crop(value)[1]) for value in dataset.items["value"]} == {kind.shape}
    audit = run_audit(dataset, AuditOptions(architecture="2-L"))
    assert audit.findings.set_index("region_id")["error_probability"].idxmax() == wrong
    assert audit.items["thumbnail"].notna().any()
    page = ItemPages(audit.manifest["data"], {(7, wrong): (dataset.items["value"][12], None)}).whole((7, wrong))
    assert "No%20preview" in page["item_html"]  # a path of this machine: no browser could fetch it
    before = tasks[6]["annotations"][0]["result"]
    change = Change("p1-t7-a7-r", "b", "a", wrong)
    now, beside = corrected_result(before, parse(xml).control, [change], key="k", config=xml)
    assert now["value"] == {**before[0]["value"], kind.tag.lower(): ["a"]}
    assert beside == before[1]


@pytest.mark.parametrize("kind", SHAPES, ids=IDS)
def test_what_two_annotators_drew_in_one_place_is_one_item(kind: Type) -> None:
    xml = config('<Image name="x" value="$image"/>', kind.tag)
    first = [region(kind.tag, kind.draw(30, 40), "a", "p"), region(kind.tag, kind.draw(70, 60), "b", "q")]
    second = [region(kind.tag, kind.draw(71, 60), "a", "r"), region(kind.tag, kind.draw(30, 80), "b", "s")]
    dataset = read(xml, [task(1, annotation(1, *first), annotation(2, *second), data={"image": "1.png"})])
    assert dataset.annotations["item"].tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("kind", SHAPES, ids=IDS)
def test_a_value_gives_back_the_place(kind: Type) -> None:
    drawn = kind.shape.read(kind.draw(30, 40)["value"], (WIDTH, HEIGHT))
    assert drawn is not None
    address, place = split_crop(drawn.value("s3://pets/#1.png?x=1&points=2"))
    assert address == "s3://pets/#1.png?x=1&points=2"
    assert place is not None
    assert drawn.overlap(place) == pytest.approx(1.0)
    assert place.size == (WIDTH, HEIGHT)


def test_shapes_overlap_by_what_they_cover() -> None:
    square = Box(10, 10, 40, 40)
    assert square.overlap(Polygon(((10, 10), (50, 10), (50, 50), (10, 50)))) == pytest.approx(1.0, abs=0.03)
    assert square.overlap(Polygon(((10, 10), (50, 10), (10, 50)))) == pytest.approx(0.5, abs=0.03)
    assert square.overlap(Ellipse(30, 30, 20, 20)) == pytest.approx(np.pi / 4, abs=0.03)
    assert Box(50, 10, 40, 40, 90).overlap(square) == pytest.approx(1.0, abs=0.03)  # from its upper right corner
    assert square.overlap(Box(60, 60, 10, 10, 5)) == 0.0


def test_outside_a_shape_its_crop_is_white() -> None:
    image = Image.new("L", (WIDTH, HEIGHT), 0)
    triangle = Polygon(((0, 0), (100, 0), (0, 100)), WIDTH, HEIGHT).cut(image)
    assert triangle is not None
    assert [triangle.getpixel(at) for at in ((3, 3), (WIDTH - 3, HEIGHT - 3))] == [0, 255]


@pytest.mark.parametrize(
    ("tag", "value", "size"),
    [
        ("RectangleLabels", {"x": "1", "y": 1, "width": 9, "height": 9}, True),
        ("RectangleLabels", {"x": float("nan"), "y": 1, "width": 9, "height": 9}, True),
        ("RectangleLabels", {"x": 10**400, "y": 1, "width": 9, "height": 9}, True),
        ("RectangleLabels", {"x": 1, "y": 1, "width": 0, "height": 9}, True),
        ("RectangleLabels", {"x": 1, "y": 1, "width": 9, "height": 9, "rotation": "x"}, True),
        ("PolygonLabels", {"points": [[1, 1], [9, 9]]}, True),
        ("PolygonLabels", {"points": [[1, 1], [9, 9], [3]]}, True),
        ("PolygonLabels", {"points": [[1, 1], [1, 9], [1, 5]]}, True),
        ("PolygonLabels", {"points": "1,1"}, True),
        ("EllipseLabels", {"x": 1, "y": 1, "radiusX": -1, "radiusY": 2}, True),
        ("KeyPointLabels", {"x": None, "y": 1, "width": 1}, True),
        ("BrushLabels", {"rle": [0, 1]}, True),
        ("BrushLabels", {"rle": run_lengths(disc(50, 50, 5, 10, 10))}, True),
        ("BrushLabels", {"rle": run_lengths(disc(50, 50, 5))}, False),
        ("BrushLabels", {"rle": run_lengths(disc(50, 50, 5))[:20]}, True),
        ("BrushLabels", {"rle": ["x"] * 20}, True),
        ("Labels", {}, True),
    ],
)
def test_a_place_that_cannot_be_read_is_left_out_and_named(tag: str, value: dict[str, Any], size: bool) -> None:
    xml = config('<Image name="x" value="$image"/>', tag)
    good = next(kind for kind in SHAPES if kind.tag == tag)
    damaged = of_image(value) if size else {"value": value}
    said = [region(tag, damaged, "a", "bad"), region(tag, good.draw(50, 50), "b", "good")]
    dataset = read(xml, [task(1, annotation(4, *said), data={"image": "1.png"})])
    assert dataset.items["region_id"].tolist() == ["good"]
    assert left_out(dataset) == {BAD_REGION: (4,)}


def test_regions_nowhere_in_their_image_and_masks_of_another_are_left_out_and_named(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "1.png")
    xml = config('<Image name="x" value="$image"/>', "Labels")
    places = {
        "good": rectangle(50, 50),
        "outside": rectangle(150, 50),
        "speck": of_image({"x": 1, "y": 1, "width": 0.5, "height": 40}),
        "point": point(120, 50),
        "mask": mask(50, 50),
        "empty": of_image({"rle": run_lengths(np.zeros((HEIGHT, WIDTH), bool))}),
    }
    said = [region("Labels", place, "a", name) for name, place in places.items()]
    dataset = fetch_media(
        read(xml, [task(1, annotation(4, *said), data={"image": "1.png"})]), root=tmp_path, cache_dir=tmp_path / "c"
    )
    assert dataset.items["region_id"].tolist() == ["good"]
    assert left_out(dataset) == {
        "region smaller than 2 pixels, or outside its image": (4, 4, 4),
        "mask of another size than its image": (4,),
        "mask with nothing in it": (4,),
    }


def test_one_id_twice_is_one_region_and_the_other_is_named() -> None:
    xml = config('<Image name="x" value="$image"/>', "RectangleLabels")
    said = [region("RectangleLabels", rectangle(at, 50), "a", "same") for at in (20, 70)]
    dataset = read(xml, [task(1, annotation(4, *said), data={"image": "1.png"})])
    assert (len(dataset), left_out(dataset)) == (1, {ID_TWICE: (4,)})


def test_turned_by_any_number_of_degrees() -> None:
    [box, other] = (Box.read({"x": 1, "y": 1, "width": 9, "height": 9, "rotation": by}, (0, 0)) for by in (30, 900030))
    assert box is not None
    assert other is not None
    assert box.overlap(other) == pytest.approx(1.0)


PAGE = "<h1>News</h1>\n<p>Anna met <b>Paul</b> in\n  Lyon.</p><p>Lyon was warm.</p>"
TALK = [{"author": "Ann", "text": "I met Paul\nin Lyon"}, {"text": "Lyon?"}, {"author": "Ann", "text": "Lyon!"}]


@pytest.mark.parametrize("tag", ["Labels", "HyperTextLabels"])
def test_spans_of_a_page(tag: str) -> None:
    places = [
        {"start": "/p[1]/text()[1]", "end": "/p[1]/b[1]", "startOffset": 0, "endOffset": 4, "text": "Anna met Paul",
         "globalOffsets": {"start": 5, "end": 18}},
        {"start": "/p[2]", "end": "/p[2]", "text": "Lyon", "globalOffsets": {"start": 31, "end": 35}},
        {"start": "/p[1]", "end": "/p[1]", "text": "in Lyon", "globalOffsets": {"start": 19, "end": 28}},
        {"start": "/p[1]", "end": "/p[1]", "text": "Rome", "globalOffsets": {"start": 19, "end": 28}},
    ]  # fmt: skip
    said = [region(tag, {"value": place}, "a", str(number)) for number, place in enumerate(places)]
    xml = config('<HyperText name="x" value="$page"/>', tag)
    dataset = read(xml, [task(1, annotation(4, *said), data={"page": PAGE})])
    assert dataset.kind == "span"
    spans = [tuple(" ".join(part.split()) for part in split_span(value)) for value in dataset.items["value"]]
    assert spans[0][1:] == ("Anna met Paul", "in Lyon.Lyon was warm.")
    assert spans[1][1:] == ("Lyon", "was warm.")
    assert spans[2][1:] == ("in Lyon", ".Lyon was warm.")
    assert left_out(dataset) == {BAD_REGION: (4,)}


@pytest.mark.parametrize("tag", ["Labels", "ParagraphLabels"])
def test_spans_of_a_dialogue(tag: str) -> None:
    places = [
        {"start": "0", "end": "0", "startOffset": 6, "endOffset": 10, "text": "Paul"},
        {"start": "1", "end": "1", "startOffset": 0, "endOffset": 4, "text": "Lyon"},
        {"start": "0", "end": "1", "startOffset": 14, "endOffset": 4, "text": "Lyon\nLyon"},
        {"start": "9", "end": "9", "startOffset": 0, "endOffset": 4, "text": "Lyon"},
        {"start": "1", "end": "1", "startOffset": 0, "endOffset": 400, "text": "Lyon"},
    ]
    said = [region(tag, {"value": place}, "a", str(number)) for number, place in enumerate(places)]
    xml = config('<Paragraphs name="x" value="$talk"/>', tag)
    dataset = read(xml, [task(1, annotation(4, *said), data={"talk": TALK})])
    assert [split_span(value) for value in dataset.items["value"]] == [
        ("Ann: I met ", "Paul", "\nin Lyon\nLyon?\nAnn: Lyon!"),
        ("Ann: I met Paul\nin Lyon\n", "Lyon", "?\nAnn: Lyon!"),
        ("Ann: I met Paul\nin ", "Lyon\nLyon", "?\nAnn: Lyon!"),
    ]
    assert left_out(dataset) == {BAD_REGION: (4, 4)}


@pytest.mark.long
def test_segments_of_sounds_are_audited_and_shown(tmp_path: Path) -> None:
    random, rate = np.random.default_rng(0), 16_000
    tasks = []
    for number in range(1, 21):
        times = np.arange(2 * rate) / rate
        note = np.where(times < 1, np.sin(2 * np.pi * 300 * times), np.sin(2 * np.pi * 900 * times))
        save_sound(tmp_path / f"{number}.wav", 0.3 * note + random.normal(0, 0.01, len(times)))
        labels = ("b", "b") if number == 5 else ("a", "b")
        said = [
            region("Labels", {"value": {"start": at + 0.1, "end": at + 0.6, "channel": 0}}, label, f"r{number}{at}")
            for at, label in enumerate(labels)
        ]
        tasks.append(task(number, annotation(number, *said), data={"sound": f"{number}.wav"}))
    bad = [{"start": -1, "end": 1}, {"start": 1, "end": 1}, {"start": "0", "end": 1}]
    damaged = [region("Labels", {"value": value}, "a", f"d{row}") for row, value in enumerate(bad)]
    beyond = region("Labels", {"value": {"start": 5, "end": 6}}, "a", "beyond")
    tasks.append(task(21, annotation(21, *damaged, beyond), data={"sound": "1.wav"}))
    dataset = read(config('<Audio name="x" value="$sound"/>', "Labels"), tasks)
    dataset = fetch_media(dataset, root=tmp_path, cache_dir=tmp_path / "c")
    assert (dataset.kind, len(dataset)) == ("audio_segment", 40)
    assert left_out(dataset) == {
        BAD_REGION: (21, 21, 21),
        "segment shorter than 10 ms, or beyond the end of its sound": (21,),
    }
    audit = run_audit(dataset, AuditOptions(architecture="2-L"))
    assert audit.findings.set_index("region_id")["error_probability"].idxmax() == "r50"
    assert audit.items["thumbnail"].notna().all()
    pages = ItemPages(audit.manifest["data"], {(5, "r50"): ("/data/upload/5.wav#t=0.1,0.6", b"png")}, "/studio")
    shown = pages.whole((5, "r50"))
    assert shown["sound"] == "/studio/data/upload/5.wav"
    assert "0.1 to 0.6" in shown["item_html"]


@pytest.mark.long
def test_segments_of_time_series_by_number_and_by_date_from_files_and_from_tasks(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    shown = '<TimeSeries name="x" value="$csv" timeColumn="t"><Channel column="v"/></TimeSeries>'
    for inline in (False, True):
        tasks = []
        for number in range(1, 21):
            times = np.arange(200)
            values = np.where(times < 100, np.sin(times / 2), np.sin(times / 12)) + random.normal(0, 0.1, 200)
            days = [f"2024-01-01 00:{second // 60:02}:{second % 60:02}" for second in times]
            if inline:
                data: dict[str, Any] = {"csv": {"t": times.tolist(), "v": values.tolist()}}
            else:
                rows = "\n".join(f"{day},{value:.4f}" for day, value in zip(days, values, strict=True))
                (tmp_path / f"{number}.csv").write_text(f"t,v\n{rows}\n")
                data = {"csv": f"{number}.csv"}
            labels = ("b", "b") if number == 5 else ("a", "b")
            said = [
                region(
                    "TimeSeriesLabels",
                    {"value": {"start": at if inline else days[at], "end": at + 60 if inline else days[at + 60]}},
                    label,
                    f"r{number}{at}",
                )
                for at, label in zip((10, 120), labels, strict=True)
            ]
            tasks.append(task(number, annotation(number, *said), data=data))
        empty = [{"start": 7000, "end": 8000}, {"start": 9, "end": 1}, {"start": "soon", "end": 9}]
        said = [region("TimeSeriesLabels", {"value": value}, "a", f"d{row}") for row, value in enumerate(empty)]
        tasks.append(task(21, annotation(21, *said), data=data))
        dataset = fetch_media(read(config(shown, "TimeSeriesLabels"), tasks), root=tmp_path, cache_dir=tmp_path / "c")
        assert (dataset.kind, len(dataset)) == ("series_segment", 40)
        assert left_out(dataset) == {BAD_REGION: (21, 21), "segment of fewer than 4 rows of its series": (21,)}
        audit = run_audit(dataset, AuditOptions(architecture="2-L"))
        assert audit.findings.set_index("region_id")["error_probability"].idxmax() == "r510"
        assert audit.items["thumbnail"].notna().all()


def test_segments_of_several_annotators() -> None:
    first = [region("Labels", {"value": {"start": 0, "end": 4}}, "a", "p")]
    second = [
        region("Labels", {"value": {"start": 1, "end": 4}}, "b", "q"),
        region("Labels", {"value": {"start": 6, "end": 7}}, "b", "r"),
    ]
    xml = config('<Audio name="x" value="$sound"/>', "Labels")
    dataset = read(xml, [task(1, annotation(1, *first), annotation(2, *second), data={"sound": "1.wav"})])
    assert dataset.annotations["item"].tolist() == [0, 0, 1]
    assert split_segment(dataset.items["value"][0])[0] == "1.wav"


def track(moves: float, label: str, number: str, colour_at: float = 10.0) -> dict[str, Any]:
    """A box that moves from left to right, as a VideoRectangle has it."""
    sequence = [
        {"frame": frame, "enabled": True, "rotation": 0, "x": colour_at + moves * frame, "y": 20, "width": 25,
         "height": 40, "time": frame / 10}
        for frame in (0, 5, 10)
    ]  # fmt: skip
    value = {"framesCount": 12, "duration": 1.2, "sequence": sequence, "labels": [label]}
    return {"id": number, "from_name": "box", "to_name": "x", "type": "videorectangle", "value": value}


def test_tracks_of_videos_are_audited_and_corrected(tmp_path: Path) -> None:
    xml = config('<Video name="x" value="$clip"/>', "Labels", '<VideoRectangle name="box" toName="x"/>')
    random, tasks = np.random.default_rng(0), []
    for number in range(1, 21):
        frames = random.integers(80, 120, (12, 32, 48, 3), dtype=np.uint8)
        for at, frame in enumerate(frames):
            left = int(48 * 0.10 + at * 48 * 0.02)
            frame[7:19, left : left + 12] = 240
            frame[7:19, left + 22 : left + 34] = 10
        save_video(tmp_path / f"{number}.mp4", frames)
        said = [
            track(2, "b" if number == 5 else "a", f"r{number}a"),
            track(2, "b", f"r{number}b", 10.0 + 100 * 22 / 48),
        ]
        tasks.append(task(number, annotation(number, *said), data={"clip": f"{number}.mp4"}))
    lost = track(2, "a", "lost")
    lost["value"]["sequence"] = [{"frame": "x"}]
    tasks.append(task(21, annotation(21, lost), data={"clip": "1.mp4"}))
    dataset = fetch_media(read(xml, tasks), root=tmp_path, cache_dir=tmp_path / "c")
    assert (dataset.kind, len(dataset), left_out(dataset)) == ("crop", 40, {BAD_REGION: (21,)})
    audit = run_audit(dataset, AuditOptions(architecture="2-L"))
    assert audit.findings.set_index("region_id")["error_probability"].idxmax() == "r5a"
    before = tasks[4]["annotations"][0]["result"]
    change = Change("p1-t5-a5-r", "b", "a", "r5a")
    now, beside = corrected_result(before, parse(xml).control, [change], key="k", config=xml)
    assert (now["value"]["labels"], now["value"]["sequence"]) == (["a"], before[0]["value"]["sequence"])
    assert beside == before[1]


def test_tracks_overlap_through_time() -> None:
    xml = config('<Video name="x" value="$clip"/>', "Labels", '<VideoRectangle name="box" toName="x"/>')
    said = [annotation(1, track(2, "a", "p")), annotation(2, track(2.1, "b", "q"), track(-5, "b", "r", 60))]
    dataset = read(xml, [task(1, *said, data={"clip": "1.mp4"})])
    assert dataset.annotations["item"].tolist() == [0, 0, 1]
    drawn = split_track(dataset.items["value"][0])[1]
    assert drawn is not None
    middle = drawn.at(0.25)
    assert middle is not None
    assert middle.x == pytest.approx(15.0)
    assert drawn.at(-1.0) is None


def test_choices_of_regions_take_the_place_that_comes_with_them() -> None:
    shapes = '<PolygonLabels name="shape" toName="x"><Label value="car"/></PolygonLabels>'
    xml = (
        '<View><Image name="x" value="$image"/>' + shapes + '<Choices name="c" toName="x" perRegion="true">'
        '<Choice value="a"/><Choice value="b"/></Choices></View>'
    )
    said = [
        region("PolygonLabels", polygon(50, 50), "car", "r", control="shape"),
        region("Choices", polygon(50, 50), "a", "r"),
    ]
    dataset = read(xml, [task(1, annotation(1, *said), data={"image": "1.png"})], "c")
    assert (dataset.kind, dataset.items["region_id"].tolist()) == ("crop", ["r"])
    assert item_type_of(dataset).is_region
    assert json.dumps(dataset.items["value"][0])
