"""The checks that one audit answers by itself. Each is a table of the policy file, and judges an audit."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from ntk_labelqa import findings
from ntk_labelqa.diagnostics.region_faults import Rule
from ntk_labelqa.gate.case import Case, Check, ClassScope, Count, LabelScope, Measured, NotJudged, Share
from ntk_labelqa.report.formats import count, plural, share

Z = 1.96
"""Intervals hold 95 %."""
UNKNOWN_PEOPLE = ("", "unknown")


class ErrorRate(Check):
    """The share of wrong labels, at the upper end of its interval."""

    check: Literal["error_rate"]
    at_most: Share = Field(description="Largest share of wrong labels, held against the upper end of the interval.")
    scope: LabelScope = Field(default=LabelScope(), description="Only some of the labels.")

    def judge(self, case: Case) -> Measured:
        """Of all labels the audit's own interval; of a scope Wilson's, or the contradicted share if that is higher."""
        case.need_informative_labels()
        figures, labels = case.audit.summary, self.scope.select(case.audit.findings)
        if self.scope == LabelScope():
            estimate, upper = figures["error_rate"], figures["error_rate_high"]
        else:
            _need_labels(len(labels), case)
            estimate, upper = float(labels["error_probability"].mean()), upper_error_rate(labels)
        text = f"up to {share(upper)} of {plural(len(labels), 'label')} wrong, estimate {share(estimate)}"
        return at_most(upper, self.at_most, text, share(self.at_most), REVIEW)


class Suspects(Check):
    """Labels that are wrong with a high probability and still stand."""

    check: Literal["suspects"]
    at_most: Count = Field(description="Largest number of such labels.")
    probability: Share = Field(default=0.9, description="A label counts from this probability of being wrong.")
    scope: LabelScope = Field(default=LabelScope(), description="Only some of the labels.")

    def judge(self, case: Case) -> Measured:
        """Counts flagged labels but those that reviewers kept; one to be corrected stands until it is audited again."""
        case.need_informative_labels()
        labels = self.scope.select(case.audit.findings)
        suspect = labels["is_label_issue"] & (labels["error_probability"] >= self.probability)
        kept = suspect & (decisions_on(labels, case.audit.decisions) == KEPT)
        found = int((suspect & ~kept).sum())
        text = f"{plural(found, 'label')} wrong with a probability of {share(self.probability)} or more"
        if kept.any():
            text += f", besides {count(int(kept.sum()))} that reviewers kept"
        return at_most(found, self.at_most, text, count(self.at_most), REVIEW)


class Unreviewed(Check):
    """Flagged labels on which no reviewer has decided."""

    check: Literal["unreviewed"]
    at_most: Count = Field(description="Largest number of such labels.")
    scope: LabelScope = Field(default=LabelScope(), description="Only some of the labels.")

    def judge(self, case: Case) -> Measured:
        """Needs the decisions beside the audit, unless so few labels are flagged that none could matter."""
        case.need_informative_labels()
        labels = self.scope.select(case.audit.findings)
        flagged = labels[labels["is_label_issue"]]
        if case.audit.decisions is None and len(flagged) > self.at_most:
            raise NotJudged(
                f"{plural(len(flagged), 'label')} flagged, and nobody has read which of them were reviewed.",
                "Run `ntk-labelqa decisions` on the audit's folder, and ask again.",
            )
        found = int((~decisions_on(flagged, case.audit.decisions).isin(DECIDED)).sum())
        text = f"{count(found)} of {plural(len(flagged), 'flagged label')} without a decision"
        return at_most(found, self.at_most, text, count(self.at_most), REVIEW)


class EntangledPairs(Check):
    """Pairs of classes that training will confuse."""

    check: Literal["entanglement"]
    at_most: Count = Field(description="Largest number of such pairs.")
    overlap: Share = Field(default=0.15, description="A pair counts from this overlap on; 1: no difference at all.")
    significance: Share = Field(default=0.05, description="And up to this false discovery rate (q_value).")
    scope: ClassScope = Field(default=ClassScope(), description="Only pairs with this class.")

    def judge(self, case: Case) -> Measured:
        """Counts the pairs that overlap by so much and so surely, but those that reviewers found fine as they are."""
        case.need_informative_labels()
        pairs = case.audit.entanglement
        if self.scope.class_name is not None:
            _class_row(case.audit.classes, self.scope.class_name)
            pairs = pairs[(pairs["class_a"] == self.scope.class_name) | (pairs["class_b"] == self.scope.class_name)]
        entangled = pairs[(pairs["overlap"] >= self.overlap) & (pairs["q_value"] <= self.significance)]
        fine = _found_fine(entangled, case.audit.warning_decisions)
        standing = entangled[~fine]
        text = f"{plural(len(standing), 'pair')} of classes overlapping by {share(self.overlap)} or more"
        if len(standing):
            first = standing.nlargest(1, "overlap").iloc[0]
            text += f", the most {first['class_a']} and {first['class_b']} ({share(first['overlap'])})"
        if fine.any():
            text += f", besides {count(int(fine.sum()))} that reviewers found fine as they are"
        remedy = "Say in the guideline how the two classes differ, or merge them: `ntk-labelqa push` asks reviewers."
        return at_most(len(standing), self.at_most, text, count(self.at_most), remedy)


class SmallestClass(Check):
    """The number of items of the class that has the fewest."""

    check: Literal["smallest_class"]
    at_least: Count = Field(description="Fewest items a class may have.")
    scope: ClassScope = Field(default=ClassScope(), description="This class, instead of the smallest.")

    def judge(self, case: Case) -> Measured:
        """Counts items; classes that the labelling config has and nobody used count as well."""
        classes = case.audit.classes
        name = self.scope.class_name
        if classes.empty:
            raise NotJudged("The audit names no class.", "Audit again.")
        row = classes.nsmallest(1, "items").iloc[0] if name is None else _class_row(classes, name)
        text = f"class {row['class_name']} has {plural(int(row['items']), 'item')}"
        remedy = "Label more items of it, or take the class out of the labelling config."
        return at_least(int(row["items"]), self.at_least, text, count(self.at_least), remedy)


class AnnotatorErrorRate(Check):
    """The share of wrong labels of the annotator who has the highest, at the upper end of its interval."""

    check: Literal["annotator_error_rate"]
    at_most: Share = Field(description="Largest share of wrong labels of any annotator.")

    def judge(self, case: Case) -> Measured:
        """Judges everyone with enough labels, and those with fewer together, so that nobody slips through."""
        case.need_informative_labels()
        labels = case.audit.findings
        if labels["annotator"].isin(UNKNOWN_PEOPLE).all():
            raise NotJudged("The audit does not know who gave the labels.", "Export the project with its annotators.")
        judged = list(_people(labels, case.minimum_labels))
        if not judged:
            raise NotJudged(
                f"Nobody gave {case.minimum_labels} labels, nor all together.", "Label more items before the release."
            )
        name, theirs = max(judged, key=lambda person: upper_error_rate(person[1]))
        upper = upper_error_rate(theirs)
        text = f"up to {share(upper)} of the {plural(len(theirs), 'label')} of {name} wrong"
        left = len(labels) - sum(len(rows) for _, rows in judged)
        if left:
            text += f"; {plural(left, 'label')} of people with too few to judge"
        remedy = "Go through the findings with this annotator, and review their labels."
        return at_most(upper, self.at_most, text, share(self.at_most), remedy)


class DuplicateConflicts(Check):
    """Exact copies of an item that have different labels."""

    check: Literal["duplicate_conflicts"]
    at_most: Count = Field(description="Largest number of items with such copies.")

    def judge(self, case: Case) -> Measured:
        """Compares hashes of what the items show; audits of earlier versions hold them of texts alone."""
        items = case.audit.items
        if "content" in items and items["content"].astype(bool).any():
            shown = items["content"]
        elif case.audit.manifest["data"]["kind"] == "text":
            shown = items["value"]
        else:
            raise NotJudged(
                "The audit does not record what the items show, so copies cannot be recognised.",
                "Audit again; for plain features, take this check out of the policy.",
            )
        labels = findings.item_keys(case.audit.findings, case.audit.annotations)
        of_item = dict(zip(findings.keys(items), shown, strict=True))
        table = case.audit.findings.assign(shown=[of_item.get(label, "") for label in labels])
        groups = table[table["shown"].astype(bool)].groupby("shown")
        groups = groups.agg(tasks=("task_id", "nunique"), labels=("given_label", "nunique"))
        found = int(((groups["tasks"] > 1) & (groups["labels"] > 1)).sum())
        text = f"{plural(found, 'item')} with different labels in several tasks"
        remedy = "Give the copies one label, or leave all but one out."
        return at_most(found, self.at_most, text, count(self.at_most), remedy)


class RegionFaults(Check):
    """Boxes and spans that break a rule of plain arithmetic: drawn twice, outside the image, slivers and the like."""

    check: Literal["region_faults"]
    at_most: Count = Field(description="Largest number of such regions.")
    rules: list[Rule] | None = Field(default=None, description="Only these rules; default: all.")

    def judge(self, case: Case) -> Measured:
        """Counts regions, each once, however many rules it breaks, but those that reviewers kept. Whole items break
        none.
        """
        faults = not_kept(case.audit.region_faults, case.audit.decisions, {"rule"})
        if "region_faults" not in case.audit.summary:
            raise NotJudged("The audit was made before regions were held against rules.", "Audit again.")
        if self.rules is not None:
            faults = faults[faults["rule"].isin(self.rules)]
        found = len(faults.drop_duplicates(["annotation_id", "region_id"]))
        text = f"{plural(found, 'region')} that break a rule"
        if found:
            times = faults["rule"].value_counts()
            text += f", most of them {times.index[0]} ({count(int(times.iloc[0]))})"
        return at_most(
            found, self.at_most, text, count(self.at_most), "Correct them; the report lists each with its task."
        )


class RegionIssues(Check):
    """Regions where nothing is, regions beside their thing, and things that nobody drew."""

    check: Literal["region_issues"]
    at_most: Count = Field(description="Largest number of such regions.")
    issue: Literal["spurious", "shifted", "missing"] | None = Field(
        default=None, description="Only these; default: all."
    )

    def judge(self, case: Case) -> Measured:
        """Counts those that are flagged, but those that reviewers found right as they are."""
        if case.audit.summary.get("region_issues") is None:
            raise NotJudged(
                "The audit did not look for spurious and missing regions.",
                "Boxes in images and spans of texts can be looked for: audit again, without --features.",
            )
        issues = case.audit.region_issues
        flagged = issues[issues["is_region_issue"]]
        if self.issue is not None:
            flagged = flagged[flagged["issue"] == self.issue]
        found = not_kept(flagged, case.audit.decisions, {"spurious", "shifted", "missing"})
        counts = ", ".join(f"{count(int(times))} {issue}" for issue, times in found["issue"].value_counts().items())
        text = f"{plural(len(found), 'region')} spurious, shifted or missing" + (f": {counts}" if counts else "")
        return at_most(len(found), self.at_most, text, count(self.at_most), REVIEW)


class Agreement(Check):
    """How far annotators agree beyond chance: Krippendorff's alpha, at the lower end of its interval."""

    check: Literal["agreement"]
    at_least: Share = Field(description="Smallest alpha, held against the lower end of the 95 % interval.")
    scope: ClassScope = Field(default=ClassScope(), description="This class against all others, instead of all.")

    def judge(self, case: Case) -> Measured:
        """Needs as many items that several people labelled as a rate needs labels."""
        table = case.audit.agreement
        name = self.scope.class_name
        if name is not None:
            _class_row(case.audit.classes, name)
        rows = table[table["level"] == "all"] if name is None else table[table["class_name"] == name]
        items = int(rows["items"].iloc[0]) if len(rows) else 0
        if items < case.minimum_labels or rows["alpha_low"].isna().any():
            raise NotJudged(
                f"{plural(items, 'item')} with labels of several people; the policy asks for {case.minimum_labels}.",
                "Let several people label some of the items.",
            )
        row = rows.iloc[0]
        low, alpha = float(row["alpha_low"]), float(row["alpha"])
        text = f"alpha {alpha:.2f}, at least {low:.2f}, over {plural(items, 'item')}"
        remedy = "Say in the guideline what the annotators see differently; the report lists people and classes."
        return at_least(low, self.at_least, text, f"{self.at_least:.2f}", remedy)


