"""What an audit folder has to hold for those who read it, compared as it is read.

The file may have been damaged, or written by hand. Only what is read is looked at; later versions may write more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError

ROUNDING = 1e-6
"""What a share may be off by."""

Count = Annotated[StrictInt, Field(ge=0, lt=2**53)]
Id = Annotated[StrictInt, Field(ge=0, lt=2**63)]
Figure = Annotated[StrictFloat | StrictInt, Field(allow_inf_nan=False, ge=-1e300, le=1e300)]
Share = Annotated[StrictFloat | StrictInt, Field(ge=-ROUNDING, le=1 + ROUNDING)]
Moment = Annotated[StrictStr, AfterValidator(datetime.fromisoformat)]


class _Proportion(BaseModel):
    value: Share | None
    low: Share
    high: Share


class _Planted(BaseModel):
    count: Count
    recall: Share | None


class _Measured(BaseModel):
    planted: Count
    recall: _Proportion
    recall_hard: _Proportion = Field(default=None)  # type: ignore[assignment] # lacking, but never null
    precision: _Proportion
    calibration_error: Share = 0.0
    is_informative: StrictBool
    why_unknown: StrictStr = ""
    vote_accuracy: Share | None = None


class _Summary(BaseModel):
    items: Count
    annotations: Count
    classes: Count
    issues: Count
    error_rate: Share
    error_rate_low: Share
    error_rate_high: Share
    architecture: StrictStr
    ridge: Figure
    bde: Figure | None
    self_measurement: _Measured
    region_faults: Count = 0
    region_issues: dict[StrictStr, _Planted] | None = None


class _LeftOut(BaseModel):
    reason: StrictStr
    of: StrictStr
    count: Count
    ids: list[StrictInt]


class _Data(BaseModel):
    fingerprint: StrictStr
    source: StrictStr
    project_id: Id | None
    project_title: StrictStr
    server_url: StrictStr
    kind: StrictStr
    control: Control | None
    items: Count
    annotations: Count
    class_names: list[StrictStr]
    left_out: list[_LeftOut]
    notes: list[StrictStr]


class _Options(BaseModel):
    architecture: StrictStr
    encoder: StrictStr
    preparation: StrictStr = "none"


class _Manifest(BaseModel):
    created_at: Moment
    versions: dict[StrictStr, StrictStr]
    options: _Options
    seed: StrictInt
    device: StrictStr
    timings: dict[StrictStr, Figure]
    data: _Data
    summary: _Summary


def fault_of_manifest(manifest: Mapping[str, Any]) -> str:
    """What is wrong with an audit's manifest, in words; empty where nothing is."""
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place or 'the whole'}: {first['msg'][:1].lower()}{first['msg'][1:]}"
    return ""


def check_table(
    name: str,
    table: pd.DataFrame,
    schema: Mapping[str, str],
    *,
    optional: Collection[str] = (),
    nullable: Collection[str] = (),
    shares: Collection[str] = (),
    words: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Raise InvalidInputError unless *table* has the columns of *schema*, and in each what it says.

    Args:
        name: of the table, for the error.
        table: as it was read.
        schema: types by column: ``str``, ``int64``, ``Int64``, ``float64``, ``bool``, or ``bytes``.
        optional: columns that may be lacking.
        nullable: columns that may have missing values.
        shares: columns of numbers from 0 to 1.
        words: what columns of a few words may hold.
    """
    for column, kind in schema.items():
        if column not in table:
            fault = "" if column in optional else "is missing"
        else:
            fault = _fault(table[column], kind, nullable=column in nullable, is_share=column in shares)
            if not fault and words and column in words and not table[column].isin(words[column]).all():
                fault = f"has other words than {', '.join(map(repr, sorted(words[column])))}"
        if fault:
            raise InvalidInputError(
                f"The column {column!r} of the table {name} {fault}.",
                why="The file is damaged, or was written by another program.",
                remedy="Run the audit again with --overwrite.",
            )


def _fault(column: pd.Series, kind: str, *, nullable: bool, is_share: bool) -> str:
    """What is wrong with a column, to follow its name; empty where nothing is."""
    there = column.dropna()
    if len(there) < len(column) and not nullable:
        return "has missing values"
    if there.empty:
        return ""
    if kind in ("str", "bytes"):
        is_right = pd.api.types.infer_dtype(there) == ("string" if kind == "str" else kind)
        return "" if is_right else f"has what is no {'text' if kind == 'str' else 'picture'}"
    if kind == "bool":
        return "" if pd.api.types.is_bool_dtype(there) else "is neither true nor false"
    if not pd.api.types.is_numeric_dtype(there) or pd.api.types.is_complex_dtype(there):
        return "has what is no number"
    values = there.to_numpy(np.float64)
    if not np.isfinite(values).all():
        return "has infinite numbers"
    if is_share and not ((values >= -ROUNDING) & (values <= 1 + ROUNDING)).all():
        return "has numbers that are no shares of 1"
    return "has numbers with a fraction" if kind.lower() == "int64" and (values % 1).any() else ""
