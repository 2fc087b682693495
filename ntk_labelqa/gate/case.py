"""What every check of a policy has in common: how it is configured, what it is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.encoders.advice import better_features

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Strict(BaseModel):
    """A table of the policy file: keys that it does not know are refused, and nothing is converted on the quiet."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Waiver(Strict):
    """Lets a failed check pass until *expires*, for a stated reason."""

    reason: Words = Field(description="Why the failure is accepted; it is printed with every verdict.")
    expires: date = Field(description="Last day on which the waiver holds.")


class ClassScope(Strict):
    """Narrows a check to one class."""

    class_name: Words | None = Field(default=None, alias="class", description="Only this class.")


class LabelScope(ClassScope):
    """Narrows a check to some of the labels: those that meet every key given."""

    annotator: Words | None = Field(default=None, description="Only labels of this annotator.")
    view: Words | None = Field(default=None, description="Only tasks of this Label Studio view; not recorded yet.")

    def select(self, findings: pd.DataFrame) -> pd.DataFrame:
        """The rows of *findings* in this scope; raises NotJudged where it names something that is not there."""
        if self.view is not None:
            raise NotJudged(
                "The audit does not record which tasks a view shows.", "Scope the check by class or by annotator."
            )
        for column, name in (("given_label", self.class_name), ("annotator", self.annotator)):
            if name is not None:
                findings = findings[findings[column] == name]
                if findings.empty:
                    raise NotJudged(f"No label of the audit has the {column.replace('_', ' ')} {name!r}.", SPELLING)
        return findings


SPELLING = "Check the spelling of the check's scope; the audit's report lists the names."


class Check(Strict):
    """What every check may state besides its own limit."""

    severity: Literal["error", "warning"] = Field(
        default="error", description="A warning is printed and stops nothing."
    )
    waiver: Waiver | None = Field(default=None, description="Accepts a failure for a while.")


class NotJudged(Exception):
    """The audit does not hold what a check needs. Becomes a line of the verdict, and never a pass.

    Args:
        why: what is missing.
        remedy: what would make it judgeable.
    """

    def __init__(self, why: str, remedy: str) -> None:
        self.why, self.remedy = why, remedy
        super().__init__(why)


@dataclass(frozen=True)
class Case:
    """What a check judges.

    Attributes:
        audit: the audit under judgement.
        minimum_items: fewer items than this say nothing of a rate.
        minimum_labels: the same for the labels of a scope or an annotator.
        base: folder that relative paths of the policy start from.
    """

    audit: Audit
    minimum_items: int
    minimum_labels: int
    base: Path

    def need_informative_labels(self) -> None:
        """Raise NotJudged where the audit's estimates say nothing: too few items, or labels that fit no item."""
        items, figures = self.audit.summary["items"], self.audit.summary
        if items < self.minimum_items:
            raise NotJudged(
                f"{items} items are too few to judge; the policy asks for {self.minimum_items}.",
                "Label more items before the release.",
            )
        measured = figures["self_measurement"]
        if not measured["is_informative"]:
            why = measured.get("why_unknown") or "The labels do not follow from the items beyond chance."
            data, options = self.audit.manifest["data"], self.audit.manifest.get("options", {})
            better = better_features(data["kind"], options.get("encoder", ""))
            raise NotJudged(f"No estimate can be made. {why}", str(better or findings.UNKNOWN_REMEDY))


@dataclass(frozen=True)
class Measured:
    """A figure and whether it keeps to its limit.

    Attributes:
        passed: whether it does.
        value: the figure.
        limit: the limit.
        text: the figure with its limit, in words.
        remedy: what to do if it does not.
    """

    passed: bool
    value: float
    limit: float
    text: str
    remedy: str
