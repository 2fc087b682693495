"""Images: the key goes to the Label Studio server alone, nothing outside the folder is read, and failures are named."""

from __future__ import annotations

import base64
import dataclasses
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypdf
import pytest
from PIL import Image

from ntk_labelqa.dataset import ItemKind, LabeledDataset, from_arrays
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from ntk_labelqa.labelstudio.connect import connect
from ntk_labelqa.labelstudio.media import download as media_download
from ntk_labelqa.labelstudio.media import fetch as fetching
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from tests.labelstudio.samples import KEY, USER
from tests.labelstudio.web import Reply, Request, Web, as_json, serving
from tests.media_files import let_time_pass, save_pdf


def png(shade: int = 90, size: tuple[int, int] = (8, 6)) -> bytes:
    """An image of one grey."""
    buffer = io.BytesIO()
    Image.new("L", size, shade).save(buffer, "PNG")
    return buffer.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than it has."""
    body = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x0d" + body + zlib.crc32(body).to_bytes(4, "big") + png()[33:]


def items(*values: str, kind: ItemKind = "image") -> LabeledDataset:
    """A data set of images or other files; task ids count from 100, one annotation each."""
    base = from_arrays([0, 1] * (len(values) // 2) + [0] * (len(values) % 2))
    held = pd.Series(values, dtype=object)  # strings of pandas 3 cannot hold half a character
    table = pd.DataFrame({"task_id": 100 + np.arange(len(values)), "value": held})
    return dataclasses.replace(base, items=table, kind=kind)


def reasons(dataset: LabeledDataset) -> dict[str, tuple[int, ...]]:
    """Ids of the tasks left out, by reason."""
    return {gone.reason: gone.ids for gone in dataset.left_out}


def shades(dataset: LabeledDataset) -> list[int]:
    """The grey of each image."""
    return [Image.open(path).getpixel((0, 0)) for path in dataset.items["path"]]


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., LabeledDataset]:
    """fetch_media with a cache of this test's own, which goes on whatever fails."""

    def run(*values: str, kind: ItemKind = "image", **options: Any) -> LabeledDataset:
        return fetch_media(items(*values, kind=kind), **{"cache_dir": tmp_path / "cache", "max_failed": 1.0} | options)

    return run


