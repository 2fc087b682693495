"""Export files: read as they are, and refused with a reason where they are not what they should be."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.reading.export_file import read_export
from tests.labelstudio.samples import CONFIG, annotation, choice, task

TASKS = [task(i, annotation(10 + i, choice(("space", "cars")[i % 2]))) for i in range(1, 21)]


def written(folder: Path, content: Any, name: str = "export.json") -> Path:
    """*content* as a file: bytes as they are, anything else as JSON."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def refused(path: Path, **options: Any) -> str:
    """The text of the refusal."""
    with pytest.raises(InvalidInputError) as raised:
        read_export(path, **options)
    assert raised.value.remedy
    return str(raised.value)


def test_without_a_config_what_was_inferred_is_said(tmp_path: Path) -> None:
    dataset = read_export(written(tmp_path, TASKS))
    assert (len(dataset), dataset.class_names, dataset.kind) == (20, ("cars", "space"), "text")
    assert "inferred" in dataset.provenance.notes[0]
    assert "--label-config" in dataset.provenance.notes[0]


def test_a_config_decides_which_classes_there_are(tmp_path: Path) -> None:
    config = written(tmp_path, CONFIG.encode(), "config.xml")
    dataset = read_export(written(tmp_path, TASKS), label_config=config)
    assert dataset.class_names == ("sport", "space", "cars")
    assert dataset.provenance.notes == ()
    assert len(dataset.provenance.label_config_sha256) == 64


def test_packed_and_plain_files_give_the_same(tmp_path: Path) -> None:
    plain = written(tmp_path, TASKS)
    packed = written(tmp_path, gzip.compress(plain.read_bytes()), "export.json.gz")
    assert read_export(packed).fingerprint() == read_export(plain).fingerprint()


def test_text_in_any_script_and_with_a_byte_order_mark(tmp_path: Path) -> None:
    tasks = [
        task(1, annotation(1, choice("да")), data={"text": "été 東京"}),
        task(2, annotation(2, choice("нет"))),
    ]
    content = b"\xef\xbb\xbf" + json.dumps(tasks, ensure_ascii=False).encode()
    dataset = read_export(written(tmp_path, content))
    assert dataset.items["value"][0] == "été 東京"
    assert dataset.class_names == ("да", "нет")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "There is no file" in refused(tmp_path / "nothing.json")
    assert "cannot be read" in refused(tmp_path)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = json.dumps(TASKS[:2]).encode()
    packed = gzip.compress(whole)
    for end in range(0, len(whole), 37):
        assert "not JSON" in refused(written(tmp_path, whole[:end]))
    for end in range(11, len(packed), 17):
        assert "unpacked" in refused(written(tmp_path, packed[:end], "export.json.gz"))


@pytest.mark.parametrize("content", [b"text,choice\nx,cars\n", b"\x89PNG\r\n\x1a\n", b"[" * 100_000])
def test_not_json(tmp_path: Path, content: bytes) -> None:
    assert "not JSON" in refused(written(tmp_path, content))


def test_what_is_neither_json_nor_tasks_is_not_called_json(tmp_path: Path) -> None:
    assert "not JSON" in refused(written(tmp_path, b"[7, " + json.dumps(TASKS).encode()[1:-5]))


@pytest.mark.parametrize("content", [{}, 7, ["text"], [{"text": "only data"}], [{"id": "1", "annotations": []}]])
def test_json_that_is_no_list_of_tasks(tmp_path: Path, content: object) -> None:
    assert "not a list of Label Studio tasks" in refused(written(tmp_path, content))


def test_the_minimal_format_is_known_by_name(tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "a", "topic": "cars", "annotator": 1, "annotation_id": 5, "lead_time": 2.0}]
    assert "JSON_MIN" in refused(written(tmp_path, rows))


def test_joined_exports_are_refused_since_labels_could_end_up_with_another_item(tmp_path: Path) -> None:
    assert "task ids more than once: 1, 2" in refused(written(tmp_path, [*TASKS, *TASKS[:2]]))
    twin = task(99, annotation(11, choice("cars")))
    assert "1 annotation ids more than once: 11" in refused(written(tmp_path, [*TASKS, twin]))


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, TASKS)
    assert "cannot be read" in refused(path, label_config=tmp_path / "nothing.xml")
    assert "cannot be read" in refused(path, label_config=written(tmp_path, b"\xff\xfe\x00", "config.xml"))


def test_an_empty_export(tmp_path: Path) -> None:
    assert "None of the 0 tasks has an annotation" in refused(written(tmp_path, []))


def lines(records: list[Any]) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records) + b"\n"


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def stored(one: dict[str, Any]) -> list[dict[str, Any]]:
    """A task as a target storage holds it: an annotation a file, with its task in it."""
    whole = {key: value for key, value in one.items() if key != "annotations"}
    return [{**labelled, "task": whole} for labelled in one["annotations"]]


