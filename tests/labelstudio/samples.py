"""Small tasks as Label Studio exports them."""

from __future__ import annotations

from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.labelstudio.reading.label_config import LabelledControl

KEY = "0123456789abcdef0123456789abcdef01234567"
USER = {"id": 1, "email": "owner@example.org", "username": "owner", "initials": "ow", "date_joined": "2025-01-01"}
CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="topic" toName="text"><Choice value="sport"/><Choice value="space"/><Choice value="cars"/></Choices>
</View>"""
TOPIC = LabelledControl(Control("topic", "text", "Choices", "text"), ("sport", "space", "cars"), "text")


def choice(*labels: str, control: str = "topic", to_name: str = "text") -> dict[str, Any]:
    """One result of a ``Choices`` control."""
    return {"from_name": control, "to_name": to_name, "type": "choices", "value": {"choices": list(labels)}}


def annotation(number: int, *results: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """One annotation, by user 1 unless said otherwise."""
    base = {"id": number, "completed_by": 1, "was_cancelled": False, "updated_at": "2025-05-01T10:00:00Z"}
    return base | {"result": list(results)} | fields


def task(number: int, *annotations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """One task; it shows a text unless *fields* brings ``data``."""
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": list(annotations)} | fields