class Pages:
    """A stand-in for Label Studio's media: what is there, by path, and who asked for it with a key."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {"/api/current-user/whoami": as_json(USER)}
        self.web: Web

    def __call__(self, request: Request) -> Reply:
        path = request.path.removeprefix("/labels")
        if path not in self.replies:
            return Reply(status=404)
        reply = self.replies[path]
        if reply.headers.get("ETag") and request.headers.get("if-none-match") == reply.headers["ETag"]:
            return Reply(status=304)
        return reply

    def asked(self) -> list[tuple[str, str]]:
        """(path, key shown) of each image asked for."""
        return [
            (r.path, r.headers.get("authorization", "")) for r in self.web.requests if not r.path.endswith("/whoami")
        ]


@pytest.fixture
def studio() -> Iterator[Pages]:
    pages = Pages()
    with serving(pages) as pages.web:
        yield pages


@pytest.fixture
def elsewhere() -> Iterator[Pages]:
    pages = Pages()
    with serving(pages) as pages.web:
        yield pages


def test_addresses_on_the_server_are_fetched_with_the_key(fetch, studio) -> None:
    studio.replies |= {
        "/data/upload/1/a.png": Reply(png(1)),
        "/data/local-files/?d=pets/b.png": Reply(png(2)),
        "/data/c.png": Reply(png(3)),
    }
    values = ["/data/upload/1/a.png", "/data/local-files/?d=pets/b.png", f"{studio.web.url}/data/c.png"]
    client = connect(studio.web.url, KEY)
    assert shades(fetch(*values, client=client)) == [1, 2, 3]
    assert {key for _, key in studio.asked()} == {f"Token {KEY}"}


@pytest.mark.parametrize("value", ["/data/upload/1/a.png", "/labels/data/upload/1/a.png"])
def test_a_server_below_a_path(fetch, studio, value) -> None:
    studio.replies["/data/upload/1/a.png"] = Reply(png(1))
    client = connect(f"{studio.web.url}/labels", KEY)
    assert shades(fetch(value, client=client)) == [1]
    assert studio.asked() == [("/labels/data/upload/1/a.png", f"Token {KEY}")]


def test_other_programs_beside_a_server_below_a_path_do_not_see_the_key(fetch, studio) -> None:
    client = connect(f"{studio.web.url}/labels", KEY)
    studio.replies["/x.png"] = Reply(png(1))
    tricks = [f"{studio.web.url}/x.png", f"{studio.web.url}/labels/../x.png", f"{studio.web.url}/labels/%2e%2e/x.png"]
    fetch(*tricks, client=client, allowed_hosts=["127.0.0.1"])
    assert {key for _, key in studio.asked()} == {""}


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/1",
        "/api",
        "/logout",
        "/data/../api/users/",
        "/data/..;/api/users/",
        "/data/%2e%2e/logout",
        "/data/%2E%2E%3Bx/api/users/",
        "/data/%252e%252e/api/users/",
        "/data/..%5Capi/users/",
        "/tasks/1/resolve/%2e%2e/%2e%2e/%2e%2e/logout",
        "/data/%2525252525252e./logout",
        "/user/login/",
        "/",
    ],
)
@pytest.mark.parametrize("base", ["", "/labels"])
def test_a_task_gets_nobody_to_ask_for_a_page_that_is_no_file(fetch, studio, path: str, base: str) -> None:
    client = connect(f"{studio.web.url}{base}", KEY)
    found = fetch(path, f"{studio.web.url}{base}{path}", client=client)
    assert len(found) == 0
    assert studio.asked() == []


def test_what_lies_beside_label_studio_is_fetched_where_allowed_and_without_the_key(fetch, studio) -> None:
    studio.replies |= {
        "/pictures/a.png": Reply(png(4)),
        "/static/b.png": Reply(png(5)),
        "/user-made/c.png": Reply(png(6)),
    }
    client = connect(studio.web.url, KEY)
    values = ["/pictures/a.png", "/static/b.png", "/user-made/c.png"]
    refused = fetch(*values, client=client)
    [reason] = reasons(refused)
    assert reason == "image where Label Studio serves none: --allow-host 127.0.0.1 fetches it without the key"
    assert shades(refused) == [5]
    assert shades(fetch(*values, client=client, allowed_hosts=["127.0.0.1"])) == [4, 5, 6]
    assert {key for _, key in studio.asked()} == {""}
    with_key = fetch("/logout", "/api/a.png", client=client, allowed_hosts=["127.0.0.1"])
    assert reasons(with_key) == {"image at a page of Label Studio that serves none": (100, 101)}


@pytest.mark.parametrize(
    "path",
    [
        "/tasks/7/resolve/?fileuri=a",
        "/tasks/7/presign/?fileuri=a",
        "/storage-data/uploaded/?filepath=a",
        "/data/x/100%2525.png",
    ],
)
def test_every_place_where_label_studio_serves_files_gets_the_key(fetch, studio, path: str) -> None:
    studio.replies[path] = Reply(png(8))
    assert shades(fetch(path, client=connect(studio.web.url, KEY))) == [8]
    assert studio.asked() == [(path, f"Token {KEY}")]


def test_a_redirect_within_the_server_leads_to_files_alone(fetch, studio) -> None:
    studio.replies |= {"/data/a.png": leading_to("/api/users/"), "/data/b.png": leading_to("/data/upload/c.png")}
    studio.replies["/data/upload/c.png"] = Reply(png(3))
    assert shades(fetch("/data/a.png", "/data/b.png", client=connect(studio.web.url, KEY))) == [3]
    assert "/api/users/" not in {path for path, _ in studio.asked()}


def test_an_address_with_a_login_is_not_fetched_and_not_shown(fetch, studio) -> None:
    value = f"{studio.web.url}/data/a.png".replace("//", "//me:hush@")
    found = fetch(value, client=connect(studio.web.url, KEY), allowed_hosts=["127.0.0.1"])
    assert reasons(found) == {"image address with a login in it": (100,)}


def test_other_hosts_are_asked_only_if_allowed_and_never_with_the_key(fetch, studio, elsewhere) -> None:
    elsewhere.replies["/a.png"] = Reply(png(7))
    value, client = f"{elsewhere.web.url}/a.png", connect(studio.web.url, KEY)
    refused = fetch(value, "//images.example.org/b.png", client=client)
    assert reasons(refused) == {
        "image on a host that is not allowed: --allow-host 127.0.0.1": (100,),
        "image on a host that is not allowed: --allow-host images.example.org": (101,),
    }
    assert elsewhere.asked() == []
    assert shades(fetch(value, client=client, allowed_hosts=[f"127.0.0.1:{elsewhere.web.port}"])) == [7]
    assert elsewhere.asked() == [("/a.png", "")]


def test_a_redirect_to_another_host_needs_leave_and_loses_the_key(fetch, studio, elsewhere) -> None:
    elsewhere.replies["/a.png"] = Reply(png(7))
    target = f"{elsewhere.web.url}/a.png"
    studio.replies["/data/local-files/?d=a.png"] = Reply(
        status=302, headers={"Location": target, "Set-Cookie": "session=1"}
    )
    client = connect(studio.web.url, KEY)
    refused = fetch("/data/local-files/?d=a.png", client=client)
    assert list(reasons(refused)) == ["image on a host that is not allowed: --allow-host 127.0.0.1"]
    assert elsewhere.asked() == []
    allowed = [f"127.0.0.1:{elsewhere.web.port}"]
    assert shades(fetch("/data/local-files/?d=a.png", client=client, allowed_hosts=allowed)) == [7]
    assert elsewhere.asked() == [("/a.png", "")]
    assert "cookie" not in elsewhere.web.requests[-1].headers


def test_an_allowed_host_cannot_lead_to_one_that_is_not(fetch, elsewhere) -> None:
    elsewhere.replies["/a.png"] = Reply(status=301, headers={"Location": "http://images.example.org/a.png"})
    found = fetch(f"{elsewhere.web.url}/a.png", allowed_hosts=["127.0.0.1"])
    assert list(reasons(found)) == ["image on a host that is not allowed: --allow-host images.example.org"]


def test_a_redirect_in_a_circle_ends(fetch, studio) -> None:
    studio.replies["/data/a.png"] = Reply(status=302, headers={"Location": "/data/a.png"})
    assert list(reasons(fetch("/data/a.png", client=connect(studio.web.url, KEY)))) == ["image not fetched: status 302"]


def test_a_second_run_fetches_only_what_changed(fetch, studio, tmp_path) -> None:
    studio.replies |= {
        "/data/upload/1/a.png": Reply(png(1)),
        "/data/local-files/?d=b.png": Reply(png(2), headers={"ETag": '"one"'}),
    }
    values = ["/data/upload/1/a.png", "/data/local-files/?d=b.png"]
    client = connect(studio.web.url, KEY)
    first = fetch(*values, client=client)
    let_time_pass(tmp_path / "cache")
    studio.web.requests.clear()
    again = fetch(*values, client=client)
    assert again.items["path"].tolist() == first.items["path"].tolist()
    assert [path for path, _ in studio.asked()] == ["/data/local-files/?d=b.png"]
    studio.replies["/data/local-files/?d=b.png"] = Reply(png(9), headers={"ETag": '"two"'})
    let_time_pass(tmp_path / "cache")
    assert shades(fetch(*values, client=client)) == [1, 9]


def test_what_the_server_was_asked_minutes_ago_is_not_asked_again(fetch, studio, tmp_path) -> None:
    studio.replies["/data/a.png"] = Reply(png(1), headers={"ETag": '"one"'})
    client = connect(studio.web.url, KEY)
    fetch("/data/a.png", client=client)
    assert shades(fetch("/data/a.png", client=client)) == [1]
    assert len(studio.asked()) == 1
    let_time_pass(tmp_path / "cache")
    for _ in range(2):  # an answer that nothing changed is as good as a file
        assert shades(fetch("/data/a.png", client=client)) == [1]
    assert len(studio.asked()) == 2


def test_a_clock_that_is_set_back_has_the_server_asked_again(fetch, studio, tmp_path) -> None:
    studio.replies["/data/a.png"] = Reply(png(1))
    client = connect(studio.web.url, KEY)
    fetch("/data/a.png", client=client)
    let_time_pass(tmp_path / "cache", -3600.0)
    fetch("/data/a.png", client=client)
    assert len(studio.asked()) == 2


def test_a_host_that_is_no_longer_allowed_is_left_out_though_its_file_is_here(fetch, elsewhere) -> None:
    elsewhere.replies["/a.png"] = Reply(png(1))
    address = f"{elsewhere.web.url}/a.png"
    assert shades(fetch(address, allowed_hosts=["127.0.0.1"])) == [1]
    assert list(reasons(fetch(address))) == ["image on a host that is not allowed: --allow-host 127.0.0.1"]


def test_equal_images_are_kept_once(fetch, studio) -> None:
    studio.replies |= {"/data/a.png": Reply(png(1)), "/data/b.png": Reply(png(1))}
    found = fetch("/data/a.png", "/data/b.png", client=connect(studio.web.url, KEY))
    assert found.items["path"].nunique() == 1


def test_failures_that_pass_are_tried_again(fetch, studio) -> None:
    replies = iter([Reply(status=500), Reply(png(3), cut=True), Reply(png(3))])
    with serving(lambda r: as_json(USER) if r.path.endswith("whoami") else next(replies)) as web:
        assert shades(fetch("/data/upload/1/a.png", client=connect(web.url, KEY))) == [3]


def test_a_host_that_does_not_answer_is_given_up(fetch, monkeypatch) -> None:
    monkeypatch.setattr(media_download, "PAUSE_SECONDS", 0.0)
    with serving(lambda _: Reply()) as web:
        port = web.port
    found = fetch(*[f"http://127.0.0.1:{port}/{i}.png" for i in range(40)], allowed_hosts=["127.0.0.1"])
    assert len(found) == 0
    assert len(reasons(found)["image not fetched: 127.0.0.1 does not answer"]) > 30


def test_unusable_images_are_left_out_named_and_counted(fetch, studio, monkeypatch) -> None:
    monkeypatch.setattr(media_download, "MOST_BYTES", 2**20)
    monkeypatch.setattr(media_download, "PAUSE_SECONDS", 0.0)
    noise = np.random.default_rng(0).integers(256, size=(1100, 1100), dtype=np.uint8)
    large = io.BytesIO()
    Image.fromarray(noise).save(large, "PNG")
    studio.replies |= {
        "/data/good.png": Reply(png(5)),
        "/data/half.png": Reply(png(5)[:45]),
        "/data/page.png": Reply(b"<html>Log in</html>"),
        "/data/large.png": Reply(large.getvalue()),
        "/data/vast.png": Reply(huge_png(20_000, 20_000)),
        "/data/wide.png": Reply(huge_png(12_000, 9_000)),
        "/data/down.png": Reply(status=503),
    }
    names = ["good", "half", "page", "large", "vast", "wide", "down", "gone"]
    found = fetch(*(f"/data/{name}.png" for name in names), "", client=connect(studio.web.url, KEY))
    assert found.items["task_id"].tolist() == [100]
    assert shades(found) == [5]
    assert found.annotations["item"].tolist() == [0]
    assert reasons(found) == {
        "image larger than 1 MiB": (103,),
        "image not fetched: status 404": (107,),
        "image not fetched: status 503": (106,),
        "image of more than 100 megapixels": (104, 105),
        "task without an image address": (108,),
        "unreadable image": (101, 102),
    }


def test_too_many_unusable_images_stop_the_run(fetch, tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    values = ["a.png"] * 18 + ["gone.png"] * 2
    with pytest.raises(InvalidInputError, match=r"2 of 20 images.*\(2, for example task 118\).*--max-unreadable"):
        fetch(*values, root=tmp_path, max_failed=0.05)
    assert len(fetch(*values, root=tmp_path, max_failed=0.1)) == 18


def test_data_uris(fetch) -> None:
    encoded = base64.b64encode(png(4)).decode()
    values = [
        f"data:image/png;base64,{encoded}",
        f"data:image/png;base64,{encoded[:20]}\n{encoded[20:]}",
        f"data:image/png;base64,{encoded.replace('+', '%2B').replace('/', '%2F')}",
    ]
    assert shades(fetch(*values)) == [4, 4, 4]
    assert reasons(fetch("data:image/png;base64,!!", "data:", "data:image/png;base64,AAAA")) == {
        "data URI that cannot be decoded": (100,),
        "unreadable image": (101, 102),
    }


def test_paths_below_the_folder(fetch, tmp_path) -> None:
    folder = tmp_path / "export"
    names = ["a.png", "pets/b c.png", "upload/3/d.png", "100%25.png", "x#1.png"]
    for shade, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(shade))
    values = {
        "a.png": 0,
        "./a.png": 0,
        "/a.png": 0,
        f"{folder}/a.png": 0,
        f"file://{folder}/a.png": 0,
        "pets/b%20c.png": 1,
        "/data/local-files/?d=pets/b%20c.png": 1,
        "/data/upload/3/d.png": 2,
        "100%25.png": 3,
        "x#1.png": 4,
    }
    assert shades(fetch(*values, root=folder)) == list(values.values())


def test_nothing_outside_the_folder_is_read(fetch, tmp_path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    values = ["../secret.png", f"{tmp_path}/secret.png", "/data/local-files/?d=../secret.png", "link.png"]
    found = fetch(*values, f"file://{tmp_path}/secret.png", root=folder)
    assert len(found) == 0
    assert set(reasons(found)) == {"image path outside the folder of the export", "image file missing"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ftp://bucket/a.png", "image in a storage that is not read, ftp://: give --features"),
        ("http://[broken/a.png", "image address that is none"),
        ("a\0.png", "image address that is none"),
        ("word " * 2000, "image file missing"),
    ],
)
def test_addresses_that_lead_nowhere(fetch, tmp_path, value, reason) -> None:
    assert reasons(fetch(value, root=tmp_path)) == {reason: (100,)}


def test_progress_counts_up_to_all(fetch) -> None:
    seen: list[tuple[int, int]] = []
    fetch(*["data:,"] * 5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 5) for done in range(1, 6)]


def test_a_cache_that_cannot_be_written(fetch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LabelQAError, match="NTK_LABELQA_CACHE"):
        fetch(f"data:image/png;base64,{base64.b64encode(png()).decode()}", cache_dir=tmp_path / "file" / "cache")


@pytest.mark.parametrize("scheme", ["s3", "gs", "azure-blob"])
def test_images_in_a_storage_name_both_ways_out(fetch, scheme) -> None:
    [reason] = reasons(fetch(f"{scheme}://bucket/a.png"))
    assert f"{scheme}://" in reason
    assert "--project" in reason
    assert "--features" in reason


@pytest.mark.parametrize(
    "value",
    [
        "/data/local-files/?d=cats%5Cbig%5Ca.png",
        "/data/local-files/?d=cats\\big\\a.png",
        "/data/local-files/?d=cats/big/a.png",
        "cats\\big\\a.png",
        "C:\\cats\\big\\a.png",
        "s3://bucket/cats/big/a.png",
        "gs://cats/big/a.png",
        "https://studio.example/data/cats/big/a.png",
        "https://studio.example/sub/data/local-files/?d=cats/big/a.png",
    ],
)
def test_every_address_that_a_folder_of_media_can_stand_for(fetch, tmp_path, value) -> None:
    (tmp_path / "media/cats/big").mkdir(parents=True)
    (tmp_path / "media/cats/big/a.png").write_bytes(png(7))
    assert shades(fetch(value, root=tmp_path / "media")) == [7]


@pytest.mark.parametrize("value", ["s3://../secret.png", "C:\\..\\secret.png", "https://x.example/data/../secret.png"])
def test_no_address_leads_out_of_the_folder(fetch, tmp_path, value) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "secret.png").write_bytes(png(7))
    assert len(fetch(value, root=tmp_path / "media")) == 0


def resolving(address: str) -> str:
    """Where the server is asked for what is at *address* of a storage of project 5."""
    return f"/projects/5/resolve/?fileuri={base64.urlsafe_b64encode(address.encode()).decode()}"


def leading_to(target: str) -> Reply:
    return Reply(status=303, headers={"Location": target})


def test_the_server_resolves_addresses_of_storages_and_no_key_goes_to_the_storage(fetch, studio, elsewhere) -> None:
    address = "s3://bucket/cats/a b.png"
    elsewhere.replies["/signed/a.png"] = Reply(png(3))
    studio.replies[resolving(address)] = leading_to(f"{elsewhere.web.url}/signed/a.png")
    client = connect(studio.web.url, KEY)
    assert shades(fetch(address, client=client, project_id=5)) == [3]
    assert studio.asked() == [(resolving(address), f"Token {KEY}")]
    assert elsewhere.asked() == [("/signed/a.png", "")]


def test_a_server_that_reads_the_storage_itself(fetch, studio) -> None:
    studio.replies[resolving("gs://bucket/a.png")] = Reply(png(4))
    assert shades(fetch("gs://bucket/a.png", client=connect(studio.web.url, KEY), project_id=5)) == [4]


def test_a_storage_leads_no_further_than_to_its_file(fetch, studio, elsewhere) -> None:
    studio.replies[resolving("s3://bucket/a.png")] = leading_to(f"{elsewhere.web.url}/first")
    elsewhere.replies |= {"/first": leading_to(f"{elsewhere.web.url}/second"), "/second": Reply(png(3))}
    found = fetch("s3://bucket/a.png", client=connect(studio.web.url, KEY), project_id=5)
    assert reasons(found) == {"image not fetched: status 303": (100,)}


SERIES = b"t,a\n0,1\n1,2\n"


def test_files_of_other_kinds_are_fetched_as_images_are_and_called_files(
    fetch, studio, elsewhere, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(media_download, "MOST_BYTES", 10)  # of images alone
    monkeypatch.setattr(media_download, "MOST_BYTES_OF_FILE", 2**20)
    studio.replies |= {
        "/data/upload/1/a.csv": Reply(SERIES),
        "/data/large.csv": Reply(SERIES + b"2,3\n" * 2**18),
        "/data/page.csv": Reply(b"<html>Log in</html>"),
        "/data/image.csv": Reply(png()),
    }
    elsewhere.replies["/b.csv"] = Reply(SERIES)
    paths = ["upload/1/a.csv", "large.csv", "page.csv", "image.csv", "gone.csv"]
    values = [
        *(f"/data/{path}" for path in paths),
        f"{elsewhere.web.url}/b.csv",
        "",
        "ftp://x/y.csv",
        "data:,t%0A1%0A2",
    ]
    found = fetch(*values, kind="series", client=connect(studio.web.url, KEY))
    assert found.items["task_id"].tolist() == [100, 108]
    assert Path(found.items["path"][0]).read_bytes() == SERIES
    assert reasons(found) == {
        "file in a storage that is not read, ftp://: give --features": (107,),
        "file larger than 1 MiB": (101,),
        "file not fetched: status 404": (104,),
        "file on a host that is not allowed: --allow-host 127.0.0.1": (105,),
        "file without a column of numbers": (102,),
        "task without a file address": (106,),
        "unreadable file": (103,),
    }
    assert elsewhere.asked() == []


def test_files_beside_an_export_and_pdfs_that_need_a_password(fetch, tmp_path) -> None:
    (tmp_path / "files").mkdir()
    save_pdf(tmp_path / "files" / "a.pdf", "the ship")
    writer = pypdf.PdfWriter(clone_from=tmp_path / "files" / "a.pdf")
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "files" / "b.pdf")
    found = fetch("a.pdf", "b.pdf", "c.pdf", "../d.pdf", kind="pdf", root=tmp_path / "files")
    assert [Path(path).name for path in found.items["path"]] == ["a.pdf"]
    assert reasons(found) == {
        "encrypted PDF": (101,),
        "file missing": (102,),
        "file path outside the folder of the export": (103,),
    }


def test_series_within_the_task_data_are_not_fetched(fetch) -> None:
    found = fetch('{"a": [1, 2]}', "data:,a%0A1%0A2", kind="series")
    assert found.items["path"].map(bool).tolist() == [False, True]


def test_too_many_unusable_files_end_it(fetch) -> None:
    with pytest.raises(InvalidInputError, match="2 of 2 files cannot be used: task without a file address"):
        fetch("", "", kind="series", max_failed=0.05)


def test_a_link_that_leads_back_to_itself_costs_its_own_image_alone(fetch, tmp_path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "a.png").write_bytes(png(1))
    found = fetch("loop.png", "a.png", root=tmp_path)
    assert found.items["task_id"].tolist() == [101]
    assert reasons(found) == {"image file missing": (100,)}


def test_an_etag_beyond_ascii_is_no_reason_to_lose_the_image_at_the_second_time(fetch, elsewhere, tmp_path) -> None:
    elsewhere.replies["/a.png"] = Reply(png(1), headers={"ETag": '"\xe9t\xe9"'})
    for _ in range(2):
        found = fetch(f"{elsewhere.web.url}/a.png", allowed_hosts=["127.0.0.1"])
        assert shades(found) == [1]
        let_time_pass(tmp_path / "cache")
    assert len(elsewhere.web.requests) == 2
    assert "if-none-match" not in elsewhere.web.requests[-1].headers


@pytest.mark.parametrize("value", ["data:image/png,\ud83d", "data:image/png;base64,\ud83d", "a\ud83d.png", "a\0.png"])
def test_an_address_with_odd_characters_costs_its_own_image_alone(fetch, tmp_path, value: str) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    found = fetch(value, "a.png", root=tmp_path)
    assert found.items["task_id"].tolist() == [101]
    assert sum(map(len, reasons(found).values())) == 1


def test_whatever_else_a_file_leads_to_costs_itself_alone(fetch, tmp_path, monkeypatch) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "b.png").write_bytes(png(2))
    read = fetching._Fetcher._below_root
    monkeypatch.setattr(
        fetching._Fetcher, "_below_root", lambda self, value: 1 / 0 if value == "b.png" else read(self, value)
    )
    assert reasons(fetch("a.png", "b.png", root=tmp_path)) == {"image that cannot be read (ZeroDivisionError)": (101,)}
