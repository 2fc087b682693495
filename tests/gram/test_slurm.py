"""An audit by jobs of SLURM, on a SLURM of one machine that the test starts (Debian's slurm-wlm and munge; root)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ntk_labelqa import LabelAudit
from ntk_labelqa.demo.server import free_port

NEEDED = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, NEEDED)), reason="needs root, and slurm-wlm and munge of Debian"
    ),
]
CONFIG = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmctldPort={control}
SlurmdPort={node}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=compute Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its folder; SLURM_CONF names its settings."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True)
    ports = {"control": free_port(), "node": free_port()}
    config = CONFIG.format(folder=folder, host=socket.gethostname().split(".")[0], cpus=os.cpu_count(), **ports)
    (folder / "slurm.conf").write_text(config, encoding="utf-8")
    munge = [
        f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("pid-file", "log-file", "seed-file", "socket")
    ]
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        for command in (
            ["munged", "-F", "--force", f"--key-file={key}", *munge],
            ["slurmctld", "-D"],
            ["slurmd", "-D"],
        ):
            running.enter_context(daemon(command, folder / f"{command[0]}.out"))
            time.sleep(1)  # a daemon that does not find the one before gives up
        until(lambda: "idle" in subprocess.run(["sinfo"], capture_output=True, text=True, check=False).stdout)
        yield folder


@pytest.fixture
def jobqueue() -> Any:
    before = signal.getsignal(signal.SIGINT)
    module = pytest.importorskip("dask_jobqueue")
    signal.signal(signal.SIGINT, before)  # which it takes for itself as soon as it is imported
    return module


@contextmanager
def daemon(command: list[str], log: Path) -> Iterator[None]:
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()


def until(holds: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.3)


def cancel_one() -> None:
    queued = subprocess.run(["squeue", "--noheader", "--format=%A"], capture_output=True, text=True, check=True)
    subprocess.run(["scancel", queued.stdout.split()[0]], check=True)


def test_jobs_say_the_same_and_one_that_is_cancelled_is_replaced(
    slurm: Path, jobqueue: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    random = np.random.default_rng(0)
    right = random.integers(0, 5, 6000)
    features = random.normal(size=(5, 20))[right] + random.normal(size=(6000, 20))
    given = np.where(random.random(6000) < 0.1, random.integers(0, 5, 6000), right)

    def found(**how: Any) -> Any:
        return LabelAudit(architecture="2-L", landmarks=300, random_state=0, **how).fit(features, given).label_issues()

    here = found()
    job = {"queue": "compute", "cores": 1, "processes": 1, "memory": "2GB", "walltime": "00:20:00", "interface": "lo"}
    with (
        jobqueue.SLURMCluster(
            **job, log_directory=str(slurm), scheduler_options={"dashboard_address": "127.0.0.1:0"}
        ) as cluster,
        Client(cluster) as client,
    ):
        cluster.adapt(minimum_jobs=2, maximum_jobs=2)
        client.wait_for_workers(2, timeout=120)
        before = set(client.scheduler_info()["workers"])
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "first"))
        by_jobs = found(scheduler=client)
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "second"))
        end = threading.Timer(1, cancel_one)
        end.start()
        again = found(scheduler=client)
        end.join()
        until(lambda: set(client.scheduler_info()["workers"]) - before, 120)
    assert np.abs(by_jobs["error_probability"] - here["error_probability"]).max() < 1e-5
    assert (by_jobs["is_label_issue"] == here["is_label_issue"]).all()
    assert np.abs(again["error_probability"] - here["error_probability"]).max() < 1e-5
