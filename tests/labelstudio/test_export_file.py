"""Export files: read as they are, and refused with a reason where they are not what they should be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.export_file import read_export
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


@pytest.mark.parametrize(
    "content", [{}, 7, ["text"], [{"text": "only data"}], [{"id": 1, "data": {}}], [{"id": "1", "annotations": []}]]
)
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
