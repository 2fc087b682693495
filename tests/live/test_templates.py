"""Every template of Label Studio's own gallery: what an audit does with it, as docs/reference/templates.md says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types.control_type import Said
from ntk_labelqa.labelstudio.reading.label_config import LabelledControl, parse
from ntk_labelqa.labelstudio.reading.label_values import labels_given

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "templates.md"
HEAD = """| template | what an audit does | controls |
|---|---|---|"""
FEWEST = 45


@pytest.fixture(scope="module")
def templates(client: LabelStudio) -> list[dict[str, Any]]:
    answer = client._client_wrapper.httpx_client.request("api/templates", method="GET")
    return sorted(answer.json()["templates"], key=lambda template: (template["group"], template["title"]))


def controls_of(config: str) -> list[LabelledControl]:
    """What could be audited, each control by its name; of a multiple choice, its first option."""
    from label_studio_sdk.label_interface import LabelInterface

    found = []
    for tag in LabelInterface(config).controls:
        for part in ("", f":{next(iter(tag.labels or ()), 'any')}"):
            try:
                found.append(parse(config, f"{tag.name}{part}"))
                break
            except InvalidInputError as error:
                if "is a multiple choice" not in str(error):
                    break
    return found


def row(template: dict[str, Any]) -> str:
    controls = controls_of(template["config"])
    words = ", ".join(
        f"{one.control.tag} `{one.control.name}`{':OPTION' if one.control.part else ''}"
        + (" *with features*" if one.kind == "other" else "")
        for one in controls
    )
    if not controls:
        with pytest.raises(InvalidInputError) as raised:
            parse(template["config"])
        return f"| {template['title']} | named as not possible | {raised.value.why} |"
    done = "audited" if any(one.kind != "other" for one in controls) else "audited with features"
    return f"| {template['title']} | {done} | {words} |"


def test_the_page_says_what_is_done_with_each(templates: list[dict[str, Any]]) -> None:
    rows = [row(template) for template in templates]
    done = sum("| audited" in one for one in rows)
    table = "\n".join([HEAD, *rows])
    print(table)
    assert done >= FEWEST
    page = PAGE.read_text()
    assert f"{done} of the {len(rows)} templates" in page
    assert table in page, f"docs/reference/templates.md has another table than this:\n{table}"


def test_samples_that_the_sdk_makes_of_templates_are_not_mis_read(templates: list[dict[str, Any]]) -> None:
    """Each label that is read is one that the sample has for that very control."""
    from label_studio_sdk.label_interface import LabelInterface

    read = 0
    for template in templates:
        interface = LabelInterface(template["config"])
        try:
            sample: Any = interface.generate_sample_annotation()
        except AttributeError:  # the SDK makes none for some controls
            continue
        if sample is None:
            continue
        task = interface.generate_sample_task()
        for one in controls_of(template["config"]):
            mine = [part for part in sample["result"] if part["from_name"] == one.control.name]
            for said in labels_given(sample, one.control, task):
                if isinstance(said, Said):
                    named = {said.label} if not one.control.part else set(said.named)
                    assert named <= set(map(str, flat([part["value"] for part in mine])))
                    read += 1
    assert read >= FEWEST


def flat(value: Any) -> list[Any]:
    """All that is in *value*, paths joined as labels have them too."""
    if isinstance(value, dict):
        return flat(list(value.values()))
    if isinstance(value, list):
        return [each for part in value for each in flat(part)] + ([" / ".join(map(str, value))] if value else [])
    return [value, f"{value:g}"] if isinstance(value, float) else [value]
