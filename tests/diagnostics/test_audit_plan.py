"""What an audit will take is said beforehand, and what does not fit is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from ntk_labelqa.diagnostics.audit_plan import AuditPlan, Stage, as_text, plan_audit, tried_plan
from ntk_labelqa.errors import MemoryBudgetError
from ntk_labelqa.label_model.annotations import Annotations

GIB = 2**30


class Shape:
    """Features of which the shape alone is known."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __len__(self) -> int:
        return self.shape[0]


class Sampled(Shape):
    """Features of *items* items, of which only a sample is ever asked for, and gets *rows*."""

    def __init__(self, rows: np.ndarray, items: int) -> None:
        super().__init__(items, *rows.shape[1:])
        self.rows = rows

    def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
        assert len(chosen) == len(self.rows)
        return self.rows


def planned(items: int, classes: int, width: int = 256, landmarks: int | str = "auto") -> AuditPlan:
    return plan_audit(Shape(items, width), classes, items, landmarks=landmarks)


def test_a_million_items_fit_into_six_gibibytes_with_their_features() -> None:
    plan = planned(10**6, 20)
    assert plan.memory + 10**6 * 256 * 4 <= 6 * GIB
    assert plan.landmarks == 671


def test_sixty_thousand_items_of_a_thousand_classes_fit_into_four() -> None:
    plan = planned(60_000, 1000)
    assert plan.memory <= 4 * GIB
    assert max(stage.disk for stage in plan.stages) > 3 * GIB


def test_a_million_items_of_a_thousand_classes_are_planned_and_their_disk_is_stated() -> None:
    plan = planned(10**6, 1000)
    judging = next(stage for stage in plan.stages if stage.name == "Finding label issues")
    assert judging.disk >= 3 * 10**6 * 5000 * 4
    assert "1,000,000 items in 1,000 classes" in as_text(plan)
    assert "GiB" in as_text(plan)


@pytest.mark.parametrize(
    ("plan", "remedy"),
    [
        (planned(50_000, 10, landmarks="all"), "--landmarks 3000"),
        (planned(10**6, 3), "--landmarks 335"),
        (planned(60_000, 3000), "fewer classes"),
    ],
    ids=["exact", "landmarks", "classes"],
)
def test_what_does_not_fit_is_refused_with_what_would(plan: AuditPlan, remedy: str) -> None:
    with pytest.raises(MemoryBudgetError, match=remedy):
        plan.require(GIB)
    plan.require(10**13)


def test_what_landmarks_may_grow_to_is_planned_and_said() -> None:
    plan = planned(20_000, 300)
    assert [plan.landmarks, plan.grown.landmarks, plan.grown.grown.landmarks] == [3000, 6000, 12_000]
    assert plan.grown.grown.grown is None
    assert plan.grown.memory > plan.memory
    assert plan.largest(10**13).landmarks == 12_000
    assert plan.largest(plan.grown.memory).landmarks == 6000
    assert plan.largest(1) is plan
    assert "up to 12,000" in as_text(plan)
    assert planned(20_000, 300, landmarks=3000).grown is None
    assert planned(1000, 3).grown is None


def test_time_is_that_of_a_sample_extrapolated() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 9000)
    features = np.eye(3)[codes] + random.normal(0, 0.2, (9000, 3))
    annotations = Annotations.of_codes(codes, 3)
    plan = tried_plan(plan_audit(features, 3, 9000, landmarks=100), features, annotations, "2-L")
    tried = {stage.name: stage.seconds for stage in plan.stages}
    assert tried["Inverting the kernel"] > 0
    assert tried["Finding label issues"] == tried["Measuring itself"] > 0
    assert plan.seconds == pytest.approx(sum(seconds for seconds in tried.values() if seconds))
    assert "tried on a sample" in as_text(plan)


def test_what_does_not_grow_with_the_items_is_not_extrapolated() -> None:
    """Of a thousand times as many items the landmarks are chosen, and all is compiled, but once."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 4_000_000)
    features = Sampled(random.normal(size=(4000, 20)).astype(np.float32), 4_000_000)
    began = time.perf_counter()
    plan = plan_audit(features, 3, len(codes), landmarks=100)
    plan = tried_plan(plan, features, Annotations.of_codes(codes, 3), "2-L")
    trial = time.perf_counter() - began
    inverting = plan.stages[0].seconds
    assert 0 < inverting < 100 * trial


def test_the_table_says_units() -> None:
    text = as_text(AuditPlan(10, 2, None, (Stage("Inverting the kernel", 3 * 2**20, 2**30, 7200.0),)))
    for words in ("10 items in 2 classes, the kernel inverted exactly", "3 MiB", "1 GiB", "2.0 h"):
        assert words in text


MEASURED = """
import json, sys
import numpy as np
from ntk_labelqa.auditing import audit_features
from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.diagnostics.audit_plan import plan_audit
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from tests.peak_memory import peak_memory

def audit(items, classes, width, landmarks):
    random = np.random.default_rng(0)
    codes = random.integers(0, classes, items)
    features = (random.normal(size=(classes, width))[codes] + random.normal(size=(items, width))).astype(np.float32)
    dataset = from_arrays(np.where(random.random(items) < 0.05, random.integers(0, classes, items), codes))
    options = AuditOptions(architecture="2-L", landmarks=landmarks)
    plan = plan_audit(features, classes, items, landmarks=landmarks)
    before = peak_memory()
    audit_features(features, dataset, options, encoder="precomputed", stages=Stages(quiet=True))
    return plan.memory, peak_memory() - before

audit(300, 3, 8, 50)  # what is imported and compiled is no part of a plan
print(json.dumps(audit(*map(int, sys.argv[1:]))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(100_000, 10, 64, 500), (40_000, 200, 16, 300)], ids=["items", "classes"])
def test_memory_is_as_planned(shape: tuple[int, ...]) -> None:
    command = [sys.executable, "-c", MEASURED, *map(str, shape)]
    plan, measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert measured <= 1.1 * plan, f"planned {plan / 2**20:.0f} MiB, took {measured / 2**20:.0f}"
    assert measured >= plan / 3, f"planned {plan / 2**20:.0f} MiB, took {measured / 2**20:.0f}"
