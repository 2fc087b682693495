"""The inverse by several processes: the same as by one, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from sklearn.datasets import load_digits

from ntk_labelqa import LabelAudit
from ntk_labelqa.auditing import audit_features
from ntk_labelqa.dataset import from_labels
from ntk_labelqa.errors import InvalidInputError, LabelQAError, MemoryBudgetError
from ntk_labelqa.gram import choose, distributed, inverse_plan, panel_store
from ntk_labelqa.gram.cluster import client_of, resources_of
from ntk_labelqa.gram.distributed import DistributedInverse, distributed_nystrom
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.landmark_error import LandmarkError
from ntk_labelqa.gram.low_rank import LowRankInverse
from ntk_labelqa.gram.matrix import prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse
from ntk_labelqa.gram.panel_store import PanelStore
from ntk_labelqa.gram.panel_tasks import BrokenRowsError
from ntk_labelqa.gram.row_files import MappedRows, ParquetRows, in_a_file
from ntk_labelqa.inputs.alignment import labelled
from ntk_labelqa.kernels import neural_tangents_compat
from ntk_labelqa.kernels.dense import DenseNetwork
from ntk_labelqa.kernels.stax_network import StaxNetwork
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from ntk_labelqa.row_store import DerivedRows, Rows
from tests.gram.clusters import two_workers

ITEMS, LENGTH, LANDMARKS, RIDGE = 1200, 200, 60, 0.05
PANELS = ITEMS // LENGTH


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(ITEMS, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def labels(features) -> np.ndarray:
    return np.eye(3)[features[:, :3].argmax(axis=1)]


@pytest.fixture(scope="module")
def single(features) -> LowRankInverse:
    kernel, inputs = prepare(features, "2-L", "float32")
    return nystrom_inverse(kernel, inputs, landmarks=LANDMARKS, ridge=RIDGE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "panels" / "one"


def by(client, inputs: Rows, folder: Path, kernel=None, **options) -> DistributedInverse:
    return distributed_nystrom(
        kernel or DenseNetwork(2),
        inputs,
        landmarks=LANDMARKS,
        ridge=RIDGE,
        scheduler=client,
        length=LENGTH,
        folder=folder,
        **options,
    )


def assert_same(inverse: DistributedInverse, single: LowRankInverse, labels: np.ndarray) -> None:
    for mine, other in (
        (inverse.apply(labels), single.apply(labels)),
        (inverse.diagonal(), single.diagonal()),
        (inverse.predicted_from(np.arange(700), labels), single.predicted_from(np.arange(700), labels)),
    ):
        assert np.abs(mine - other).max() <= 1e-5 * np.abs(other).max()


@dataclass(frozen=True)
class Poisonous(DenseNetwork):
    """Has no kernel values of rows that begin with more than *limit*."""

    limit: float = np.inf

    def block(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        return np.where(rows[:, :1] > self.limit, np.nan, super().block(rows, columns))


class TestPanels:
    @pytest.mark.long
    def test_one_process_says_the_same(self, cluster, features, single, labels, folder) -> None:
        inverse = by(cluster, prepare(features, "2-L", "float32")[1], folder)
        assert_same(inverse, single, labels)
        assert_same(inverse.at(2.0), single.at(2.0), labels)
        rows, other = np.array([1100, 3, 3, 250]), np.array([7, 1199])
        assert inverse.columns(other, rows) == pytest.approx(single.columns(other, rows), abs=1e-5 / single.scale)

    @pytest.mark.long
    @pytest.mark.filterwarnings("error:Sending large graph")
    def test_nobody_is_warned_of_values_that_have_to_travel(self, cluster, features, single, labels, folder) -> None:
        inverse = by(cluster, prepare(features, "2-L", "float32")[1], folder)
        many = np.tile(labels, 1000)
        assert inverse.apply(many)[:, -3:] == pytest.approx(single.apply(labels), rel=1e-4, abs=1e-4)
        assert inverse.work.shared(np.ones(2_000_000)).result().sum() == 2_000_000

    @pytest.mark.slow
    def test_values_that_come_in_other_panels_than_the_items(self, cluster, features, single, labels, folder) -> None:
        mine = by(cluster, prepare(features, "2-L", "float32")[1], folder).regression()
        other = single.regression()
        for regression in (mine, other):
            for rows in (slice(0, 350), slice(350, 1200)):
                regression.learn(rows, labels[rows])
        for rows in (slice(0, 90), slice(90, 1111)):
            expected = other.left_out(rows, labels[rows])
            assert mine.left_out(rows, labels[rows]) == pytest.approx(expected, abs=1e-5)

    @pytest.mark.slow
    def test_many_values_are_not_all_on_their_way_at_once(
        self, cluster, features, single, labels, folder, monkeypatch
    ) -> None:
        monkeypatch.setattr(distributed, "HELD", 1000)
        mine = by(cluster, prepare(features, "2-L", "float32")[1], folder).regression()
        for start in range(0, ITEMS, 100):
            mine.learn(slice(start, start + 100), labels[start : start + 100])
        other, every = single.regression(), slice(0, ITEMS)
        other.learn(every, labels)
        assert mine.left_out(every, labels) == pytest.approx(other.left_out(every, labels), abs=1e-5)

    @pytest.mark.slow
    def test_panels_that_no_memory_holds_are_read_when_needed(
        self, cluster, features, single, labels, folder, monkeypatch
    ) -> None:
        monkeypatch.setattr(distributed, "memory_for_results", lambda _client: 0)
        inverse = by(cluster, prepare(features, "2-L", "float32")[1], folder)
        assert max(cluster.who_has() and cluster.nbytes(summary=False).values()) < LENGTH * LANDMARKS * 4
        assert_same(inverse, single, labels)

    @pytest.mark.slow
    def test_the_same_items_with_other_labels_need_no_kernel(self, cluster, features, labels, folder) -> None:
        inputs = prepare(features, "2-L", "float32")[1]
        first = by(cluster, inputs, folder).apply(labels)
        assert not (folder / "inputs").exists()
        assert not (folder / "whitened").exists()
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
        said: list[object] = []
        again = by(cluster, inputs, folder, announce=said.append).apply(labels)
        assert f"{PANELS} of the panels are there" in str(said[-1])
        assert (again == first).all()
        assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}

    @pytest.mark.slow
    def test_items_without_kernel_values_are_named(self, cluster, features, folder) -> None:
        inputs = prepare(features, "2-L", "float32")[1]
        worst = int(inputs[:, 0].argmax())
        limit = float(np.partition(inputs[:, 0], -2)[-2])
        with pytest.raises(BrokenRowsError, match=f"1 item are NaN or infinite: rows {worst}\\.") as caught:
            by(cluster, inputs, folder, Poisonous(2, limit=limit))
        assert isinstance(caught.value, InvalidInputError)
        assert "tasks 17" in str(caught.value.named(np.full(ITEMS, 17)))

    @pytest.mark.slow
    def test_a_network_of_ones_own_is_never_taken_from_an_earlier_run(
        self, cluster, features, labels, tmp_path, monkeypatch
    ) -> None:
        stax = neural_tangents_compat.stax()
        kernel = StaxNetwork(stax.serial(stax.Dense(9), stax.Relu(), stax.Dense(1))[2])
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path))
        inputs = kernel.prepare(features, np.dtype(np.float64))
        alone = nystrom_inverse(kernel, inputs, landmarks=LANDMARKS, ridge=RIDGE)
        for _ in range(2):
            said: list[object] = []
            options = {"landmarks": LANDMARKS, "ridge": RIDGE, "scheduler": cluster, "length": LENGTH}
            assert_same(distributed_nystrom(kernel, inputs, announce=said.append, **options), alone, labels)
            assert len(said) == 1

    @pytest.mark.slow
    def test_a_disk_without_room_is_found_out_before(self, cluster, features, folder, monkeypatch) -> None:
        monkeypatch.setattr(panel_store.shutil, "disk_usage", lambda _place: type("Usage", (), {"free": 1000}))
        with pytest.raises(MemoryBudgetError, match="panels take 562 KiB of disk"):
            by(cluster, prepare(features, "2-L", "float32")[1], folder)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 2, PANELS + 2, None], ids=["first", "features", "turned", "made"])
def test_a_worker_that_is_killed_changes_nothing(features, single, labels, folder, after: int | None) -> None:
    """In either pass, and between questions; what it held is read or computed again by the others."""
    with two_workers() as client:
        (victim, *_) = client.run(os.getpid).values()
        killed: list[int] = []

        def kill() -> None:
            if not killed:
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

        def tick(done: int, _total: int) -> None:
            if after is not None and done > after:
                kill()

        inverse = by(client, prepare(features, "2-L", "float32")[1], folder, progress=tick)
        kill()
        assert_same(inverse, single, labels)
        assert victim not in client.run(os.getpid).values()


@contextmanager
def scheduler_of_its_own(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a scheduler with one worker, each a program by itself, and what kills the scheduler."""
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}

    def start(kind: str, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "dask", kind, *options]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder)

    with start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard") as scheduler:
        assert scheduler.stderr is not None
        address = next(line.split()[-1] for line in scheduler.stderr if "Scheduler at:" in line)
        with start("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard") as worker:
            try:
                yield address, scheduler.kill
            finally:
                worker.kill()
                scheduler.kill()


