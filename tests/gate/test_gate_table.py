"""Every check, passed, failed, waived, not to be judged, and with a bad policy: what the real command line answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa.audit_folder import DECISIONS, WARNING_DECISIONS, Audit, mark_stale
from ntk_labelqa.cli.entry import run
from ntk_labelqa.findings import SCHEMAS
from tests.gate.audits import audit_of, with_findings, with_items, write_policy

PASSED, FAILED, NOT_JUDGED = 0, 1, 3
WAIVER = '[check.waiver]\nreason = "agreed with the customer"\nexpires = 2999-12-31'
EXPIRED = '[check.waiver]\nreason = "agreed with the customer"\nexpires = 2020-12-31'
EARLIER = "earlier"


@dataclass(frozen=True)
class Row:
    """One check: its table in the policy, and audits that pass, fail and cannot be judged."""

    policy: str
    good: Callable[[], Audit]
    bad: Callable[[], Audit]
    unknown: Callable[[], Audit]
    misspelt: tuple[str, str]
    earlier: Callable[[], Audit] | None = None


def few() -> Audit:
    return audit_of(40)


def copies(*, conflicting: bool) -> Audit:
    """Task 2 shows what task 1 shows; the labels of both differ only if *conflicting*."""
    audit = audit_of()
    values = audit.items["value"].where(audit.items["task_id"] != 2, "text 0")
    labels = audit.findings["given_label"].where(audit.findings["task_id"] != 2, "dog" if conflicting else "cat")
    return with_items(with_findings(audit, given_label=labels), value=values)


def decided(audit: Audit, *decisions: str) -> Audit:
    """*audit* whose first labels reviewers have decided on."""
    columns = ["annotation_id", "given_label", "error_probability"]
    table = audit.findings[columns].head(len(decisions)).assign(decision=list(decisions))
    return replace(audit, decisions=table)


def careless(count: int) -> Audit:
    """Of ada's labels *count* are wrong, of grace's none."""
    audit = audit_of()
    hers = audit.findings.index[audit.findings["annotator"] == "ada@example.org"][:count]
    chosen = audit.findings.index.isin(hers)
    return with_findings(audit, error_probability=np.where(chosen, 0.9, 0.01), margin=np.where(chosen, 0.5, -0.5))


def changed_classes(**columns: Any) -> Audit:
    audit = audit_of()
    return replace(audit, classes=audit.classes.assign(**columns))


def rare_owls(items: int) -> Audit:
    return changed_classes(items=[150, 145, items])


def last_month(**options) -> Audit:
    return audit_of(created="2026-02-02T00:00:00+00:00", **options)


def drawn(*rules: str) -> Audit:
    """An audit of regions, of which one each breaks *rules*."""
    audit = audit_of()
    about = {"task_id": 1, "annotation_id": 1, "annotator": "ada", "label": "cat", "detail": "said"}
    faults = (
        pd.DataFrame(
            [{**about, "region_id": f"r{number}", "rule": rule} for number, rule in enumerate(rules)],
            columns=list(SCHEMAS["region_faults"]),
        )
        .astype(object)
        .fillna("")
    )
    manifest = {**audit.manifest, "summary": {**audit.summary, "region_faults": len(rules)}}
    return replace(audit, manifest=manifest, region_faults=faults)


def overlooked(*issues: str, looked: bool = True, kept: bool = False) -> Audit:
    """An audit of regions with *issues*, one region each; reviewers *kept* the last."""
    audit = audit_of()
    about = {"task_id": 1, "annotation_id": 1, "annotator": "ada", "label": "cat", "probability": 0.9}
    rows = [{**about, "region_id": f"r{row}", "issue": issue} for row, issue in enumerate(issues)]
    table = (
        pd.DataFrame(rows, columns=list(SCHEMAS["region_issues"]))
        .astype(object)
        .fillna("")
        .assign(is_region_issue=True, picture=None)
    )
    manifest = {**audit.manifest, "summary": {**audit.summary, "region_issues": {} if looked else None}}
    decisions = None
    if kept:
        last = {"annotation_id": 1, "region_id": f"r{len(issues) - 1}", "kind": issues[-1], "decision": "keep"}
        decisions = pd.DataFrame([{**last, "given_label": "cat", "error_probability": 0.9}])
    return replace(audit, manifest=manifest, region_issues=table, decisions=decisions)


def agreeing(alpha: float, items: int = 80) -> Audit:
    """An audit whose annotators agree as *alpha* says, give or take .05, on so many items."""
    audit = audit_of()
    row = dict.fromkeys(SCHEMAS["agreement"], 0.5) | {"level": "all", "class_name": "", "annotator_a": ""}
    row |= {"annotator_b": "", "items": items, "alpha": alpha, "alpha_low": alpha - 0.05, "alpha_high": alpha + 0.05}
    return replace(audit, agreement=pd.DataFrame([row]))


ROWS = {
    "error_rate": Row(
        'check = "error_rate"\nat_most = 0.05',
        audit_of,
        lambda: audit_of(wrong=15),
        few,
        ("at_most", "at_mots"),
    ),
    "error_rate of a class": Row(
        'check = "error_rate"\nat_most = 0.10\nscope = {class = "dog"}',
        audit_of,
        lambda: audit_of(wrong=60),
        lambda: with_findings(audit_of(), given_label="cat"),
        ("class", "clas"),
    ),
    "error_rate of an annotator": Row(
        'check = "error_rate"\nat_most = 0.10\nscope = {annotator = "ada@example.org"}',
        lambda: careless(0),
        lambda: careless(20),
        lambda: with_findings(audit_of(), annotator="someone else"),
        ("annotator", "anotator"),
    ),
    "suspects": Row(
        'check = "suspects"\nat_most = 2\nprobability = 0.9',
        lambda: audit_of(wrong=10, probability=0.8),
        lambda: audit_of(wrong=3),
        lambda: audit_of(informative=False),
        ("probability", "probabilty"),
    ),
    "unreviewed": Row(
        'check = "unreviewed"\nat_most = 1',
        lambda: decided(audit_of(wrong=3), "keep", "accept"),
        lambda: decided(audit_of(wrong=3), "keep", "unsure"),
        lambda: audit_of(wrong=3),
        ("unreviewed", "unreviwed"),
    ),
    "annotator_error_rate": Row(
        'check = "annotator_error_rate"\nat_most = 0.10',
        lambda: careless(0),
        lambda: careless(20),
        lambda: with_findings(audit_of(), annotator=""),
        ("annotator_error_rate", "annotator_eror_rate"),
    ),
    "entanglement": Row(
        'check = "entanglement"\nat_most = 0\noverlap = 0.15\nsignificance = 0.05',
        audit_of,
        lambda: audit_of(overlap=0.3),
        few,
        ("overlap", "overlapp"),
    ),
    "smallest_class": Row(
        'check = "smallest_class"\nat_least = 12',
        audit_of,
        lambda: rare_owls(5),
        few,
        ("at_least", "at_lest"),
    ),
    "smallest_class of a class": Row(
        'check = "smallest_class"\nat_least = 12\nscope = {class = "owl"}',
        audit_of,
        lambda: rare_owls(5),
        lambda: changed_classes(class_name=["cat", "dog", "bat"]),
        ("scope", "scop"),
    ),
    "duplicate_conflicts": Row(
        'check = "duplicate_conflicts"\nat_most = 0',
        lambda: copies(conflicting=False),
        lambda: copies(conflicting=True),
        lambda: with_items(audit_of(kind="features"), content=""),
        ("duplicate_conflicts", "duplicates_conflict"),
    ),
    "agreement": Row(
        'check = "agreement"\nat_least = 0.67',
        lambda: agreeing(0.75),
        lambda: agreeing(0.7),
        lambda: agreeing(0.9, items=5),
        ("at_least", "at_lest"),
    ),
    "region_faults": Row(
        'check = "region_faults"\nat_most = 1\nrules = ["duplicate", "edge"]',
        lambda: drawn("duplicate", "tiny", "tiny"),
        lambda: drawn("duplicate", "edge"),
        audit_of,
        ("rules", "ruels"),
    ),
    "region_issues": Row(
        'check = "region_issues"\nat_most = 1\nissue = "missing"',
        lambda: overlooked("missing", "spurious", "spurious", "missing", kept=True),
        lambda: overlooked("missing", "spurious", "missing"),
        lambda: overlooked(looked=False),
        ("at_most", "at_mots"),
    ),
    "coverage": Row(
        'check = "coverage"\nat_least = 0.95',
        audit_of,
        lambda: audit_of(left_out=30),
        few,
        ("coverage", "coverge"),
    ),
    "no_worse": Row(
        f'check = "no_worse"\nmargin = 0.01\naccepted = "{EARLIER}"',
        lambda: audit_of(wrong=2),
        lambda: audit_of(wrong=6),
        lambda: audit_of(architecture="linear"),
        ("accepted", "acepted"),
        last_month,
    ),
    "scheme_rank": Row(
        f'check = "scheme_rank"\nagainst = ["{EARLIER}"]',
        lambda: audit_of(wrong=3),
        lambda: audit_of(wrong=20),
        lambda: audit_of(wrong=3, project_id=8),
        ("against", "aganist"),
        lambda: last_month(wrong=6),
    ),
}


@pytest.fixture
def gated(tmp_path, capfd) -> Callable[..., tuple[int, str, str]]:
    """Save an audit, write a policy, and ask the gate."""

    def ask(row: Row, audit: Audit, policy: str) -> tuple[int, str, str]:
        if row.earlier is not None:
            row.earlier().save(tmp_path / EARLIER)
        path = write_policy(tmp_path, policy)
        folder = audit.save(tmp_path / "audit")
        if audit.decisions is not None:  # as `decisions` writes them
            audit.decisions.to_parquet(folder / DECISIONS, index=False)
        if audit.warning_decisions is not None:
            audit.warning_decisions.to_parquet(folder / WARNING_DECISIONS, index=False)
        code = run(["gate", str(folder), "--policy", str(path)])
        return code, *capfd.readouterr()

    return ask


def line_of(out: str, check: str) -> str:
    return next(line for line in out.splitlines() if f" {check} " in line)


each = pytest.mark.parametrize("row", [pytest.param(row, id=name.replace(" ", "-")) for name, row in ROWS.items()])


def name_of(row: Row) -> str:
    return row.policy.split('"')[1]


@each
def test_passed(gated, row: Row) -> None:
    code, out, _ = gated(row, row.good(), row.policy)
    assert line_of(out, name_of(row)).startswith("passed")
    assert code == PASSED


@each
def test_failed(gated, row: Row) -> None:
    code, out, _ = gated(row, row.bad(), row.policy)
    assert line_of(out, name_of(row)).startswith("FAILED")
    assert "→" in out
    assert code == FAILED


@each
def test_failed_as_a_warning_stops_nothing(gated, row: Row) -> None:
    code, out, _ = gated(row, row.bad(), f'severity = "warning"\n{row.policy}')
    assert line_of(out, name_of(row)).startswith("FAILED")
    assert code == PASSED


@each
def test_waived(gated, row: Row) -> None:
    code, out, _ = gated(row, row.bad(), f"{row.policy}\n{WAIVER}")
    assert line_of(out, name_of(row)).startswith("waived")
    assert "agreed with the customer" in out
    assert code == PASSED


@each
def test_a_waiver_that_has_expired_waives_nothing(gated, row: Row) -> None:
    code, out, _ = gated(row, row.bad(), f"{row.policy}\n{EXPIRED}")
    assert "the waiver expired on 2020-12-31" in line_of(out, name_of(row))
    assert code == FAILED


@each
def test_not_judged_is_no_pass(gated, row: Row) -> None:
    code, out, _ = gated(row, row.unknown(), f"{row.policy}\n{WAIVER}")
    assert "NOT JUDGED" in out
    assert code == NOT_JUDGED


@each
def test_a_bad_policy_is_refused_with_the_nearest_name(gated, row: Row) -> None:
    right, wrong = row.misspelt
    code, out, err = gated(row, row.good(), row.policy.replace(right, wrong))
    assert f"{wrong!r}, did you mean {right!r}?" in err
    assert (code, out) == (NOT_JUDGED, "")


def test_suspects_that_reviewers_kept_are_resolved_and_corrections_are_not(gated) -> None:
    policy = 'check = "suspects"\nat_most = 1'
    kept = decided(audit_of(wrong=3), "keep", "keep")
    code, out, _ = gated(ROWS["suspects"], kept, policy)
    assert "1 label wrong" in line_of(out, "suspects")
    assert "besides 2 that reviewers kept" in line_of(out, "suspects")
    assert code == PASSED


def test_a_label_that_is_to_be_corrected_stands_until_it_is_audited_again(gated) -> None:
    policy = 'check = "suspects"\nat_most = 1'
    assert gated(ROWS["suspects"], decided(audit_of(wrong=3), "accept", "other"), policy)[0] == FAILED


def test_a_large_overlap_that_may_be_chance_is_no_warning(gated) -> None:
    row = ROWS["entanglement"]
    assert gated(row, audit_of(overlap=0.3, q_value=0.2), row.policy)[0] == PASSED


@pytest.mark.parametrize(("decision", "code"), [("fine", PASSED), ("guideline", FAILED), ("open", FAILED)])
def test_entangled_classes_count_unless_reviewers_found_them_fine(gated, decision: str, code: int) -> None:
    answers = pd.DataFrame({"class_a": ["dog"], "class_b": ["cat"], "decision": [decision]})
    audit = replace(audit_of(overlap=0.3), warning_decisions=answers)
    answered, out, _ = gated(ROWS["entanglement"], audit, ROWS["entanglement"].policy)
    assert answered == code
    assert ("besides 1 that reviewers found fine" in line_of(out, "entanglement")) == (decision == "fine")


def test_a_decision_on_a_label_that_has_changed_since_says_nothing(gated) -> None:
    audit = decided(audit_of(wrong=3), "keep", "keep")
    old = replace(audit, decisions=audit.decisions.assign(given_label="bat"))
    assert gated(ROWS["unreviewed"], old, ROWS["unreviewed"].policy)[0] == FAILED


def test_copies_of_an_image_under_two_addresses(gated) -> None:
    audit = copies(conflicting=True)
    hashes = [f"{task}" for task in audit.items["task_id"].replace(2, 1)]
    code, out, _ = gated(
        ROWS["suspects"],
        with_items(replace(audit, items=audit.items.assign(value="elsewhere")), content=hashes),
        ROWS["duplicate_conflicts"].policy,
    )
    assert "1 item with different labels in several tasks" in line_of(out, "duplicate_conflicts")
    assert code == FAILED


def test_an_audit_of_labels_that_have_changed_since_is_no_pass(tmp_path, capfd) -> None:
    path = write_policy(tmp_path, ROWS["error_rate"].policy)
    folder = audit_of().save(tmp_path / "audit")
    mark_stale(folder, "2026-03-03T04:05:06+00:00")
    mark_stale(folder, "2026-03-04T00:00:00+00:00")
    assert run(["gate", str(folder), "--policy", str(path)]) == NOT_JUDGED
    line = line_of(capfd.readouterr().out, "up_to_date")
    assert line.startswith("NOT JUDGED")
    assert "since 2026-03-03T04:05:06+00:00" in line
    audit_of(created="2026-03-05T00:00:00+00:00").save(folder, overwrite=True)
    assert run(["gate", str(folder), "--policy", str(path)]) == PASSED


def test_no_finding_needs_no_review(gated) -> None:
    assert gated(ROWS["suspects"], audit_of(), 'check = "unreviewed"\nat_most = 0')[0] == PASSED


def test_a_view_cannot_be_judged_yet(gated) -> None:
    code, out, _ = gated(ROWS["suspects"], audit_of(), 'check = "suspects"\nat_most = 0\nscope = {view = "Batch 3"}')
    assert line_of(out, "suspects (view Batch 3)").startswith("NOT JUDGED")
    assert code == NOT_JUDGED


@pytest.mark.parametrize("check", ["smallest_class", "coverage"])
def test_few_items_are_no_pass_even_where_the_check_only_counts(gated, check: str) -> None:
    code, out, _ = gated(ROWS[check], few(), f'check = "{check}"\nat_least = 0')
    assert line_of(out, check).startswith("passed")
    assert "40 items are too few to judge; the policy asks for 200" in line_of(out, "enough_items")
    assert code == NOT_JUDGED


def test_a_failure_weighs_more_than_a_gap(tmp_path, capfd) -> None:
    path = write_policy(tmp_path, 'check = "suspects"\nat_most = 0\n[[check]]\ncheck = "unreviewed"\nat_most = 0')
    folder = audit_of(wrong=5).save(tmp_path / "audit")
    assert run(["gate", str(folder), "--policy", str(path)]) == FAILED
    assert "1 failed, 1 not judged" in capfd.readouterr().out


@pytest.mark.parametrize("check", ["no_worse", "scheme_rank"])
@pytest.mark.parametrize("there", ["nothing", "the same audit", "no audit", "a damaged audit"])
def test_an_earlier_audit_that_cannot_be_used(tmp_path, capfd, check: str, there: str) -> None:
    audit, earlier = audit_of(), tmp_path / EARLIER
    if there == "the same audit":
        audit.save(earlier)
    elif there == "no audit":
        earlier.mkdir()
    elif there == "a damaged audit":
        last_month().save(earlier)
        (earlier / "audit.json").write_text("{")
    path = write_policy(tmp_path, ROWS[check].policy)
    assert run(["gate", str(audit.save(tmp_path / "audit")), "--policy", str(path)]) == NOT_JUDGED
    assert line_of(capfd.readouterr().out, check).startswith("NOT JUDGED")


def test_paths_of_a_policy_start_from_its_folder(tmp_path, capfd, monkeypatch) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    last_month().save(policies / EARLIER)
    write_policy(policies, ROWS["no_worse"].policy)
    folder: Path = audit_of().save(tmp_path / "audit")
    monkeypatch.chdir(tmp_path)
    assert run(["gate", str(folder), "--policy", "policies/labelqa.toml"]) == PASSED
