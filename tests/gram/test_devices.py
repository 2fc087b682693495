"""Several accelerators of one process, for which jax's own on a processor stand here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from ntk_labelqa import runtime
from ntk_labelqa.gram import arrays
from tests.gram import four_devices


@pytest.mark.slow
def test_four_devices_share_the_rows_and_find_what_a_processor_does(tmp_path: Path) -> None:
    out = tmp_path / "found.npz"
    flags = " ".join([os.environ.get("XLA_FLAGS", ""), *four_devices.FLAGS])
    command = [sys.executable, "-m", "tests.gram.four_devices", str(out)]
    child = subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    found, expected = dict(np.load(out)), four_devices.calculated()

    assert found.pop("devices of features").tolist() == [0, 1, 2, 3]
    # 101 rows each, the last of which is no item's on the fourth.
    assert found.pop("shapes of features").tolist() == [[1, 101, 100]] * 4
    assert set(found.pop("devices that share tiles")) == {4}
    assert found.pop("devices of choice").tolist() == [2]
    assert found.pop("devices of a kind").tolist() == [0, 1, 2, 3]
    assert found.pop("bytes beside features") < 101 * 64 * 8 / 2  # no second copy of a device's share

    np.testing.assert_array_equal(found["gram"], found["gram"].T)
    clear = abs(expected["error_probability"] - 0.5) > 1e-5
    assert (found.pop("is_label_issue") == expected.pop("is_label_issue"))[clear].all()
    assert (found.pop("predicted") == expected.pop("predicted")).mean() > 0.999
    expected["applied after pickling"] = expected["applied"]
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        np.testing.assert_allclose(found[name], values, atol=1e-5 * np.abs(values).max(), err_msg=name)


def test_one_device_has_rows_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    rows = arrays.sharded(np.ones((403, 3)))
    assert isinstance(rows, jax.Array)
    assert rows.shape == (403, 3)
    assert isinstance(rows.sharding, jax.sharding.SingleDeviceSharding)


def test_devices_of_another_kind_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    here = [SimpleNamespace(device_kind=kind) for kind in ("large", "of the screen", "large")]
    monkeypatch.setattr(jax, "local_devices", lambda: here)
    assert runtime.devices_in_use() == (here[0], here[2])


def test_several_devices_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    here = [SimpleNamespace(platform="gpu", device_kind="Large") for _ in range(4)]
    monkeypatch.setattr(jax, "local_devices", lambda: here)
    assert runtime.device() == "gpu (Large), 4 of them"


def test_memory_is_that_of_the_fullest_device(monkeypatch: pytest.MonkeyPatch) -> None:
    used = (100, 700, 300)
    here = [
        SimpleNamespace(memory_stats=lambda of=of: {"bytes_limit": 1000, "bytes_in_use": of}, device_kind="any")
        for of in used
    ]
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    monkeypatch.setattr(jax, "local_devices", lambda: here)
    assert 0 < arrays.device_memory() <= 300
