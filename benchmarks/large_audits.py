"""What is written and shown of a large audit: time and memory of each step after the label model.

    python -m benchmarks.large_audits
    python -m benchmarks.large_audits --items 100000 --each 2 --classes 100
    python -m benchmarks.large_audits --items 60000 --each 1 --classes 1000

Needs Linux and no data: the items are Gaussian clouds under a linear kernel, a tenth of the labels is wrong, and in
place of the label model the leave-one-out predictions say which. Each size runs in a process of its own. Prints the
seconds of every step, those of a processor, the MiB by which it went above what the process held before, and the most
that the process held until then; the same of commands on the saved folder; and how long a browser takes to show the
page.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from ntk_labelqa import auditing, findings
from ntk_labelqa.audit_folder import FORMAT, MANIFEST, Audit
from ntk_labelqa.dataset import LabeledDataset, Provenance, label_means
from ntk_labelqa.diagnostics.agreement import agreement_table
from ntk_labelqa.diagnostics.annotators import annotators_table, consensus_table
from ntk_labelqa.diagnostics.entanglement import entangle
from ntk_labelqa.diagnostics.evidence import influences
from ntk_labelqa.diagnostics.flip_gains import bde_gains
from ntk_labelqa.diagnostics.label_issues import LabelIssues
from ntk_labelqa.diagnostics.scheme_ranking import rank
from ntk_labelqa.diagnostics.schemes import schemes_of
from ntk_labelqa.diagnostics.self_measurement import Proportion, SelfMeasurement
from ntk_labelqa.gram.inverse import leave_one_out, predicted_classes
from ntk_labelqa.gram.low_rank import LowRankInverse
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.report.html import write_report

SIZES = ((100_000, 2, 100), (500_000, 2, 10), (60_000, 1, 1000))
"""Items, labels an item, classes."""
DIMENSIONS, SPREAD, WRONG, PEOPLE = 64, 0.16, 0.1, 20
MEBI = 2**20
POLICY = """version = 1
[[check]]
check = "error_rate"
at_most = 1
[[check]]
check = "suspects"
at_most = 1_000_000
[[check]]
check = "no_worse"
margin = 0.01
accepted = "{earlier}"
"""
T = TypeVar("T")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int)
    parser.add_argument("--each", type=int, default=2, help="labels an item")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="folder to leave the audits in")
    asked = parser.parse_args()
    if asked.items is None:
        for items, each, classes in SIZES:
            size = ["--items", str(items), "--each", str(each), "--classes", str(classes)]
            subprocess.run([sys.executable, "-m", "benchmarks.large_audits", *size], check=True)
        return
    print(f"{asked.items:,} items, {asked.each * asked.items:,} labels, {asked.classes:,} classes", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (asked.keep or Path(scratch)) / "audit"
        tables_of(made(asked.items, asked.each, asked.classes), folder)
        commands_on(folder)
        page_of(folder)


def made(items: int, each: int, classes: int) -> tuple[LabeledDataset, LowRankInverse]:
    """A data set and the inverse over it."""
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, items)
    centres = random.normal(size=(classes, DIMENSIONS)) / np.sqrt(DIMENSIONS)
    features = (centres[truth] + SPREAD * random.normal(size=(items, DIMENSIONS))).astype(np.float32)
    spectrum, vectors = np.linalg.eigh((features.T @ features).astype(np.float64))
    inverse = LowRankInverse(features @ vectors.astype(np.float32), spectrum, float(spectrum.sum()) / items, ridge=0.01)
    item = np.repeat(np.arange(items), each)
    given = truth[item]
    wrong = random.random(len(given)) < WRONG
    given = np.where(wrong, (given + random.integers(1, classes, len(given))) % classes, given)
    people = (np.tile(np.arange(each), items) + random.integers(0, PEOPLE, items)[item]) % PEOPLE
    annotations = pd.DataFrame(
        {
            "annotation_id": np.arange(len(given)) + 10_000_000,
            "item": item,
            "annotator": np.char.add("annotator", people.astype(str)).astype(object),
            "label": given,
            "updated_at": "2025-05-01T10:00:00Z",
        }
    )
    dataset = LabeledDataset(
        items=pd.DataFrame(
            {"task_id": np.arange(items) + 1, "value": [f"/data/upload/1/{row:07d}.png" for row in range(items)]}
        ),
        annotations=annotations,
        class_names=tuple(f"class {code:04d}" for code in range(classes)),
        kind="image",
        provenance=Provenance("http://localhost:8080", 1, "Large", "http://localhost:8080"),
    )
    return dataset, inverse


def judged(dataset: LabeledDataset, inverse: LowRankInverse) -> LabelIssues:
    """What stands in for the label model's answer."""
    annotations = Annotations.of_dataset(dataset)
    probabilities = leave_one_out(inverse, annotations.means())
    margin = probabilities[annotations.items, annotations.labels]
    margin = probabilities.max(axis=1)[annotations.items] - margin
    predicted = probabilities.argmax(axis=1)[annotations.items]
    np.clip(probabilities, 1e-6, None, out=probabilities)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    error, contradicted = np.full(len(annotations), 0.01), np.flatnonzero(predicted != annotations.labels)
    error[contradicted[np.argsort(margin[contradicted])]] = np.linspace(0.4, 1.0, len(contradicted))
    return LabelIssues(
        predicted=predicted,
        suggested=predicted,
        error_probability=error,
        is_label_issue=error > 0.5,
        margin=margin,
        bde_gain=bde_gains(inverse, annotations, predicted),
        score_rank=margin,
        posterior=SimpleNamespace(probabilities=probabilities, is_informative=True, why_unknown=""),  # type: ignore
    )


