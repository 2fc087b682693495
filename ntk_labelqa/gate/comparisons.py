"""The checks that hold an audit against earlier ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from ntk_labelqa.audit_folder import read_manifest, read_table
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gate.case import Case, Check, Count, Measured, NotJudged, Share, Words
from ntk_labelqa.gate.checks import REVIEW, at_most
from ntk_labelqa.history import difference
from ntk_labelqa.report.formats import count, plural, share

SIGNIFICANCE = 0.05
"""A labelling is called better where chance would show as much in at most this share of cases."""


class NoWorse(Check):
    """The estimated error rate, against that of the last accepted audit."""

    check: Literal["no_worse"]
    margin: Share = Field(description="How much higher than the accepted audit's the error rate may be.")
    accepted: Words = Field(description="Folder of the last accepted audit, from the policy file's folder.")

    def judge(self, case: Case) -> Measured:
        """Compares the estimates, not their upper ends: both carry the same systematic uncertainty."""
        case.need_informative_labels()
        before = _earlier(case, self.accepted)
        then, now = before["summary"]["error_rate"], case.audit.summary["error_rate"]
        allowed = then + self.margin
        text = f"error rate {share(now)}, {share(then)} in the accepted audit of {before['created_at'][:10]}"
        return at_most(now, allowed, text, share(allowed), REVIEW)


class SchemeRank(Check):
    """The rank of these labels among earlier labellings of the same items; 1 if none of them is better."""

    check: Literal["scheme_rank"]
    at_most: Count = Field(default=1, ge=1, description="Lowest rank that is accepted.")
    against: list[Words] = Field(min_length=1, description="Folders of earlier audits, from the policy file's folder.")

    def judge(self, case: Case) -> Measured:
        """Judges each earlier labelling where it differs, by this audit's predictions: an earlier one is better where
        they side with it more often than chance allows (sign test, 5 %).
        """
        case.need_informative_labels()
        if case.audit.findings["region_id"].ne("").any():
            raise NotJudged("Regions have no ids that last from one labelling to the next.", "Take this check out.")
        labels = labels_by_task(case.audit.findings)
        predicted = case.audit.findings.drop_duplicates("task_id").set_index("task_id")["predicted_label"]
        better = []
        for folder in self.against:
            _earlier(case, folder)
            earlier = labels_by_task(_earlier_findings(case.base / folder))
            common = labels.index.intersection(earlier.index)
            if len(common) < case.minimum_items:
                raise NotJudged(
                    f"{folder} shares {plural(len(common), 'item')} with this audit, too few to rank by.",
                    "Name an audit of the same items.",
                )
            if is_better(earlier[common] == predicted[common], labels[common] == predicted[common]):
                better.append(folder)
        text = f"rank {len(better) + 1} of {len(self.against) + 1} labellings"
        if better:
            text += f"; better: {', '.join(better)}"
        remedy = "See what changed since the better labelling, and take back what made it worse."
        return at_most(len(better) + 1, self.at_most, text, count(self.at_most), remedy)


def labels_by_task(findings: pd.DataFrame) -> pd.Series:
    """Each task's most frequent label, by task id; the first in the alphabet where several are as frequent."""
    counts = findings.groupby(["task_id", "given_label"]).size().reset_index(name="times")
    ordered = counts.sort_values(["task_id", "times", "given_label"], ascending=[True, False, True])
    return ordered.drop_duplicates("task_id").set_index("task_id")["given_label"]


def is_better(theirs: pd.Series, ours: pd.Series) -> bool:
    """Whether *theirs* (bool, an item a row) is true more often than *ours*, by more than chance: the sign test."""
    only_theirs, only_ours = int((theirs & ~ours).sum()), int((ours & ~theirs).sum())
    return only_theirs > only_ours and coin_tail(only_theirs, only_theirs + only_ours) < SIGNIFICANCE


def coin_tail(heads: int, tosses: int) -> float:
    """Probability of *heads* or more in *tosses* of a fair coin, by logarithms, since SciPy takes long to import.

    >>> round(coin_tail(3, 3), 6), round(coin_tail(5, 6), 6)
    (0.125, 0.109375)
    """
    whole = math.lgamma(tosses + 1) - tosses * math.log(2)
    logs = (whole - math.lgamma(k + 1) - math.lgamma(tosses - k + 1) for k in range(heads, tosses + 1))
    return math.fsum(map(math.exp, logs))


def _earlier(case: Case, folder: str) -> dict[str, Any]:
    """The manifest of the earlier audit in *folder*; raises NotJudged unless it can be held against this one."""
    try:
        manifest = read_manifest(case.base / folder)
    except InvalidInputError as error:
        raise NotJudged(error.what, f"Keep an accepted audit there, or correct {folder!r} in the policy.") from error
    if manifest == case.audit.manifest:
        raise NotJudged(f"{folder} holds the very audit under judgement.", "Name an earlier one.")
    unlike = difference(manifest, case.audit.manifest)
    if unlike:
        raise NotJudged(f"{folder} cannot be compared: {unlike}.", "Audit both in the same way.")
    return manifest


def _earlier_findings(folder: Path) -> pd.DataFrame:
    try:
        return read_table(folder, "findings")
    except InvalidInputError as error:
        raise NotJudged(f"The findings in {folder} cannot be read: {error.what}", "Make that audit again.") from error