TWICE = [*TASKS[:-1], task(20, annotation(30, choice("space")), annotation(31, choice("cars")))]
OLD = [{"id": one["id"], "data": one["data"], "completions": one["annotations"]} for one in TASKS]
SKIPPED = [OLD[0] | {"completions": [{"id": 11, "result": [], "skipped": True}]}, *OLD[1:]]


@pytest.mark.parametrize(
    ("content", "items", "annotations"),
    [
        (lines(TASKS), 20, 20),
        ({"tasks": TASKS, "total": 20, "total_annotations": 20}, 20, 20),
        ({"count": 20, "next": None, "results": TASKS}, 20, 20),
        (TASKS[0], 1, 1),
        (OLD, 20, 20),
        (SKIPPED, 19, 19),
        (lines([record for one in TWICE for record in stored(one)]), 20, 21),
        ([record for one in TWICE for record in stored(one)], 20, 21),
        (stored(TASKS[0])[0], 1, 1),
        (zipped(result_json=json.dumps(TASKS).encode()), 20, 20),
        (zipped(result_json=json.dumps(TASKS).encode(), notes_txt=b"hello"), 20, 20),
        ([{**one, "id": str(one["id"])} for one in TASKS], 20, 20),
    ],
)
def test_other_forms_that_leave_no_doubt_are_read(tmp_path: Path, content: Any, items: int, annotations: int) -> None:
    dataset = read_export(written(tmp_path, content))
    assert (len(dataset), len(dataset.annotations)) == (items, annotations)
    as_exported = read_export(written(tmp_path, TASKS, "plain.json"))
    labels = dict(zip(as_exported.items["task_id"], as_exported.label_codes, strict=True))
    names = [dataset.class_names[code] for code in dataset.label_codes]
    for row, name in zip(dataset.item_of_annotation[:items], names[:items], strict=True):
        assert name == as_exported.class_names[labels[dataset.items["task_id"][row]]]


def test_tasks_for_import_are_counted(tmp_path: Path) -> None:
    bare = [{"data": one["data"], "annotations": [{"result": one["annotations"][0]["result"]}]} for one in TASKS]
    dataset = read_export(written(tmp_path, bare))
    assert dataset.items["task_id"].tolist() == list(range(1, 21))
    assert "counted from 1" in dataset.provenance.notes[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"tasks": TASKS, "total": 500}, "one page of the API's answer: 20 of 500 tasks"),
        ({"images": [], "annotations": [], "categories": []}, "COCO"),
        (b"id,text,choice\n1,a,b\n", "It is CSV"),
        (b"id\ttext\tchoice\n1\ta\tb\n", "It is TSV"),
        (b"<annotation><object/></annotation>", "It is XML"),
        (b"-DOCSTART- -X- O\n\nAnna -X- _ B-PER\n", "CONLL"),
        (zipped(a_json=b"[]", b_json=b"[]"), "archive with 2 JSON files"),
        (zipped(classes_txt=b"car", labels_txt=b"0 .5 .5 .1 .1"), "archive with 0 JSON files"),
        (b"PK\x03\x04 no archive at all", "cannot be unpacked"),
        ([{"data": {"text": "a"}}], "without annotations, as files for import have"),
        ([*TASKS, {**TASKS[0], "id": "x7"}], "The id of task number 21 is no whole number: 'x7'"),
        ([*TASKS, {"data": {}, "annotations": []}], "The id of task number 21 is no whole number: None"),
        ([*TASKS, 7], "The first that is none is number 21: 7"),
        ([{**TASKS[0], "annotations": "none"}], "The annotations of number 1 are none: 'none'"),
    ],
)
def test_what_cannot_be_read_is_named_for_what_it_is(tmp_path: Path, content: Any, said: str) -> None:
    assert said in refused(written(tmp_path, content))


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\ud83d and \\ud83d"])
def test_half_a_character_costs_no_audit(tmp_path: Path, half: str) -> None:
    content = json.dumps(TASKS).replace("text 3", f"smile {half}", 1).encode()
    dataset = read_export(written(tmp_path, content))
    assert len(dataset) == 20
    assert "\ufffd" in dataset.items["value"][2]
    assert "in 1 tasks: 3" in dataset.provenance.notes[0]
    dataset.items.to_json().encode()


def test_whole_characters_beyond_the_first_plane_stay(tmp_path: Path) -> None:
    dataset = read_export(written(tmp_path, json.dumps(TASKS).replace("text 3", "smile \\ud83d\\ude00", 1).encode()))
    assert dataset.items["value"][2] == "smile \U0001f600"
    assert "Halves" not in dataset.provenance.notes[0]
