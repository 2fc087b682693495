"""What the demonstration starts gets no key of ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ntk_labelqa.demo import environment, server
from ntk_labelqa.errors import LabelQAError

SECRETS = {
    "LABEL_STUDIO_API_KEY": "hush-key",
    "LABEL_STUDIO_URL": "https://me:hush-login@labels.example.org",
    "HF_TOKEN": "hush-hub",
    "AWS_SECRET_ACCESS_KEY": "hush-cloud",
    "NTK_LABELQA_NOTIFY": "https://hooks.example.org/hush-hook",
}
NEEDED = {"HTTPS_PROXY": "http://proxy.example.org:3128", "PIP_INDEX_URL": "https://me:hush-index@index.example.org"}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SECRETS | NEEDED).items():
        monkeypatch.setenv(name, value)


def test_an_installer_reaches_the_index_and_sees_no_key(variables, tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = f"import os; open({str(said)!r}, 'w').write(repr(dict(os.environ)))"
    environment._run([sys.executable, "-c", program])
    for value in SECRETS.values():
        assert value not in said.read_text()
    for value in NEEDED.values():
        assert value in said.read_text()


def test_what_an_installer_complains_of_is_shown_without_the_login_of_the_index(variables) -> None:
    program = "import os, sys; sys.exit('cannot reach ' + os.environ['PIP_INDEX_URL'] + '/simple')"
    with pytest.raises(LabelQAError, match=r"cannot reach https://index\.example\.org/simple") as raised:
        environment._run([sys.executable, "-c", program])
    assert "hush" not in str(raised.value)


def test_the_server_sees_no_key(variables, tmp_path: Path) -> None:
    given = server._variables(tmp_path, server.Login("its own token", "its own password"))
    assert "hush" not in repr(given)
    assert "PATH" in given
