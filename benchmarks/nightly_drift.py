"""A year of nightly audits of a project that drifts: does the gate trip when errors come in, and only then?

    python -m benchmarks.nightly_drift [--nights 365] [--every 30] [--items 500] [--seed 0]

The project is a part of scikit-learn's digits with 2 % wrong labels. Every night some of its labels are given anew, and
every week items are added. On known dates something goes wrong that makes 6 % of the labels wrong, in turn: an
annotator errs at random, a guideline takes one class for another, an import is off by a row. When the gate trips, those
labels are reviewed before the next night. A passed audit becomes the accepted one, as in the nightly script of
``integrations/systemd-timer``.

An injection is found if the gate fails within two audits of it, the one of the same night included. If it is not, it
counts as missed, and they are reviewed all the same. A night that fails with nothing injected is a false alarm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import audit_features
from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.gate.policy import read_policy
from ntk_labelqa.gate.verdict import judge
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages

POLICY = """version = 1
[[check]]
check = "error_rate"
at_most = 0.12
[[check]]
check = "no_worse"
margin = 0.01
accepted = "accepted"
"""
BASIC_RATE = 0.02
INJECTED = 0.06
"""Share of all labels that an injection makes wrong."""
WITHIN = 2
"""Audits in which an injection has to be found."""
CHURN, BATCH, WEEK = 10, 4, 7


class Project:
    """Digits with the labels given and the right ones, of which the first *size* are labelled."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        from sklearn.datasets import load_digits

        features, right = load_digits(return_X_y=True)
        order = rng.permutation(len(right))
        self.features, self.right, self.given = features[order], right[order], right[order]
        self.size, self.rng = size, rng
        self.label(np.arange(len(right)))

    def label(self, rows: np.ndarray) -> None:
        """Label the items at *rows* (anew), with the basic rate of errors."""
        wrong = rows[self.rng.random(len(rows)) < BASIC_RATE]
        self.given[rows] = self.right[rows]
        self.mistake_at_random(wrong)

    def mistake_at_random(self, rows: np.ndarray) -> None:
        """Give the items at *rows* any wrong label."""
        self.given[rows] = (self.right[rows] + self.rng.integers(1, 10, len(rows))) % 10

    def day(self, number: int) -> None:
        """A day's work: some labels are given anew, and once a week there are new items."""
        self.label(self.some(CHURN))
        if number % WEEK == 0:
            self.size += BATCH

    def some(self, count: int) -> np.ndarray:
        """*count* rows of labelled items."""
        return self.rng.choice(self.size, count, replace=False)

    @property
    def wrong(self) -> float:
        """The share of wrong labels."""
        return float((self.given[: self.size] != self.right[: self.size]).mean())


def errs_at_random(project: Project) -> np.ndarray:
    """An annotator gives any label. Returns the rows concerned, as the others do."""
    rows = project.some(round(INJECTED * project.size))
    project.mistake_at_random(rows)
    return rows


def takes_sevens_for_ones(project: Project) -> np.ndarray:
    """A guideline is misread: part of one class gets the name of another."""
    sevens = np.flatnonzero(project.right[: project.size] == 7)
    count = min(round(INJECTED * project.size), len(sevens) // 2)
    rows = project.rng.choice(sevens, count, replace=False)
    project.given[rows] = 1
    return rows


def is_off_by_a_row(project: Project) -> np.ndarray:
    """An import gives a run of items the labels of the rows before them."""
    length = round(INJECTED * project.size / 0.9)
    start = int(project.rng.integers(0, project.size - length))
    rows = np.arange(start, start + length)
    project.given[rows] = np.roll(project.right[rows], 1)
    return rows


INJECTIONS: tuple[Callable[[Project], np.ndarray], ...] = (errs_at_random, takes_sevens_for_ones, is_off_by_a_row)


@dataclass(frozen=True)
class Night:
    """One night: what was injected and stands (empty if nothing), for how many audits, and the checks that failed."""

    number: int
    injected: str
    audits: int
    wrong: float
    estimate: float
    failed: tuple[str, ...]


def simulate(folder: Path, *, nights: int, every: int, items: int, seed: int) -> Iterator[Night]:
    """Audit and judge every night; something is injected in the middle of each stretch of *every* nights.

    Policy and accepted audit are kept in *folder*.
    """
    project = Project(items, np.random.default_rng(seed))
    (folder / "labelqa.toml").write_text(POLICY)
    policy = read_policy(folder / "labelqa.toml")
    audit_night(project, 0).save(folder / "accepted")  # the first one has nothing to be compared with
    injected, audits, rows = "", 0, np.empty(0, int)
    for number in range(1, nights):
        project.day(number)
        if number % every == every // 2:
            inject = INJECTIONS[number // every % len(INJECTIONS)]
            injected, audits, rows = inject.__name__, 0, inject(project)
        audits += bool(injected)
        audit = audit_night(project, number)
        verdict = judge(audit, policy, base=folder)
        failed = tuple(line.check for line in verdict.lines if line.status == "failed")
        yield Night(number, injected, audits, project.wrong, audit.summary["error_rate"], failed)
        if failed or audits == WITHIN:
            project.label(rows)
            injected, audits, rows = "", 0, rows[:0]
        if verdict.outcome == "passed":
            audit.save(folder / "accepted", overwrite=True)


def audit_night(project: Project, number: int) -> Audit:
    """The audit of one night, dated."""
    audit = audit_features(
        project.features[: project.size],
        from_arrays(project.given[: project.size].tolist(), classes=list(range(10))),
        AuditOptions(architecture="2-L"),
        encoder="precomputed",
        stages=Stages(quiet=True),
    )
    when = datetime(2030, 1, 1, 2, tzinfo=UTC) + timedelta(days=number)
    return replace(audit, manifest={**audit.manifest, "created_at": when.isoformat()})


def main() -> None:
    """Print every night on which something stood or the gate failed, and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--every", type=int, default=30, help="nights between injections")
    parser.add_argument("--items", type=int, default=500, help="at the start")
    parser.add_argument("--seed", type=int, default=0)
    start, nights = time.perf_counter(), []
    print("night  wrong  estimate  injected               failed")
    with TemporaryDirectory() as folder:
        for night in simulate(Path(folder), **vars(parser.parse_args())):
            nights.append(night)
            if night.failed or night.injected:
                figures = f"{night.number:5}  {night.wrong:5.1%}  {night.estimate:8.1%}"
                print(f"{figures}  {night.injected:<21}  {', '.join(night.failed) or 'passed'}", flush=True)
    injected = sum(night.audits == 1 for night in nights)
    found = sum(bool(night.failed and night.injected) for night in nights)
    false = sum(bool(night.failed) and not night.injected for night in nights)
    print(
        f"{found} of {injected} injections found within {WITHIN} audits, {false} false alarms in {len(nights)} nights"
    )
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