class Coverage(Check):
    """The share of the tasks that have a label and could be audited."""

    check: Literal["coverage"]
    at_least: Share = Field(description="Smallest share of the tasks.")

    def judge(self, case: Case) -> Measured:
        """Counts tasks; the audit's manifest lists those left out by reason."""
        gone = [entry for entry in case.audit.manifest["data"]["left_out"] if entry["of"] == "task"]
        labelled = case.audit.findings["task_id"].nunique()
        total = case.audit.summary["items"] + sum(entry["count"] for entry in gone)
        reached = labelled / max(total, 1)
        text = f"{share(reached)} of {plural(total, 'task')} labelled and audited"
        if gone:
            text += "; left out: " + ", ".join(f"{count(entry['count'])} ({entry['reason']})" for entry in gone)
        return at_least(reached, self.at_least, text, share(self.at_least), "Label or correct the tasks left out.")


KEPT, DECIDED, FINE = "keep", ("accept", "other", "keep"), "fine"
"""Decisions of reviewers on a label: that it is right, and all that say what it should be."""


def not_kept(regions: pd.DataFrame, decisions: pd.DataFrame | None, kinds: Collection[str]) -> pd.DataFrame:
    """The rows of *regions* but those that reviewers found right as they are, asked about findings of *kinds*."""
    if decisions is None or "kind" not in decisions:
        return regions
    kept = decisions[decisions["kind"].isin(kinds) & (decisions["decision"] == KEPT)]
    named = set(zip(kept["annotation_id"], kept["region_id"], strict=True))
    others = [key not in named for key in zip(regions["annotation_id"], regions["region_id"], strict=True)]
    return regions[np.array(others, bool)]  # an empty list would choose columns, and none