@pytest.mark.slow
def test_a_run_whose_scheduler_was_lost_goes_on_from_its_panels(features, single, labels, folder, tmp_path) -> None:
    inputs = prepare(features, "2-L", "float32")[1]
    with scheduler_of_its_own(tmp_path / "first") as (address, kill):

        def tick(done: int, _total: int) -> None:
            if done == 2:
                kill()

        with pytest.raises(LabelQAError, match=r"scheduler was lost.*the same command goes on") as caught:
            by(address, inputs, folder, progress=tick)
        assert caught.value.exit_code == 3
    kept = PanelStore(folder).count("whitened")
    assert 2 <= kept < PANELS
    first = {path: path.stat().st_mtime_ns for path in (folder / "whitened" / "c").rglob("*") if path.is_file()}
    with two_workers() as client:
        seen: list[dict[Path, int]] = []

        def look(done: int, _total: int) -> None:
            if done == PANELS:
                seen.append({path: path.stat().st_mtime_ns for path in first})

        said: list[object] = []
        inverse = by(client, inputs, folder, announce=said.append, progress=look)
        assert f"{kept} of the panels are there from an earlier run" in str(said[-1])
        assert seen == [first]
        assert_same(inverse, single, labels)


@pytest.mark.slow
@pytest.mark.long
def test_workers_take_as_many_landmarks_as_one_process(cluster, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path))
    monkeypatch.setattr(inverse_plan, "LANDMARKS", 25)
    monkeypatch.setattr(inverse_plan, "FEWEST", 24)
    random = np.random.default_rng(0)
    features, right = load_digits(return_X_y=True)
    given = np.where(random.random(len(right)) < 0.2, random.integers(0, 10, len(right)), right)
    features, labels = features[:800], np.eye(10)[given[:800]]
    errors, predictions = [], []
    for scheduler in (None, cluster):
        heard: list[object] = []
        how = {"architecture": "2-L", "scheduler": scheduler, "announce": heard.append}
        predictions.append(leave_one_out(choose.invert(features, labels, **how), labels))
        errors.append([one for one in heard if isinstance(one, LandmarkError)])
    here, there = errors
    assert len(here) > 1
    assert [one.landmarks for one in there] == [one.landmarks for one in here]
    assert [one.overlap for one in there] == pytest.approx([one.overlap for one in here], abs=0.01)
    assert np.abs(predictions[1] - predictions[0]).max() < 1e-4


