"""Sounds, videos, time series and PDFs on a real server: fetched with the key, audited without features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.labelstudio.connect import ONCE
from tests.media_files import CLASSES, KINDS, config_of, media_export, task

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

    from ntk_labelqa.demo.server import LocalServer

pytestmark = pytest.mark.live
COUNT, WRONG, DAMAGED = 60, 7, 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_of_files_is_audited(
    client: LabelStudio, server: LocalServer, kind: str, tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    folder = server.files / f"files-{kind}"
    folder.mkdir()
    media_export(folder, kind, COUNT)
    (folder / f"{DAMAGED}.{KINDS[kind].ending}").write_bytes(KINDS[kind].damaged)
    project = client.projects.create(title=kind, label_config=config_of(kind))
    assert project.id is not None
    client.import_storage.local.create(project=project.id, path=str(folder), use_blob_urls=True, title="files")
    tasks: Any = []
    for number in range(COUNT):
        address = f"/data/local-files/?d={server.files.name}/{folder.name}/{number}.{KINDS[kind].ending}"
        one = task(number, address, CLASSES[(number + (number == WRONG)) % 2])
        tasks.append(
            {"data": {**one["data"], "n": number}, "annotations": [{"result": one["annotations"][0]["result"]}]}
        )
    client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    code = run(["audit", "--project", str(project.id), "--arch", "2-L", "--out", str(tmp_path / "audit")])
    _, err = capfd.readouterr()
    assert code == 0, err
    number_of = {found.id: found.data["n"] for found in client.tasks.list(project=project.id, fields="all")}
    audit = Audit.load(tmp_path / "audit")
    flagged = audit.findings[audit.findings["is_label_issue"]]["task_id"]
    assert WRONG in flagged.map(number_of).tolist()
    assert len(flagged) <= 2
    [gone] = audit.manifest["data"]["left_out"]
    assert (gone["reason"], [number_of[one] for one in gone["ids"]]) == (KINDS[kind].reason, [DAMAGED])