def tables_of(of: tuple[LabeledDataset, LowRankInverse], folder: Path) -> None:
    """Make the tables of the audit and write them, each step timed."""
    dataset, inverse = of
    labels = label_means(dataset)
    issues = judged(dataset, inverse)
    print(f"{'step':<22}{'seconds':>9}{'CPU':>9}{'MiB more':>10}{'MiB peak':>10}", flush=True)
    pulls = step("influences", lambda: influences(dataset, inverse, issues))
    ids = dataset.items["task_id"].to_numpy()
    entanglement = step("entangle", lambda: entangle(inverse, labels, dataset.class_names, item_ids=ids))
    print(f"    {int(entanglement.pairs['is_warned'].sum())} warnings")
    predicted = step("predicted_classes", lambda: predicted_classes(inverse, labels))
    schemes = step("rank", lambda: rank(inverse, predicted, list(schemes_of(dataset)), len(dataset.class_names)))
    found = step("findings_table", lambda: auditing.findings_table(dataset, issues))
    print(f"    {int(found['is_label_issue'].sum()):,} flagged")
    items = step("items_table", lambda: auditing.items_table(dataset, found, pulls))
    items = with_pictures(items, found)
    classes = step("classes_table", lambda: auditing.classes_table(dataset, entanglement, found, predicted))
    annotations = step("annotations_table", lambda: auditing.annotations_table(dataset))
    annotators = step("annotators_table", lambda: annotators_table(dataset, issues))
    consensus = step("consensus_table", lambda: consensus_table(dataset, issues))
    agreement = step("agreement_table", lambda: agreement_table(dataset))
    data = step("describe", lambda: auditing.describe(dataset))
    summary = step(
        "summarize", lambda: auditing.summarize(dataset, inverse, entanglement, found, measured(found), "linear")
    )
    audit = Audit(
        manifest_of(data, summary),
        found,
        pulls,
        classes,
        entanglement.pairs,
        schemes,
        items,
        annotations=annotations,
        annotators=findings.conform("annotators", annotators),
        consensus=findings.conform("consensus", consensus),
        agreement=agreement,
    )
    step("Audit.save", lambda: audit.save(folder, overwrite=True))
    loaded = step("Audit.load", lambda: Audit.load(folder))
    step("write_report", lambda: write_report(loaded, folder / "report.html"))


