"""Images from a real server, in each way that it serves them."""

from __future__ import annotations

import base64
import dataclasses
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ntk_labelqa.dataset import LabeledDataset, from_arrays
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.labelstudio.connect import connect, describe_server
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.pull import pull_project
from tests.media_files import let_time_pass

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

    from ntk_labelqa.demo.server import LocalServer

pytestmark = pytest.mark.live


def png(shade: int) -> bytes:
    """An image of one grey."""
    buffer = io.BytesIO()
    Image.new("L", (8, 6), shade).save(buffer, "PNG")
    return buffer.getvalue()


def uploaded(client: LabelStudio, server: LocalServer, shade: int) -> str:
    """The address of an image uploaded to a project of its own."""
    project = client.projects.create(title="uploads", label_config='<View><Image name="i" value="$image"/></View>')
    httpx.post(
        f"{server.url}/api/projects/{project.id}/import",
        headers={"Authorization": f"Token {server.token}"},
        files={"a": ("a.png", png(shade), "image/png")},
    ).raise_for_status()
    return next(iter(client.tasks.list(project=project.id, fields="all"))).data["image"]


def stored(client: LabelStudio, server: LocalServer, name: str, shade: int) -> str:
    """The address of an image in a local storage."""
    folder = server.files / "media-tests"
    if not folder.exists():
        folder.mkdir()
        project = client.projects.create(title="storage")
        client.import_storage.local.create(project=project.id, path=str(folder), use_blob_urls=True, title="media")
    (folder / name).write_bytes(png(shade))
    return f"/data/local-files/?d={server.files.name}/{folder.name}/{name}"


def items(*values: str) -> LabeledDataset:
    """An image data set."""
    table = pd.DataFrame({"task_id": np.arange(len(values)), "value": list(values)})
    return dataclasses.replace(from_arrays([0] * len(values)), items=table, kind="image")


def shades(dataset: LabeledDataset) -> list[int]:
    """The grey of each image."""
    return [Image.open(path).getpixel((0, 0)) for path in dataset.items["path"]]


def logged_requests(server, start: int, number: int) -> list[str]:
    """The requests for media that the server logged from byte *start* on: it logs them after it has answered."""
    ends = time.monotonic() + 30
    while True:
        lines = server.log.read_bytes()[start:].decode().splitlines()
        requests = [line for line in lines if '"GET /data/' in line]
        if len(requests) >= number or time.monotonic() > ends:
            return requests
        time.sleep(0.05)


def test_every_kind_of_address(client, server, tmp_path: Path) -> None:
    upload, local = uploaded(client, server, 11), stored(client, server, "kinds.png", 22)
    inline = f"data:image/png;base64,{base64.b64encode(png(33)).decode()}"
    dataset = items(upload, local, f"{server.url}{upload}", f"{server.url}{local}", inline)
    assert shades(fetch_media(dataset, client=client, cache_dir=tmp_path)) == [11, 22, 11, 22, 33]


def test_a_personal_access_token_pulls_and_fetches(client, server, digits_project, tmp_path: Path) -> None:
    client.jwt_settings.update(api_tokens_enabled=True, api_token_ttl_days=30, legacy_api_tokens_enabled=True)
    token = client.tokens.create().token
    try:
        mine = connect(server.url, token)
        assert "owner@example.org" in describe_server(mine)
        assert len(pull_project(mine, digits_project.project_id)) == 200
        assert shades(fetch_media(items(uploaded(client, server, 44)), client=mine, cache_dir=tmp_path)) == [44]
    finally:
        client.tokens.blacklist(refresh=token)
    with pytest.raises(LabelStudioError, match="does not take the key"):
        connect(server.url, token)


def test_missing_images_are_named(client, server, tmp_path: Path) -> None:
    local = stored(client, server, "there.png", 1)
    gone = local.replace("there.png", "gone.png")
    found = fetch_media(
        items(local, gone, "/data/upload/1/gone.png"), client=client, cache_dir=tmp_path, max_failed=1.0
    )
    assert found.items["task_id"].tolist() == [0]
    assert sorted(i for entry in found.left_out for i in entry.ids) == [1, 2]
    assert all(entry.reason.startswith("image not fetched: status") for entry in found.left_out)


def test_a_second_run_downloads_only_what_changed(client, server, tmp_path: Path) -> None:
    dataset = items(
        uploaded(client, server, 5), stored(client, server, "same.png", 6), stored(client, server, "b.png", 7)
    )
    assert shades(fetch_media(dataset, client=client, cache_dir=tmp_path)) == [5, 6, 7]
    before = server.log.stat().st_size
    let_time_pass(tmp_path)
    stored(client, server, "b.png", 8)
    assert shades(fetch_media(dataset, client=client, cache_dir=tmp_path)) == [5, 6, 8]
    asked = logged_requests(server, before, 2)
    assert {("same.png" in line, "b.png" in line, " 304 " in line) for line in asked} == {
        (False, True, False),
        (True, False, True),
    }


def test_a_project_of_images_from_end_to_end(client, digits_project, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pulled = pull_project(client, digits_project.project_id)
    found = fetch_media(
        pulled, client=client, cache_dir=tmp_path, progress=lambda done, total: seen.append((done, total))
    )
    assert len(found) == 200
    assert found.left_out == ()
    assert seen[-1] == (200, 200)
    assert found.items["path"].map(lambda path: Path(path).is_file()).all()
