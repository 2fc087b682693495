"""Policy files: TOML with odd tables, and text that is none; what is valid judges an audit."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from ntk_labelqa.gate import formats
from ntk_labelqa.gate.policy import read_policy, template
from ntk_labelqa.gate.verdict import judge
from tests.fuzz.odd import TEXTS, damaged, mutated
from tests.fuzz.runs import seeded
from tests.gate.audits import audit_of

EVERY = template().replace("\n# [[", "\n[[").replace("\n# [", "\n[")
CHECKS: list[dict[str, Any]] = [
    {"check": "error_rate", "at_most": 0.1, "scope": {"class": "cat", "annotator": "ada@example.org"}},
    {"check": "suspects", "at_most": 0, "probability": 0.9, "waiver": {"reason": "x", "expires": "@2030-12-31"}},
    {"check": "unreviewed", "at_most": 3, "severity": "warning"},
    {"check": "annotator_error_rate", "at_most": 0.2},
    {"check": "entanglement", "at_most": 0, "overlap": 0.15, "significance": 0.05, "scope": {"class": "dog"}},
    {"check": "smallest_class", "at_least": 20},
    {"check": "coverage", "at_least": 0.95},
    {"check": "duplicate_conflicts", "at_most": 0},
    {"check": "agreement", "at_least": 0.67},
    {"check": "region_faults", "at_most": 0, "rules": ["duplicate", "outside the image"]},
    {"check": "region_issues", "at_most": 0, "issue": "missing"},
    {"check": "no_worse", "accepted": "audits/accepted", "margin": 0.01},
    {"check": "scheme_rank", "against": ["audits/2030-01"], "at_most": 1},
]
REGIONS = {"outside": 0.5, "longest": 20, "smallest": 0.3, "beyond": 3, "same": 0.9, "inside": 0.85, "majority": 0.9}
FORMATS = (formats.as_text, formats.as_json, formats.as_junit, formats.as_markdown)


class Policies:
    """Bytes, as :func:`~ntk_labelqa.gate.policy.read_policy` takes them from the disk."""

    together = 1

    def __init__(self, folder: Path) -> None:
        self.path = folder / "labelqa.toml"
        self.audits = [audit_of(wrong=3), audit_of(20), audit_of(kind="image", informative=False)]

    def make(self, seed: int) -> bytes:
        rng = seeded("policies", seed)
        kind = rng.random()
        if kind < 0.25:
            return damaged(rng.choice([template(), EVERY]).encode(), rng)
        checks = [dict(check) for check in rng.sample(CHECKS, rng.randint(1, 3))]
        policy: Any = {"version": 1, "minimum_items": 200, "minimum_labels": 50, "check": checks}
        if rng.random() < 0.3:
            policy["regions"] = dict(REGIONS)
        policy = mutated(policy, rng, most=2)
        try:
            text = as_toml(policy, rng) if isinstance(policy, dict) else str(policy)
        except RecursionError:
            text = "version = " + "[" * 700
        content = text.encode("utf-8", "surrogatepass")
        return damaged(content, rng, most=2) if rng.random() < 0.2 else content

    def read(self, some: list[bytes]) -> str:
        [made] = some
        self.path.write_bytes(made)
        policy = read_policy(self.path)
        policy.regions.limits()
        audit = self.audits[len(made) % len(self.audits)]
        verdict = judge(audit, policy, base=self.path.parent)
        FORMATS[len(made) % 4](verdict)
        return "judged"


def as_toml(table: dict[str, Any], rng: random.Random) -> str:
    """*table* as TOML, nested tables in braces; what TOML has no form for is left to be a fault."""
    lines = []
    for key, value in table.items():
        if key == "check" and isinstance(value, list) and all(isinstance(one, dict) for one in value):
            lines += [line for check in value for line in ("[[check]]", *_lines(check))]
        else:
            lines.insert(0, f"{_key(key)} = {_value(value)}")
    return rng.choice(["\n", "\n", "\r\n"]).join(lines) + "\n"


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items()]


def _key(key: str) -> str:
    return key if key.isascii() and key.isidentifier() else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(_lines(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, str(value))
    if isinstance(value, str) and value.startswith("@"):  # a date
        return value[1:]
    return json.dumps(value, ensure_ascii=value in TEXTS[:20]) if isinstance(value, str) else str(value)