def test_workers_that_do_not_see_the_folder_are_said(cluster, tmp_path) -> None:
    unseen = panel_store.ZarrRows(tmp_path / "of another machine")
    with pytest.raises(LabelQAError, match=r"not to be seen by a worker.*NTK_LABELQA_CACHE"):
        cluster.submit(unseen.opened, pure=False).result()


def test_a_scheduler_that_does_not_answer_is_said(monkeypatch) -> None:
    monkeypatch.setattr("ntk_labelqa.gram.cluster.SECONDS_TO_ANSWER", 1)
    with pytest.raises(LabelQAError, match=r"No scheduler answers at tcp://127\.0\.0\.1:9"):
        client_of("tcp://127.0.0.1:9")


def test_without_the_extra_it_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LabelQAError, match=r"pip install 'ntk-labelqa\[distributed\]'") as caught:
        choose.invert(np.eye(9), np.eye(9), architecture="2-L", landmarks=4, scheduler="local")
    assert caught.value.exit_code == 3


@pytest.mark.slow
def test_a_gpu_runs_one_panel_at_a_time(features, single, labels, folder) -> None:
    with two_workers(n_workers=1, threads_per_worker=3, resources={"GPU": 1}) as client:
        assert resources_of(client) == {"GPU": 1}
        inverse = by(client, prepare(features, "2-L", "float32")[1], folder)
        assert_same(inverse, single, labels)
        asked = inverse.work.map(_running, range(6))
        assert max(inverse.work.gathered(asked)) == 1


@pytest.mark.slow
def test_workers_without_a_gpu_run_as_many_as_they_have_threads(cluster) -> None:
    assert resources_of(cluster) is None


running: list[int] = []


def _running(number: int) -> int:
    """How many of these run in this process."""
    running.append(number)
    time.sleep(0.05)
    count = len(running)
    running.remove(number)
    return count


