"""The page's first screen in words: what was found, how sure that is, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.encoders.advice import Advice, better_features
from ntk_labelqa.findings import UNKNOWN_REMEDY
from ntk_labelqa.label_model.parameters import DEFAULTS
from ntk_labelqa.report.formats import count, plural, share, span
from ntk_labelqa.report.overlaps import LABELS, warned_pairs
from ntk_labelqa.report.reviewers import Reviewed

CONCERNED = 3
"""Classes named in the first paragraph."""
NEARLY_SURE = 0.9
NOTABLE_CHANGE = 0.1
"""A change of one label into another is named when it makes up this share of the flagged labels, and at least three."""
UNDECIDABLE = 0.4
"""With two classes and an error rate from here on, right and wrong labels look alike."""
PAIRS_NAMED = 2
"""Pairs of overlapping classes named in a step."""


@dataclass(frozen=True)
class Tile:
    """A key figure with its name and what it means; one of them is the main one."""

    name: str
    value: str
    note: str
    main: bool = False


@dataclass(frozen=True)
class Headline:
    """The first screen."""

    title: str
    paragraphs: list[Markup]
    tiles: list[Tile]
    steps: list[Markup]
    caution: str


def headline(audit: Audit, said: Reviewed | None = None) -> Headline:
    """The first screen of *audit*; *said* is what reviewers decided, where they did."""
    figures = audit.summary
    issues, labels = figures["issues"], figures["annotations"]
    if _why_unknown(audit):
        title = "No label can be called wrong or right"
    elif issues:
        title = f"{count(issues)} of {plural(labels, 'label')} {'is' if issues == 1 else 'are'} probably wrong"
    else:
        title = f"No single label of {count(labels)} stands out as wrong"
    estimate = Markup("") if _why_unknown(audit) else _estimate(figures)
    paragraphs = [estimate, _concerned(audit), _said(said)]
    return Headline(
        title=title,
        paragraphs=[paragraph for paragraph in paragraphs if paragraph],
        tiles=_tiles(audit, said),
        steps=_steps(audit, said),
        caution=_caution(audit),
    )


def close_call_count(findings: pd.DataFrame) -> int:
    """Labels that are not flagged although the prediction made without them favours another class."""
    return int((~findings["is_label_issue"] & (findings["margin"] > 0)).sum())


def _estimate(figures: dict) -> Markup:
    labels = figures["annotations"]
    low, high = (count(labels * figures[key]) for key in ("error_rate_low", "error_rate_high"))
    return Markup(
        "The estimated error rate is <strong>{}</strong>, most likely between {} and {}: {} to {} of {} labels."
    ).format(
        share(figures["error_rate"]),
        share(figures["error_rate_low"]),
        share(figures["error_rate_high"]),
        low,
        high,
        count(labels),
    )


def _concerned(audit: Audit) -> Markup:
    worst = audit.classes[audit.classes["issues"] > 0].nlargest(CONCERNED, ["issues", "issue_rate"])
    if worst.empty:
        return Markup("")
    given = audit.findings["given_label"].value_counts()
    names = [
        Markup("<strong><bdi>{}</bdi></strong> ({} of {} flagged)").format(
            row.class_name, count(row.issues), plural(int(given.get(row.class_name, 0)), "label")
        )
        for row in worst.itertuples()
    ]
    verb = "The class most concerned is" if len(names) == 1 else "Most concerned are"
    return Markup("{} {}.").format(verb, _series(names))


def _said(said: Reviewed | None) -> Markup:
    if said is None:
        return Markup("")
    return Markup("Reviewers have decided {} of {}: they call <strong>{}</strong> of these labels wrong.").format(
        count(said.decided), plural(said.asked, "finding"), share(said.wrong)
    )


def _tiles(audit: Audit, said: Reviewed | None) -> list[Tile]:
    figures, measured = audit.summary, audit.summary["self_measurement"]
    interval = span(figures["error_rate_low"], figures["error_rate_high"])
    tiles = [Tile("Estimated error rate", share(figures["error_rate"]), f"most likely {interval}", main=True)]
    if _why_unknown(audit):
        measured, tiles = {}, [Tile("Estimated error rate", "unknown", "see above", main=True)]
    if measured:
        half = count(measured["planted"] // 2)
        tiles.append(Tile("Planted errors found again", share(measured["recall"]["value"]), f"of {half} anywhere"))
        if hard := measured.get("recall_hard"):
            tiles.append(Tile("Where items are hard", share(hard["value"]), f"of {half} planted as people err"))
    if said is not None:
        tiles.append(Tile("Suggestions accepted", share(said.hit_rate), f"by reviewers, of {count(said.decided)}"))
    elif measured:
        tiles.append(Tile("Flags that are right", share(measured["precision"]["value"]), "by its own probabilities"))
    if warned := len(warned_pairs(audit)):
        tiles.append(Tile("Overlapping class pairs", count(warned), "hard to distinguish"))
    people = audit.findings["annotator"].nunique()
    audited = f"{plural(figures['classes'], 'class', 'classes')}, {plural(people, 'annotator')}"
    return [*tiles, Tile("Items audited", count(figures["items"]), audited)]


def _steps(audit: Audit, said: Reviewed | None) -> list[Markup]:
    if _why_unknown(audit):
        return [_in_markup(remedy(audit))]
    found, warned = audit.findings, warned_pairs(audit)
    flagged = found[found["is_label_issue"]]
    first = _go_on(said) if said is not None else _review(flagged) if len(flagged) else None
    steps = [first] if first else []
    by_labels = warned["cause"] == LABELS
    # With two classes, correcting the labels of the pair is no other step than reviewing what is flagged.
    correctable = warned[by_labels] if audit.summary["classes"] > 2 else warned[:0]
    if issues := region_issues(audit):
        steps.append(Markup("{} <a href='#region-issues'>All of them</a>.").format(issues))
    if faults := region_faults(audit):
        steps.append(
            Markup("{} <a href='#region-faults'>All of them</a>, by plain arithmetic on their places.").format(faults)
        )
    if weak := weakness(audit):
        steps.append(_in_markup(weak))
    steps += [step for step in (_unclear(warned[~by_labels]), _mislabelled(correctable)) if step]
    if warned.empty and (change := _change(flagged)):
        steps.append(change)
    if annotator := _annotator(audit.schemes, found):
        steps.append(annotator)
    near = close_call_count(found)
    nearby = f"{plural(near, 'label')} {'lies' if near == 1 else 'lie'} on another class’s side without being flagged"
    steps.append(
        Markup(
            "Look through the <a href='#close-calls'>close calls</a> as well: {}. Labels that are wrong where two "
            "classes meet look like ordinary hard cases, and may not be flagged."
        ).format(nearby if near else "the labels nearest to another class, though none is on its side")
    )
    return steps


def _go_on(said: Reviewed) -> Markup:
    """What is left to review, and how corrections get into the project."""
    rest = Markup("Decide the other {} of the <a href='#queue'>queue</a>. ").format(count(said.undecided))
    corrections = said.accepted + said.other
    return Markup("{}{} {}: <code>ntk-labelqa decisions --apply</code> writes them to the project.").format(
        rest if said.undecided else "",
        plural(corrections, "correction"),
        "is decided" if corrections == 1 else "are decided",
    )


def _unclear(warned: pd.DataFrame) -> Markup:
    """What to do about pairs of classes that wrong labels do not explain."""
    if warned.empty:
        return Markup("")
    return Markup(
        "Make clear in the guideline what distinguishes these classes: {}. They "
        "<a href='#couplings'>overlap</a>, and wrong labels do not explain it."
    ).format(_named(warned))


def _mislabelled(warned: pd.DataFrame) -> Markup:
    """What to do about pairs of classes that overlap by wrong labels."""
    if warned.empty:
        return Markup("")
    return Markup(
        "In the review, begin with labels of {}: they <a href='#couplings'>overlap</a>, and wrong labels explain it."
    ).format(_named(warned))


def _named(pairs: pd.DataFrame) -> Markup:
    shown = [
        Markup("<bdi>{}</bdi> and <bdi>{}</bdi>").format(row.class_a, row.class_b)
        for row in pairs.head(PAIRS_NAMED).itertuples()
    ]
    if more := len(pairs) - len(shown):
        shown.append(Markup(plural(more, "other pair")))
    return Markup("; ").join(shown)


def _review(flagged: pd.DataFrame) -> Markup:
    sure = int((flagged["error_probability"] >= NEARLY_SURE).sum())
    first = f"Start with the {count(sure)} that are at least {NEARLY_SURE:.0%} probable. " if sure else ""
    return Markup(
        "Review the <a href='#queue'>{} flagged</a>, worst first. {}"
        "<code>ntk-labelqa push</code> makes them a review project in Label Studio."
    ).format(plural(len(flagged), "label"), first)


def _change(flagged: pd.DataFrame) -> Markup:
    if flagged.empty:
        return Markup("")
    changes = flagged.groupby(["given_label", "suggested_label"]).size()
    given, suggested = changes.idxmax()
    times = int(changes.max())
    if times < max(3, NOTABLE_CHANGE * len(flagged)):
        return Markup("")
    return Markup(
        "See whether the guideline distinguishes <bdi>{}</bdi> from <bdi>{}</bdi>: {} flagged labels ({}) propose that "
        "change."
    ).format(given, suggested, count(times), share(times / len(flagged)))


def _annotator(schemes: pd.DataFrame, findings: pd.DataFrame) -> Markup:
    """The annotator whose labels are contradicted clearly more often than those of the best one, if any."""
    people = schemes[schemes["scheme"].isin(findings["annotator"].unique())]
    if len(people) < 2:
        return Markup("")
    worst, best = people.loc[people["error_rate"].idxmax()], people.loc[people["error_rate"].idxmin()]
    if worst["error_low"] <= best["error_high"]:
        return Markup("")
    return Markup(
        "Talk with <bdi>{}</bdi>: {} of their labels are contradicted, against {} of <bdi>{}</bdi>’s. "
        "Harder items may explain part of it."
    ).format(worst["scheme"], share(worst["error_rate"]), share(best["error_rate"]), best["scheme"])


def _caution(audit: Audit) -> str:
    figures = audit.summary
    said = []
    if audit.stale:
        said.append(f"Labels have changed since {audit.stale}, after this audit: audit again for what holds now.")
    if why := _why_unknown(audit):
        said.append(why)
    elif figures["classes"] == 2 and figures["error_rate_high"] >= UNDECIDABLE:
        said.append(
            "With two classes and this many wrong labels, right and wrong ones cannot be distinguished reliably: "
            "have a sample labelled again before acting on single findings."
        )
    return " ".join(said)


def weakness(audit: Audit) -> Advice | None:
    """What to do where something can be said, but what the items were compared by distinguishes their classes badly."""
    accuracy = (audit.summary["self_measurement"] or {}).get("vote_accuracy")
    if accuracy is None or _why_unknown(audit) or accuracy >= DEFAULTS.telling:
        return None
    better = _better_features(audit)
    by = audit.manifest["options"]["encoder"]
    said = f"Compared by {by}, only {share(accuracy)} of the items are predicted rightly by the others."
    return better and Advice(f"{said} {better.why}", better.command)


def remedy(audit: Audit) -> Advice:
    """What to do where nothing can be said of any label."""
    return _better_features(audit) or Advice(UNKNOWN_REMEDY, "")


def region_faults(audit: Audit) -> str:
    """How many regions break which rules, in a sentence; empty where none does."""
    faults = audit.region_faults
    if faults.empty:
        return ""
    counts = ", ".join(f"{count(times)} {rule}" for rule, times in faults["rule"].value_counts().items())
    regions = len(faults.drop_duplicates(["annotation_id", "region_id"]))
    return f"{plural(regions, 'region')} {'breaks' if regions == 1 else 'break'} a rule: {counts}."


def region_issues(audit: Audit) -> str:
    """How many regions seem spurious, shifted or missing, in a sentence; empty where none does."""
    issues = audit.region_issues
    counts = issues.loc[issues["is_region_issue"], "issue"].value_counts()
    if counts.empty:
        return ""
    listed = ", ".join(f"{count(times)} {issue}" for issue, times in counts.items())
    return f"{plural(int(counts.sum()), 'region')} probably wrong as drawn, or not drawn: {listed}."


def regions_measured(audit: Audit) -> str:
    """How well planted spurious, shifted and missing regions were found, in words; empty where none was looked for."""
    found = audit.summary.get("region_issues") or {}
    said = [
        f"{issue} {share(planted['recall'])} of {count(planted['count'])}"
        for issue, planted in found.items()
        if planted["recall"] is not None
    ]
    return f"Of such regions planted for a test, so many are flagged: {', '.join(said)}." if said else ""


def _better_features(audit: Audit) -> Advice | None:
    return better_features(audit.manifest["data"]["kind"], audit.manifest.get("options", {}).get("encoder", ""))


def _in_markup(advice: Advice) -> Markup:
    if not advice.command:
        return Markup.escape(advice.why)
    return Markup("{} <code>{}</code>").format(advice.why, advice.command)


def _why_unknown(audit: Audit) -> str:
    return (audit.summary["self_measurement"] or {}).get("why_unknown", "")


def _series(names: Sequence[Markup]) -> Markup:
    if len(names) == 1:
        return names[0]
    return Markup(", ").join(names[:-1]) + Markup(" and ") + names[-1]
