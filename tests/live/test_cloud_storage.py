"""A project whose images lie in a cloud storage: audited, reviewed and corrected, by way of the server alone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from ntk_labelqa.cli.entry import run
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.labelstudio.connect import ONCE, connect
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.review import delivery
from tests.live.storage import put, s3_server
from tests.live.topics import answer, review

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live
CONFIG = """<View><Image name="image" value="$media.image"/><Choices name="digit" toName="image">
<Choice value="zero"/><Choice value="one"/></Choices></View>"""
WRONG = (5, 18, 33)
NAMES = ("zero", "one")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """One that may reach a storage on this machine."""
    with LocalServer(environment={"SSRF_PROTECTION_ENABLED": "false"}) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: LocalServer) -> LabelStudio:
    return connect(server.url, server.token)


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    with s3_server() as address:
        yield address


def pictures() -> tuple[list[bytes], np.ndarray]:
    """Eighty images of zeros and ones, and which they are."""
    pixels, digits = load_digits(n_class=2, return_X_y=True)
    found = []
    for row in pixels[:80]:
        buffer = io.BytesIO()
        Image.fromarray((row.reshape(8, 8) * 15).astype(np.uint8)).save(buffer, "PNG")
        found.append(buffer.getvalue())
    return found, digits[:80]


def project_of(client: LabelStudio, storage: str, *, presign: bool) -> int:
    """A project whose tasks name images by their place in a bucket of its own; three labels are wrong."""
    images, digits = pictures()
    bucket = "digits-signed" if presign else "digits-read"
    put(storage, bucket, {f"all of them/{number}.png": image for number, image in enumerate(images)})
    project = client.projects.create(title=bucket, label_config=CONFIG)
    assert project.id is not None
    client.import_storage.s3.create(
        project=project.id,
        bucket=bucket,
        s3endpoint=storage,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
        presign=presign,
        use_blob_urls=True,
    )
    tasks: Any = []
    for number, digit in enumerate(digits):
        label = NAMES[digit ^ 1 if number in WRONG else digit]
        result = {"from_name": "digit", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
        image = f"s3://{bucket}/all of them/{number}.png"
        tasks.append({"data": {"media": {"image": image}, "n": number}, "annotations": [{"result": [result]}]})
    client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    return project.id


@pytest.mark.parametrize(
    "presign", [pytest.param(True, marks=pytest.mark.slow, id="signed"), pytest.param(False, id="read by the server")]
)
def test_audited_reviewed_and_corrected(client, server, storage, presign, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path / "cache")
    source, folder = project_of(client, storage, presign=presign), tmp_path / "audit"

    assert run(["audit", "--project", str(source), "--out", str(folder), "--arch", "linear"]) == 0, (
        capsys.readouterr().err
    )
    assert run(["push", str(folder)]) == 0, capsys.readouterr().err
    numbers = {task["annotations"][0]["id"]: task["data"]["n"] for task in take_snapshot(client, source)}
    wrong = [annotation for annotation, number in numbers.items() if number in WRONG]
    review(client, source, dict.fromkeys(wrong, answer("accept")))
    assert run(["decisions", str(folder), "--apply"]) == 0, capsys.readouterr().err

    digits = pictures()[1]
    for task in take_snapshot(client, source):
        last = max(task["annotations"], key=lambda one: one["id"])
        assert last["result"][0]["value"]["choices"] == [NAMES[digits[task["data"]["n"]]]]
        assert len(task["annotations"]) == 1 + (task["data"]["n"] in WRONG)


def test_an_export_gets_its_images_by_way_of_the_project(
    client, server, storage, tmp_path, monkeypatch, capsys
) -> None:
    source = project_of(client, storage, presign=False)
    export, folder = tmp_path / "export.json", tmp_path / "audit"
    export.write_text(json.dumps(list(take_snapshot(client, source))))
    (tmp_path / "config.xml").write_text(CONFIG)
    given = [
        "audit",
        str(export),
        "--label-config",
        str(tmp_path / "config.xml"),
        "--out",
        str(folder),
        "--arch",
        "2-L",
    ]
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    assert run(given) == 3
    complaint = capsys.readouterr().err
    assert "s3://" in complaint
    assert "--project" in complaint
    assert "--features" in complaint
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
    assert run([*given, "--project", str(source)]) == 0, capsys.readouterr().err
