"""The Gram matrix by several processes is that of one, whatever cuts it off."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.distributed_gram import GRAM, distributed_gram, write_tile
from ntk_labelqa.gram.matrix import gram_of, prepare
from ntk_labelqa.gram.panel_store import PanelStore
from ntk_labelqa.gram.panel_tasks import BrokenRowsError
from ntk_labelqa.kernels.dense import DenseNetwork

ITEMS, SIDE = 250, 60
TILES = 5 * 6 // 2


@dataclass(frozen=True)
class Counted(DenseNetwork):
    """Leaves a file in *folder* for each tile that is computed; has no values of rows that begin with *broken*."""

    folder: Path = Path()
    broken: float = np.inf

    def block(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        (self.folder / uuid.uuid4().hex).touch()
        return np.where(rows[:, :1] == self.broken, np.nan, super().block(rows, columns))

    def count(self) -> int:
        return len(list(self.folder.iterdir()))


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    features = np.random.default_rng(0).normal(size=(ITEMS, 8)).astype(np.float32)
    return prepare(features, "2-L", "float32")[1][:]


@pytest.fixture
def kernel(tmp_path: Path) -> Counted:
    (tmp_path / "counted").mkdir()
    return Counted(2, folder=tmp_path / "counted")


@pytest.mark.slow
def test_it_goes_on_from_the_tiles_that_are_there(cluster, inputs, kernel, tmp_path) -> None:
    def stop(done: int, _: int) -> None:
        if done == TILES // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distributed_gram(kernel, inputs, cluster, tmp_path / "gram.zarr", side=SIDE, progress=stop)
    assert not (tmp_path / "gram.zarr").exists()
    cluster.restart(wait_for_workers=True)
    before, steps = kernel.count(), []
    assert before >= TILES // 2
    gram = distributed_gram(
        kernel, inputs, cluster, tmp_path / "gram.zarr", side=SIDE, progress=lambda done, _: steps.append(done)
    )
    assert steps == list(range(steps[0], TILES + 1))
    assert steps[0] >= TILES // 2
    assert kernel.count() - before == TILES - steps[0]
    assert (gram.shape, gram.dtype) == ((ITEMS, ITEMS), np.float32)
    np.testing.assert_allclose(gram[:], gram_of(DenseNetwork(2), inputs), rtol=1e-5, atol=1e-6)
    assert np.array_equal(gram[:], gram[:].T)
    assert np.array_equal(gram[np.array([7, 3])], gram[:][[7, 3]])
    assert [path.name for path in tmp_path.iterdir() if "gram" in path.name] == ["gram.zarr"]
    with pytest.raises(InvalidInputError, match="exists"):
        distributed_gram(kernel, inputs, cluster, tmp_path / "gram.zarr", side=SIDE)


@pytest.mark.slow
def test_tiles_of_other_items_are_not_taken(cluster, inputs, kernel, tmp_path) -> None:
    broken = Counted(2, folder=kernel.folder, broken=float(inputs[-1, 0]))
    with pytest.raises(BrokenRowsError, match="rows 249"):
        distributed_gram(broken, inputs, cluster, tmp_path / "gram.zarr", side=SIDE)
    gram = distributed_gram(kernel, -inputs[::-1], cluster, tmp_path / "gram.zarr", side=SIDE)
    np.testing.assert_allclose(gram[:], gram_of(DenseNetwork(2), -inputs[::-1]), rtol=1e-5, atol=1e-6)


def test_a_tile_is_there_with_its_mirror_image(inputs, tmp_path, monkeypatch) -> None:
    store = PanelStore(tmp_path)
    store.create(GRAM, (ITEMS, ITEMS), inputs.dtype, SIDE, columns=SIDE)
    written = []

    def cut_off(_store: PanelStore, name: str, places: tuple[slice, slice], values: np.ndarray) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(places)
        write(store, name, places, values)

    write = PanelStore.write
    monkeypatch.setattr(PanelStore, "write", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_tile(store, DenseNetwork(2), inputs, slice(0, 60), slice(60, 120))
    assert (store.has_chunk(GRAM, 0, 1), store.has_chunk(GRAM, 1, 0)) == (False, True)
    monkeypatch.undo()
    write_tile(store, DenseNetwork(2), inputs, slice(0, 60), slice(60, 120))
    expected = gram_of(DenseNetwork(2), inputs)[:60, 60:120]
    gram = store.rows(GRAM)
    np.testing.assert_allclose(gram[:60][:, 60:120], expected, rtol=1e-5, atol=1e-6)
    assert np.array_equal(gram[60:120][:, :60], gram[:60][:, 60:120].T)
    assert store.has_chunk(GRAM, 0, 1)