def decisions_on(labels: pd.DataFrame, decisions: pd.DataFrame | None) -> pd.Series:
    """What reviewers decided on each row of *labels*, str[A], empty where they have not; of this very label alone."""
    if decisions is None:
        return pd.Series("", index=labels.index, dtype=object)
    decisions = findings.of_labels(decisions)
    key = [name for name in ("annotation_id", "given_label", "region_id") if name in decisions and name in labels]
    decided = decisions.drop_duplicates(key, keep="last").set_index(key)["decision"]
    found = decided.reindex(pd.MultiIndex.from_frame(labels[key]))
    return pd.Series(found.fillna("").to_numpy(object), index=labels.index)


def _found_fine(pairs: pd.DataFrame, decisions: pd.DataFrame | None) -> pd.Series:
    """Which rows of the entanglement table reviewers found fine as they are, bool[P]."""
    decided = pd.DataFrame(columns=["class_a", "class_b", "decision"]) if decisions is None else decisions
    fine = decided[decided["decision"] == FINE]
    named = {frozenset(pair) for pair in zip(fine["class_a"], fine["class_b"], strict=True)}
    found = [frozenset(pair) in named for pair in zip(pairs["class_a"], pairs["class_b"], strict=True)]
    return pd.Series(found, index=pairs.index, dtype=bool)


