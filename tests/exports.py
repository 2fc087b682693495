"""Label Studio exports of digits, with a features file, for tests of the command line and the integrations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.fixtures import noisy_digits


def digits_export(folder: Path, count: int, *, wrong: float = 0.08) -> tuple[Path, Path]:
    """``export.json`` and ``features.npz`` in *folder*: *count* digits with the share *wrong* of the labels wrong."""
    features, given, _ = noisy_digits(count, share=wrong)
    (folder / "export.json").write_text(json.dumps([task(row + 1, given[row]) for row in range(count)]))
    np.savez(folder / "features.npz", ids=np.arange(count) + 1, features=features)
    return folder / "export.json", folder / "features.npz"


def task(number: int, label: Any) -> dict[str, Any]:
    """A text task with one annotation."""
    result = {"from_name": "digit", "to_name": "text", "type": "choices", "value": {"choices": [str(label)]}}
    annotation = {"id": number, "completed_by": number % 2 + 1, "result": [result]}
    return {"id": number, "data": {"text": f"digit {number}"}, "annotations": [annotation]}
