"""One item that cannot be read never stops the rest: it is left out, counted, and listed with its reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ntk_labelqa.dataset import LabeledDataset, LeftOut, Provenance
from ntk_labelqa.labelstudio.reading import tasks as reading
from ntk_labelqa.labelstudio.reading.export_file import read_export
from ntk_labelqa.labelstudio.reading.incremental import read_last
from ntk_labelqa.labelstudio.reading.label_config import infer, parse
from ntk_labelqa.labelstudio.reading.task_files import parse_tasks
from ntk_labelqa.labelstudio.reading.tasks import UNREADABLE, UNREADABLE_PREDICTION, UNREADABLE_TASK, build_dataset
from tests.fuzz.odd import deep
from tests.labelstudio.samples import CONFIG, TOPIC, annotation, choice, task

ENDLESS = deep(100_000, list)
"""What Python cannot write: it ends in a RecursionError wherever it becomes text."""
GOOD = [task(number, annotation(number, choice(["sport", "space"][number % 2]))) for number in (7, 8)]


def read(*tasks: dict[str, Any]) -> LabeledDataset:
    return build_dataset([*tasks, *GOOD], TOPIC, Provenance("test"))


def chosen(value: Any) -> dict[str, Any]:
    return {**choice("sport"), "value": {"choices": [value]}}


def test_an_annotation_that_cannot_be_read_costs_itself_alone() -> None:
    dataset = read(task(1, annotation(1, chosen(ENDLESS)), annotation(2, choice("cars"))), task(2, annotation(3)))
    assert dataset.items["task_id"].tolist() == [1, 7, 8]
    assert dataset.annotations["annotation_id"].tolist() == [2, 7, 8]
    assert LeftOut(f"{UNREADABLE} (RecursionError)", (1,), "annotation") in dataset.left_out


def test_a_task_whose_data_cannot_be_read_costs_itself_alone() -> None:
    dataset = read(task(1, annotation(1, choice("sport")), data={"text": ENDLESS}))
    assert dataset.items["task_id"].tolist() == [7, 8]
    assert dataset.left_out == (LeftOut(f"{UNREADABLE_TASK} (RecursionError)", (1,)),)


def test_a_prediction_that_cannot_be_read_costs_itself_alone() -> None:
    predictions = [
        {"model_version": "m", "result": [chosen(ENDLESS)]},
        {"model_version": "m", "result": [choice("cars")]},
    ]
    dataset = read(task(1, annotation(1, choice("sport")), predictions=predictions))
    assert len(dataset.predictions) == 1
    assert dataset.left_out == (LeftOut(f"{UNREADABLE_PREDICTION} (RecursionError)", (1,), "prediction"),)


@pytest.mark.parametrize("odd", [5, "x", {"a": 1}, True, 0.5])
def test_a_result_that_is_no_list_costs_its_annotation_alone(odd: Any) -> None:
    tasks = [task(1, annotation(1, result=odd), predictions=odd), *GOOD]
    assert build_dataset(tasks, TOPIC, Provenance("test")).items["task_id"].tolist() == [7, 8]
    assert infer(tasks).class_names == ("space", "sport")


def test_whatever_a_reader_of_regions_stumbles_over_costs_its_annotation_alone(monkeypatch) -> None:
    labels_given = reading.labels_given

    def stumbling(labelling: Any, *more: Any) -> Any:
        if labelling["id"] == 1:
            raise ZeroDivisionError
        return labels_given(labelling, *more)

    monkeypatch.setattr(reading, "labels_given", stumbling)
    dataset = read(task(1, annotation(1, choice("sport")), annotation(2, choice("space"))))
    assert dataset.annotations["annotation_id"].tolist() == [2, 7, 8]
    assert dataset.left_out == (LeftOut(f"{UNREADABLE} (ZeroDivisionError)", (1,), "annotation"),)


def test_classes_that_nobody_named_are_read_past_what_cannot_be_read() -> None:
    labelled = parse('<View><Text name="text" value="$text"/><Number name="topic" toName="text"/></View>')
    said = [{**choice(), "value": {"number": value}} for value in (3, 4)]
    tasks = [task(number, annotation(number, result)) for number, result in enumerate(said, 1)]
    tasks[0]["annotations"].append(annotation(9, result=5))
    assert build_dataset(tasks, labelled, Provenance("test")).class_names == ("3", "4")


def test_halves_of_characters_are_found_however_deep_they_lie_and_however_they_are_written(tmp_path: Path) -> None:
    tasks = [*GOOD, task(9, annotation(9, choice("sport")), data={"text": "smile \ud83d", "more": deep(400, list)})]
    for encoding in ("utf-8", "utf-16", "utf-32"):
        content = json.dumps(tasks, ensure_ascii=False).encode(encoding, "surrogatepass")
        found, notes = parse_tasks([content], "it")
        assert found[2]["data"]["text"] == "smile \ufffd"
        assert "in 1 tasks: 9" in notes[0]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    (tmp_path / "config.xml").write_text(CONFIG)
    dataset = read_export(tmp_path / "export.json", label_config=tmp_path / "config.xml")
    assert dataset.items["value"].tolist()[2] == "smile \ufffd"


def test_half_a_character_in_a_config_is_an_unknown_one() -> None:
    assert parse(CONFIG.replace("sport", "sport\udc00")).class_names[0] == "sport\ufffd"


def test_ids_of_thousands_of_digits_are_refused() -> None:
    with pytest.raises(Exception, match="no whole number"):
        parse_tasks([json.dumps([*GOOD, {**GOOD[0], "id": "9" * 5_000}]).encode()], "it")


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"no gzip",
        gzip.compress(b"[" * 50_000, mtime=0),
        gzip.compress(b"[5]", mtime=0),
        gzip.compress(b'{"format": 1}', mtime=0)[:-9] + b"x" * 9,
    ],
)
def test_a_damaged_cache_is_none(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "kept.json.gz").write_bytes(kept)
    assert read_last(tmp_path / "kept.json.gz") is None
    (tmp_path / "kept.json.gz").write_bytes(bytearray(gzip.compress(b"a" * 99))[:12] + b"\xff" * 20)
    assert read_last(tmp_path / "kept.json.gz") is None