REVIEW = "Review the findings (ntk-labelqa push), correct the labels, and audit again."


def upper_error_rate(labels: pd.DataFrame) -> float:
    r"""Upper end of the 95 % interval of the share of wrong labels among rows of the findings table.

    Wilson's interval with the mean probability of an error in the place of a counted share; never less than the share
    that the leave-one-out prediction contradicts, as in the audit's own interval.
    """
    rate, n = float(labels["error_probability"].mean()), len(labels)
    centre = rate + Z**2 / (2 * n)
    half = Z * np.sqrt(rate * (1 - rate) / n + (Z / (2 * n)) ** 2)
    upper = (centre + half) / (1 + Z**2 / n)
    return float(min(1.0, max(upper, (labels["margin"] > 0).mean())))


def at_most(value: float, limit: float, text: str, limit_text: str, remedy: str) -> Measured:
    """*value* held against an upper limit."""
    return Measured(value <= limit, value, limit, f"{text} (at most {limit_text})", remedy)


def at_least(value: float, limit: float, text: str, limit_text: str, remedy: str) -> Measured:
    """*value* held against a lower limit."""
    return Measured(value >= limit, value, limit, f"{text} (at least {limit_text})", remedy)


def _people(labels: pd.DataFrame, minimum: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every annotator with *minimum* labels; then the others as one, if they have as many together."""
    sizes = labels["annotator"].map(labels["annotator"].value_counts())
    for name, rows in labels[sizes >= minimum].groupby("annotator"):
        yield str(name) or "nobody in particular", rows
    others = labels[sizes < minimum]
    if len(others) >= minimum:
        yield f"{plural(others['annotator'].nunique(), 'annotator')} with few labels each", others


def _need_labels(found: int, case: Case) -> None:
    if found < case.minimum_labels:
        raise NotJudged(
            f"{plural(found, 'label')} in the scope, too few to judge; the policy asks for {case.minimum_labels}.",
            "Widen the scope, or label more items.",
        )


def _class_row(classes: pd.DataFrame, name: str) -> pd.Series:
    rows = classes[classes["class_name"] == name]
    if rows.empty:
        raise NotJudged(
            f"The audit has no class {name!r}.",
            "Check the spelling of the check's scope; the report lists the classes.",
        )
    return rows.iloc[0]
