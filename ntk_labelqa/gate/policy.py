"""The policy file, ``labelqa.toml``: read, validated, and refused with the reason where it cannot be meant."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gate.case import Strict
from ntk_labelqa.gate.checks import (
    Agreement,
    AnnotatorErrorRate,
    Coverage,
    DuplicateConflicts,
    EntangledPairs,
    ErrorRate,
    RegionFaults,
    RegionIssues,
    SmallestClass,
    Suspects,
    Unreviewed,
)
from ntk_labelqa.gate.comparisons import NoWorse, SchemeRank
from ntk_labelqa.options import RegionLimits

AnyCheck = (
    ErrorRate
    | Suspects
    | Unreviewed
    | EntangledPairs
    | SmallestClass
    | AnnotatorErrorRate
    | DuplicateConflicts
    | RegionFaults
    | RegionIssues
    | Agreement
    | Coverage
    | SchemeRank
    | NoWorse
)
POLICY = "labelqa.toml"


class Regions(Strict):
    """From where on a region breaks a rule; see :class:`ntk_labelqa.options.RegionLimits`."""

    outside: float = Field(default=0.5, ge=0, description="Per cent of a side that a region may reach beyond it.")
    longest: float = Field(default=20.0, gt=1, description="Length over breadth beyond which a region is a sliver.")
    smallest: float = Field(default=0.3, ge=0, description="Per cent of the image below which a region may be tiny.")
    beyond: float = Field(default=3.0, gt=1, description="Factor beyond the percentiles of its class that is unusual.")
    same: float = Field(default=0.9, gt=0, le=1, description="Intersection over union of two that are one.")
    inside: float = Field(default=0.85, gt=0, le=1, description="Share of its area within another that is inside.")
    habit: float = Field(default=0.05, ge=0, le=1, description="Share of a class that makes a fault usual for it.")
    majority: float = Field(default=0.9, gt=0.5, le=1, description="Share of a string's labels that others contradict.")

    def limits(self) -> RegionLimits:
        """The same, as an audit takes them."""
        return RegionLimits(**self.model_dump())


class Policy(Strict):
    """What a release has to keep to."""

    version: Literal[1] = Field(description="Version of this file's format.")
    minimum_items: int = Field(default=200, ge=2, description="With fewer items the gate cannot be judged.")
    minimum_labels: int = Field(
        default=50, ge=1, description="Fewest labels of a scope or an annotator to judge a rate by."
    )
    regions: Regions = Field(default=Regions(), description="From where on a region breaks a rule, when auditing.")
    checks: list[Annotated[AnyCheck, Field(discriminator="check")]] = Field(
        min_length=1, alias="check", description="The checks, in the order in which they are printed."
    )


def read_policy(path: Path) -> Policy:
    """The policy in *path*.

    Raises InvalidInputError where the file is missing, is no TOML, or holds what a policy cannot: every fault is named,
    an unknown key with the nearest known one.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInputError(
            f"There is no policy {path}.", remedy="Write one with `ntk-labelqa init`, or name yours with --policy."
        ) from None
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    except RecursionError:
        raise InvalidInputError(f"{path} is nested too deep.", remedy="No policy has lists in lists.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not TOML: {error}.", remedy="Correct that line.") from error
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        faults = [_fault(detail, content) for detail in error.errors()]
        raise InvalidInputError(
            f"{path} is no valid policy: {'; '.join(faults)}.",
            remedy="Correct it; docs/reference/policy.md and the file that `ntk-labelqa init` writes have every key.",
        ) from error


def template() -> str:
    """The commented policy that ``init`` writes."""
    return (files("ntk_labelqa.gate") / POLICY).read_text(encoding="utf-8")


def json_schema() -> str:
    """The JSON schema of the policy file, for editors."""
    return json.dumps(Policy.model_json_schema(), indent=2) + "\n"


def _fault(detail: Any, content: dict[str, Any]) -> str:
    """One fault in words, with its place: ``check 2 (error_rate), scope: unknown key 'clas', did you mean 'class'?``"""
    place, kind = list(detail["loc"]), detail["type"]
    if kind == "extra_forbidden":
        return f"{_place(place[:-1], content)}unknown key {place[-1]!r}{_nearest(str(place[-1]), _keys(place[:-1]))}"
    if kind == "union_tag_invalid":
        tag = str(detail["ctx"]["tag"])
        return f"{_place(place, content)}unknown check {tag!r}{_nearest(tag, _models())}"
    if kind == "union_tag_not_found":
        return f"{_place(place, content)}says not which check it is, one of {', '.join(_models())}"
    if kind == "missing":
        return f"{_place(place[:-1], content)}{place[-1]!r} is missing"
    return f"{_place(place[:-1], content)}{place[-1]!r}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _place(place: list[Any], content: dict[str, Any]) -> str:
    """Where in the file *place* is. pydantic puts the kind of a check behind its number."""
    parts, at = [], 0
    while at < len(place):
        if place[at] == "check" and at + 1 < len(place):
            kind = str(content["check"][place[at + 1]].get("check"))
            parts.append(f"check {place[at + 1] + 1}" + (f" ({kind})" if kind in _models() else ""))
            at += 3
        else:
            parts.append(str(place[at]))
            at += 1
    return ", ".join(parts) + (": " if parts else "")


def _keys(place: list[Any]) -> list[str]:
    """The keys that the table at *place* may have."""
    model: type[BaseModel] = Policy
    for step in place:
        if step in _models():
            model = _models()[step]
        elif isinstance(step, str) and step != "check":
            inner = model.model_fields[step].annotation
            options = getattr(inner, "__args__", (inner,))
            model = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]


def _models() -> dict[str, type[BaseModel]]:
    """Every check by the name it has in the file."""
    return {model.model_fields["check"].annotation.__args__[0]: model for model in AnyCheck.__args__}


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f", did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
