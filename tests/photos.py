"""Natural photos for tests: views of two scenes that scikit-learn brings, in all lights, so that colours say little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

CONFIG = """<View><Image name="img" value="$image"/><Choices name="what" toName="img">
<Choice value="temple"/><Choice value="flower"/></Choices></View>"""
NAMES = ("temple", "flower")
SIDE = 110


def photo_export(folder: Path, count: int, wrong: tuple[int, ...] = ()) -> Path:
    """An export of *count* photos beside its images and ``config.xml``; the labels of the tasks *wrong* are swapped."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    tasks = []
    for number in range(1, count + 1):
        scene = number % 2
        height, width, _ = load_sample_images().images[scene].shape
        top, left = rng.integers(height - SIDE), rng.integers(width - SIDE)
        view = load_sample_images().images[scene][top : top + SIDE, left : left + SIDE].astype(float)
        view = view[:, :, rng.permutation(3)] * rng.uniform(0.4, 1.0, 3)
        if rng.random() < 0.5:
            view = view[:, ::-1]
        Image.fromarray(view.astype(np.uint8)).save(folder / "images" / f"{number}.png")
        label = NAMES[scene != (number in wrong)]
        result = {"id": "r", "from_name": "what", "to_name": "img", "type": "choices", "value": {"choices": [label]}}
        tasks.append(
            {
                "id": number,
                "data": {"image": f"images/{number}.png"},
                "annotations": [{"id": 100 + number, "completed_by": 1, "result": [result]}],
            }
        )
    (folder / "export.json").write_text(json.dumps(tasks))
    (folder / "config.xml").write_text(CONFIG)
    return folder / "export.json"
