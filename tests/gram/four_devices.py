"""What is calculated of items and labels, as arrays; run as a program, by four devices, in a file.

They are jax's own on a processor, which it has to be asked for before it starts: so this is a process of its own.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ntk_labelqa.gram import arrays, matrix, nystrom
from ntk_labelqa.gram.arrays import Array, sharded, to_device, to_host
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.devices import ShardedRows
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.low_rank import LowRankInverse
from ntk_labelqa.gram.matrix import gram_of, prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse
from ntk_labelqa.gram.ridge import RIDGES
from ntk_labelqa.runtime import using_device
from tests.label_model.test_accelerator import judged, labelled

FLAGS = (
    "--xla_force_host_platform_device_count=4",
    # Most of the time is compilation.
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
)
ITEMS, CLASSES = 403, 3
RIDGE = 0.1
FINDINGS = ("error_probability", "margin", "score_rank", "bde_gain", "is_label_issue", "predicted")


def calculated() -> dict[str, np.ndarray]:
    """What is asked of inverses and of the label model, for a number of items that is no multiple of 4."""
    features, annotations = labelled(ITEMS, CLASSES)
    labels, (kernel, inputs) = annotations.means(), prepare(features, "2-L", "float64")
    gram = gram_of(kernel, inputs)
    inverse = nystrom_inverse(kernel, inputs, landmarks=100, ridge=RIDGE)
    few = nystrom_inverse(kernel, inputs[:3], landmarks=2, ridge=RIDGE)
    some = np.array([402, 0, 7, 399])
    issues = judged(features, annotations)
    return {
        "gram": gram,
        "gram of few": gram_of(kernel, inputs[:5]),
        "applied to few": few.apply(labels[:3]),
        "dense": leave_one_out(DenseInverse(gram, ridge=RIDGE), labels),
        "applied": inverse.apply(labels),
        "applied by factors kept": LowRankInverse(*inverse.factors, ridge=RIDGE).apply(labels),
        "diagonal": inverse.diagonal(),
        "columns": inverse.columns(some),
        "entries": inverse.columns(some, some[::-1]),
        "products": inverse.gram_of(some),
        "predicted from few": to_host(inverse.predicted_from(some, labels)),
        "predicted from many": to_host(inverse.predicted_from(np.arange(0, ITEMS, 2), labels)),
        "errors": inverse.leave_one_out_errors(labels, RIDGES),
        "even panels": _left_out(inverse, labels, 100),
        "odd panels": _left_out(inverse, labels, 102),
        **{name: getattr(issues, name) for name in FINDINGS},
    }


def _left_out(inverse: LowRankInverse, labels: np.ndarray, length: int) -> np.ndarray:
    """Leave-one-out predictions, learnt and said in panels."""
    regression, rows = inverse.regression(), list(arrays.panels(ITEMS, length))
    for panel in rows:
        regression.learn(panel, to_device(labels[panel]))
    return np.concatenate([to_host(regression.left_out(panel, to_device(labels[panel]))) for panel in rows])


def main(out: Path) -> None:
    """Write what four devices calculate, and where they had the rows."""
    found: dict[str, np.ndarray] = {}
    with pytest.MonkeyPatch.context() as patch, jax.transfer_guard("disallow"):
        patch.setattr(arrays, "on_accelerator", lambda: True)
        for panel in ("PANEL", "LONG_PANEL"):
            patch.setattr(nystrom, panel, 32)  # 101 rows a device
        sharing = _devices_that_share(patch)
        found.update(calculated())
        found["devices that share tiles"] = np.array(sharing)
        features, annotations = labelled(ITEMS, CLASSES)
        inverse = nystrom_inverse(*prepare(features, "2-L", "float64"), landmarks=100, ridge=RIDGE)
        shares = inverse._features.parts.addressable_shards
        found["devices of features"] = np.array([share.device.id for share in shares])
        found["shapes of features"] = np.array([share.data.shape for share in shares])
        with jax.transfer_guard("allow"):
            found["applied after pickling"] = pickle.loads(pickle.dumps(inverse)).apply(annotations.means())
        with jax.default_device(jax.devices()[2]):
            found["devices of choice"] = np.array([one.id for one in sharded(features).devices()])
        with using_device("cpu"):
            found["devices of a kind"] = np.array([one.device.id for one in sharded(features).parts.addressable_shards])
        found["bytes beside features"] = np.array(_bytes_beside_rotated(sharded(features)))
    np.savez(out, **found)


def _bytes_beside_rotated(rows: ShardedRows) -> int:
    """What each device needs to turn its *rows*, float[N, m], besides them and the result."""
    rotation = to_device(np.eye(rows.shape[1]))
    program = arrays._filled.lower(nystrom.rotated, None, 10, rows, rotation).compile()
    return program.memory_analysis().temp_size_in_bytes


def _devices_that_share(patch: pytest.MonkeyPatch) -> list[int]:
    """How many there are, for each call that computes tiles of a Gram matrix."""
    shared: list[int] = []

    def watched(*args: Array) -> Array:
        tiles = arrays.panelwise(*args)
        shared.append(len(tiles.parts.devices()))
        return tiles

    patch.setattr(matrix, "panelwise", watched)
    return shared


if __name__ == "__main__":
    main(Path(sys.argv[1]))
