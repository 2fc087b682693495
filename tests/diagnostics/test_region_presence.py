"""What is drawn and not there, and what is there and not drawn, in pictures and texts made up for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ntk_labelqa.diagnostics.region_presence import RegionPresence, Scene, find_region_presence, mixture_share
from ntk_labelqa.encoders.image_scenes import ImageScene, image_scenes
from ntk_labelqa.encoders.places import overlaps
from ntk_labelqa.encoders.text_scenes import TextScene, text_scenes

TASKS, SIZE = 30, (96, 128)
NAMES = ("Emma", "Liam", "Noor", "Otto", "Ida", "Jonas", "Mira", "Pavel", "Lena", "Oskar", "Petra", "Hugo")
TOWNS = ("Oslo", "Bergen", "Paris", "Lima", "Turin", "Kyoto", "Delhi", "Quito", "Accra", "Minsk")
Regions = list[list[tuple[float, ...]]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Regions]:
    """Discs and squares on a mottled ground, and their boxes in per cent."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(11)
    paths, drawn = [], []
    for task in range(TASKS):
        ground = rng.integers(100, 140, (12, 16, 3)).astype(np.uint8)
        image = Image.fromarray(ground).resize(SIZE[::-1], Image.Resampling.BICUBIC)
        draw, boxes = ImageDraw.Draw(image), []
        for cell in rng.permutation(6)[:4]:
            side, kind = rng.uniform(16, 22), int(rng.integers(2))
            x, y = 42 * (cell % 3) + rng.uniform(2, 18), 48 * (cell // 3) + rng.uniform(2, 22)
            frame = (x, y, x + side, y + side)
            (draw.ellipse if kind else draw.rectangle)(frame, fill=(220, 40, 40) if kind else (30, 30, 200))
            boxes.append((x / 1.28, y / 0.96, side / 1.28, side / 0.96, kind))
        paths.append(str(folder / f"{task}.png"))
        image.save(paths[-1])
        drawn.append(boxes)
    return paths, drawn


def picture_scenes(paths: list[str], drawn: Regions, order: Sequence[int] = range(TASKS)) -> list[ImageScene]:
    places = [np.array(drawn[task])[:, :4] for task in order]
    labels = [np.array(drawn[task])[:, 4].astype(int) for task in order]
    return image_scenes(list(order), [paths[task] for task in order], [SIZE] * len(order), places, labels)


def judged(scenes: Sequence[Scene], class_count: int = 2) -> RegionPresence:
    return find_region_presence(scenes, class_count, landmarks=150)


def sentences() -> tuple[list[str], list[list[tuple[int, int, int]]]]:
    rng = np.random.default_rng(3)
    texts, spans = [], []
    for _ in range(120):
        name, town = str(rng.choice(NAMES)), str(rng.choice(TOWNS))
        verb = str(rng.choice(["went to", "lives near", "wrote from", "flew over"]))
        text = f"yesterday {name} {verb} {town} with a heavy bag"
        at, there = text.index(name), text.index(town)
        texts.append(text)
        spans.append([(at, at + len(name), 0), (there, there + len(town), 1)])
    return texts, spans


def text_scenes_of(texts: list[str], spans: list[list[tuple[int, int, int]]]) -> list[TextScene]:
    arrays = [np.array(each, np.int64).reshape(-1, 3) for each in spans]
    return text_scenes(range(len(texts)), texts, [a[:, :2] for a in arrays], [a[:, 2] for a in arrays])


@pytest.mark.long
def test_nothing_is_invented_where_all_is_right(pictures: tuple[list[str], Regions]) -> None:
    found = judged(picture_scenes(*pictures))
    assert found.regions["is_issue"].sum() <= 2  # of 120
    assert found.candidates["is_issue"].sum() <= 2
    assert len(found.regions) == 4 * TASKS


@pytest.mark.long
def test_missing_and_spurious_boxes_are_found(pictures: tuple[list[str], Regions]) -> None:
    paths, drawn = pictures
    given = [list(boxes) for boxes in drawn]
    gone = {task: np.array([given[task].pop()[:4]]) for task in range(8)}
    false = range(10, 18)
    empty = np.random.default_rng(2)
    scenes = picture_scenes(paths, drawn)
    for task in false:
        given[task].append((*scenes[task].nowhere(empty, 1)[0], 0))
    found = judged(picture_scenes(paths, given))
    worst = found.regions.nlargest(8, "score_nothing")
    assert (worst["task_id"].isin(false) & (worst["region"] == 4)).sum() >= 7
    best = found.candidates.head(8)
    hits = [
        task in gone and overlaps(gone[task], np.array([place])).max() >= 0.5
        for task, place in zip(best["task_id"], best["place"], strict=True)
    ]
    assert sum(hits) >= 7
    assert found.candidates["is_issue"].head(6).all()
    assert found.missing.recall is not None
    assert found.missing.recall > 0.6


@pytest.mark.long
def test_the_order_of_the_tasks_does_not_matter(pictures: tuple[list[str], Regions]) -> None:
    one = judged(picture_scenes(*pictures)).regions
    order = np.random.default_rng(1).permutation(TASKS).tolist()
    other = judged(picture_scenes(*pictures, order)).regions
    np.testing.assert_allclose(one["presence"], other["presence"], atol=1e-3)
    assert one["task_id"].tolist() == other["task_id"].tolist()


@pytest.mark.long
def test_a_span_that_is_missing_and_a_false_one_are_found() -> None:
    texts, spans = sentences()
    for task in range(6):
        del spans[task][1]
    for task, word in enumerate(("yesterday", "with", "heavy", "bag"), start=10):
        at = texts[task].index(word)
        spans[task].append((at, at + len(word), 0))
    found = judged(text_scenes_of(texts, spans))
    assert set(found.candidates.head(6)["task_id"]) == set(range(6))
    assert (found.candidates.head(6)["label"] == 1).all()
    assert set(found.regions.nlargest(4, "score_nothing")["task_id"]) == set(range(10, 14))


def test_too_little_is_not_judged() -> None:
    assert len(judged([]).regions) == 0
    texts, spans = sentences()
    alone = judged(text_scenes_of(texts[:1], spans[:1]))
    assert len(alone.regions) == 0
    few = judged(text_scenes_of(texts[:5], spans[:5]))
    assert not few.candidates["is_issue"].any()


@pytest.mark.long
def test_one_class_and_a_text_without_spans_are_judged() -> None:
    texts, spans = sentences()
    one = [[(start, end, 0) for start, end, _ in each] for each in spans]
    one[3] = []
    texts[4], one[4] = "", []
    found = judged(text_scenes_of(texts, one), 1)
    assert 3 in found.candidates.head(4)["task_id"].tolist()


def test_a_mixture_is_known_by_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    planted = rng.normal(4, 1, 1000)
    given = np.concatenate([rng.normal(0, 1, 900), rng.normal(4, 1, 100)])
    share = mixture_share(planted, given)(given)
    assert share.sum() == pytest.approx(100, rel=0.25)
    assert share[900:].mean() > 0.6
    assert mixture_share(planted, given[:900])(given[:900]).sum() < 20
    assert not mixture_share(planted[:5], given)(given).any()
