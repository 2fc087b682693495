"""The whole loop on a real server with PostgreSQL, at as many tasks as are asked for: complete, exact, within memory.

``make test-all`` takes 2,000; by hand, ``MANY_TASKS=100000 pytest -s tests/live/test_many_tasks.py``, half an hour.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import many_tasks
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.labelstudio.connect import connect
from tests.live.postgres import postgres, programs

pytestmark = [pytest.mark.live, pytest.mark.slow]
TASKS = int(os.environ.get("MANY_TASKS", "2000"))
MOST_MIB = 1536


@pytest.mark.timeout(900 + TASKS // 10)
def test_every_task_goes_round_the_loop_exactly_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = programs()
    if installed is None:
        pytest.skip("PostgreSQL's server is not installed; Debian's package is postgresql")
    with postgres(installed) as variables, LocalServer(environment=variables) as server:
        monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
        steps = []
        for step in many_tasks.run(connect(server.url, server.token), TASKS, tmp_path):
            print(step, flush=True)
            steps.append(step)
    ours = [step for step in steps if step.name.startswith("ntk-labelqa")]
    assert [step.name.split()[1] for step in ours] == ["audit", "push", "push", "decisions", "export"]
    assert max(step.peak for step in ours) < MOST_MIB
