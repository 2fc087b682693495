"""Spans of a Text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.place import Place
from ntk_labelqa.label_types.span import Span, Spans, integer

if TYPE_CHECKING:
    import pandas as pd

    from ntk_labelqa.diagnostics.region_presence import Scene


class TextSpans(Spans):
    """Labels over a Text."""

    tags = frozenset({"Labels"})
    over = frozenset({"Text"})

    scanned = frozenset({"span", "span of a page"})

    def scenes(self, wholes: pd.DataFrame, drawn: pd.DataFrame, *, seed: int) -> Sequence[Scene]:
        """Texts."""
        from ntk_labelqa.encoders.text_scenes import text_scenes

        places = drawn[["start", "end"]].to_numpy(np.int64)
        of_task, codes = drawn.groupby("task_id").indices, drawn["code"].to_numpy(np.int64)
        rows = [of_task.get(task, np.empty(0, np.int64)) for task in wholes["task_id"]]
        return text_scenes(
            wholes["task_id"].tolist(),
            wholes["value"].tolist(),
            [places[of] for of in rows],
            [codes[of] for of in rows],
            seed=seed,
        )

    def can_add(self, control: Control) -> bool:
        """Spans."""
        return control.tag == "Labels"

    def placed(self, place: Sequence[float], whole: Any) -> tuple[Place, dict[str, Any]]:
        """A span."""
        start, end = map(int, place)
        span = Span.within(whole.value, start, end)
        return span, {"value": {"start": start, "end": end, "text": whole.value[start:end]}}

    def can_move(self, shape: str) -> bool:
        """Spans whose characters are counted as here can."""
        return shape == "span"

    def moved_to(self, place: Sequence[float], region: Any, whole: Any) -> dict[str, Any]:
        """Start, end and the characters there."""
        return self.placed(place, whole)[1]

    def document(self, shown: Any, control: Control) -> str | None:
        """The text itself."""
        return shown if isinstance(shown, str) else None

    def offsets(self, value: Mapping[str, Any], document: str, shown: Any, control: Control) -> tuple[int, int] | None:
        """Offsets are counted in characters, or as browsers do, in units of UTF-16."""
        start, end, said = integer(value.get("start")), integer(value.get("end")), value.get("text")
        if start is None or end is None or isinstance(value.get("start"), str):
            return None
        units = document.encode("utf-16-le", "surrogatepass")
        before, inside = (units[2 * a : 2 * b].decode("utf-16-le", "replace") for a, b in ((0, start), (start, end)))
        for place in ((start, end), (len(before), len(before) + len(inside))):
            there = document[slice(*place)]
            if place[1] <= len(document) and there.strip() and (said is None or there == said):
                return place
        return None