def step(name: str, work: Callable[[], T]) -> T:
    """What *work* gives; prints what it took."""
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is counted anew
    before, start, used = held("VmRSS"), time.perf_counter(), time.process_time()
    result = work()
    took, used, peak = time.perf_counter() - start, time.process_time() - used, held("VmHWM")
    print(f"{name:<22}{took:>9.2f}{used:>9.2f}{peak - before:>10.0f}{peak:>10.0f}", flush=True)
    return result


def held(which: str, process: int | str = "self") -> float:
    """MiB that *process* holds, or has held at most; 0 of one that has ended."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith(which)), 0.0)


def measured(found: pd.DataFrame) -> SelfMeasurement:
    """What stands in for the audit's measurement of itself."""
    share = Proportion(0.9, 0.85, 0.95)
    rate = float(found["error_probability"].mean())
    return SelfMeasurement(200, share, share, share, share, share, 0.01, rate, rate, rate, rate, True, "", 0.9)


def manifest_of(data: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """A manifest around *data* and *summary*."""
    return {
        "format": FORMAT,
        "began_at": "2025-05-01T10:00:00+00:00",
        "created_at": "2025-05-01T10:10:00+00:00",
        "versions": {"python": "3"},
        "options": {"architecture": "linear", "encoder": "vectors", "preparation": "none"},
        "seed": 0,
        "device": "cpu",
        "data": data,
        "timings": {},
        "summary": summary,
    }


def with_pictures(items: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """*items* with a picture of those that the page shows in full."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(buffer, "PNG")
    worst = auditing.worst_first(found).head(auditing.SHOWN)["task_id"]
    shown = items["task_id"].isin(worst)
    return items.assign(thumbnail=np.where(shown, buffer.getvalue(), None))


def commands_on(folder: Path) -> None:
    """Time the commands that read the audit in *folder*."""
    earlier, policy = folder.parent / "earlier", folder.parent / "labelqa.toml"
    shutil.copytree(folder, earlier, dirs_exist_ok=True)
    manifest = json.loads((earlier / MANIFEST).read_text(encoding="utf-8"))
    manifest["created_at"] = "2025-04-01T10:10:00+00:00"
    (earlier / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    policy.write_text(POLICY.format(earlier=earlier))
    for name, command in {
        "report": ["report", str(folder)],
        "report --csv": ["report", str(folder), "--csv", str(folder.parent / "csv")],
        "gate": ["gate", str(folder), "--policy", str(policy)],
        "history": ["history", str(earlier), str(folder)],
    }.items():
        start, most, used = time.perf_counter(), 0.0, used_by_commands()
        asked = subprocess.Popen([sys.executable, "-m", "ntk_labelqa", *command], stdout=subprocess.DEVNULL)
        while asked.poll() is None:
            most = max(most, held("VmHWM", asked.pid))
            time.sleep(0.02)
        took, used = time.perf_counter() - start, used_by_commands() - used
        print(f"{name:<22}{took:>9.2f}{used:>9.2f}{'':>10}{most:>10.0f}  exit code {asked.returncode}", flush=True)


def used_by_commands() -> float:
    """Seconds of a processor that the commands have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def page_of(folder: Path) -> None:
    """Time a browser that opens the page."""
    from tests.browser import browser

    page = folder / "report.html"
    size = page.stat().st_size / MEBI
    written = sum(file.stat().st_size for file in folder.glob("*.parquet")) / MEBI
    with browser() as running:
        tab = running.new_page(viewport={"width": 1280, "height": 800})
        start = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="load")
        loaded = time.perf_counter() - start
        tab.locator("#classes-table thead button").first.wait_for(state="attached")
        ready = time.perf_counter() - start
        tab.screenshot(path=str(folder.parent / "first.png"))
        drawn = time.perf_counter() - start
        rows, nodes = tab.locator("tr").count(), tab.evaluate("document.querySelectorAll('*').length")
    print(f"page {size:.1f} MiB, {rows:,} rows, {nodes:,} elements; tables {written:.1f} MiB")
    print(f"browser: loaded {loaded:.2f} s, tables ready {ready:.2f} s, drawn {drawn:.2f} s", flush=True)


if __name__ == "__main__":
    main()