class TestRowsInFiles:
    """Workers read these by themselves."""

    ASKED = (slice(0, 5), slice(90, 333), slice(1190, 1200), np.array([0, 399, 400, 1199]), np.array([], int))

    def test_a_mapped_array_and_a_part_of_it(self, features, tmp_path) -> None:
        np.save(tmp_path / "features.npy", features)
        mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
        for array, expected in (
            (mapped, features),
            (np.asarray(mapped), features),
            (mapped[100:300], features[100:300]),
        ):
            there = in_a_file(array)
            assert isinstance(there, MappedRows)
            assert (there[:] == expected).all()
        assert in_a_file(mapped[:, 2:]) is None
        assert in_a_file(features) is None

    def test_parquet_in_groups_of_rows(self, features, tmp_path) -> None:
        names = tuple(f"x{column}" for column in range(features.shape[1]))
        table = pyarrow.Table.from_pandas(pd.DataFrame(features, columns=list(names)).assign(other="text"))
        pyarrow.parquet.write_table(table, tmp_path / "features.parquet", row_group_size=400)
        there = ParquetRows(tmp_path / "features.parquet", names)
        assert there.shape == features.shape
        for rows in self.ASKED:
            assert (there[rows] == features[rows]).all()

    def test_zarr(self, features, tmp_path) -> None:
        store = PanelStore(tmp_path)
        store.create("inputs", features.shape, features.dtype, 256)
        store.write("inputs", slice(0, ITEMS), features)
        assert store.rows("inputs").shape == features.shape
        for rows in self.ASKED:
            assert (store.rows("inputs")[rows] == features[rows]).all()

    @pytest.mark.slow
    def test_they_are_not_copied(self, cluster, features, single, labels, folder, tmp_path) -> None:
        np.save(tmp_path / "features.npy", features)
        mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
        whole = prepare(features, "2-L", "float32")[1]
        scaled = DerivedRows(lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True), mapped, whole[:1])
        copied: list[bool] = []
        inverse = by(cluster, scaled, folder, progress=lambda *_: copied.append((folder / "inputs").exists()))
        assert_same(inverse, single, labels)
        assert not any(copied)


def test_panels_that_nobody_uses_go(tmp_path) -> None:
    old, recent, other = tmp_path / ("0" * 64), tmp_path / ("1" * 64), tmp_path / "photos of somebody"
    for place in (old, recent, other):
        place.mkdir()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    panel_store.clear_unused(tmp_path)
    assert {place.name for place in tmp_path.iterdir()} == {recent.name, other.name}


@pytest.mark.slow
class TestAudits:
    """From features and labels to findings."""

    @pytest.fixture
    def names(self, labels) -> np.ndarray:
        codes = labels.argmax(axis=1)
        codes[::17] = (codes[::17] + 1) % 3
        return np.array(["cat", "dog", "eel"])[codes]

    @pytest.fixture
    def in_short_panels(self, monkeypatch, tmp_path) -> None:
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path))
        monkeypatch.setattr(choose, "distributed_nystrom", partial(distributed_nystrom, length=LENGTH))

    @pytest.mark.usefixtures("in_short_panels")
    def test_the_findings_are_those_of_one_process(self, cluster, features, names) -> None:
        fitted = [
            LabelAudit(architecture="2-L", landmarks=LANDMARKS, scheduler=scheduler).fit(features, names)
            for scheduler in (None, cluster)
        ]
        one, several = (audit.label_issues() for audit in fitted)
        assert one["is_label_issue"].sum() > 10
        assert (one["is_label_issue"] == several["is_label_issue"]).all()
        assert (one["suggested_label"] == several["suggested_label"])[one["is_label_issue"]].all()
        assert (one["error_probability"] - several["error_probability"]).abs().max() < 1e-5
        assert fitted[0].ridge_ == fitted[1].ridge_
        new = np.random.default_rng(8).normal(size=(20, features.shape[1]))
        assert fitted[1].predict_proba(new) == pytest.approx(fitted[0].predict_proba(new), abs=1e-5)
        assert fitted[1].audit().manifest["options"]["scheduler"].startswith("tcp://127.0.0.1:")

    @pytest.mark.usefixtures("in_short_panels")
    def test_items_without_kernel_values_are_named_by_their_tasks(self, cluster, features, names, monkeypatch) -> None:
        inputs = prepare(features, "2-L", "float32")[1]
        worst, limit = int(inputs[:, 0].argmax()), float(np.partition(inputs[:, 0], -2)[-2])
        poisoned = Poisonous(2, limit=limit), inputs
        monkeypatch.setattr(choose, "prepare", lambda *_: poisoned)
        dataset = from_labels(labelled(features, names).labels)
        dataset = replace(dataset, items=dataset.items.assign(task_id=np.arange(ITEMS) + 7000))
        options = AuditOptions(architecture="2-L", landmarks=LANDMARKS, scheduler=cluster)
        with pytest.raises(BrokenRowsError, match=f"tasks {worst + 7000}\\."):
            audit_features(features, dataset, options, encoder="precomputed", stages=Stages(quiet=True))
