"""Configs and results at random: what the server accepts is read or named, and nothing ends in a traceback.

``FUZZ_SECONDS`` and ``FUZZ_CASES`` bound it; 10,000 cases take about seven minutes.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from typing import Any

import pytest

from ntk_labelqa.dataset import Provenance
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.reading.label_config import infer, parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset

SECONDS = float(os.environ.get("FUZZ_SECONDS", "20"))
CASES = int(os.environ.get("FUZZ_CASES", "10000"))
OBJECTS = """
    Image Text HyperText Paragraphs Table Audio Video TimeSeries List Pdf Chat Markdown
""".split()  # noqa: SIM905 a line each would be twelve
CONTROLS = """
    Choices Taxonomy Rating Number Pairwise TextArea Ranker DateTime Labels RectangleLabels PolygonLabels BrushLabels
    KeyPointLabels EllipseLabels HyperTextLabels ParagraphLabels TimeSeriesLabels VideoRectangle Rectangle
""".split()  # noqa: SIM905 a line each would be twenty
OF_OBJECTS = {
    "value": ["$a", "$b.c", "$b.d[0]", "$missing", "plain", "Hello $a", "$", "$e"],
    "valueList": ["$e", "$missing"],
    "valueType": ["text", "url"],
    "encoding": ["none", "base64", "base64unicode"],
    "resolver": ["csv|column=a"],
    "showLabels": ["true"],
}
OF_CONTROLS = {
    "choice": ["single", "single-radio", "multiple"],
    "perRegion": ["true", "false", "TRUE"],
    "perItem": ["true"],
    "labeling": ["true"],
    "allowNested": ["true"],
    "maxRating": ["3", "0", "many", "-1", "5.5", "99"],
    "min": ["0", "x", "-2"],
    "max": ["5", "1e300", "nan"],
    "step": ["1", "0.5", "0", "-1"],
    "value": ["$e", "$a"],
    "apiUrl": ["https://example.org/x"],
    "visibleWhen": ["choice-selected", "choice-unselected", "region-selected", "never"],
    "whenTagName": ["c0", "c1", "nobody"],
    "whenChoiceValue": ["x", "x,y", ""],
    "required": ["true"],
    "leafsOnly": ["true"],
}
NAMES = ["x", "y", "été", "a / b", "not x", "<&>", "", " ", "0", "x"]
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    3.5,
    float("inf"),
    "",
    "x",
    [],
    ["x"],
    [["x", "y"]],
    {},
    {"x": 1},
    "😀",
    [None],
    [1],
]


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


class Maker:
    """One case: a config, and tasks that may or may not go with it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def attributes(self, known: dict[str, list[str]], most: int) -> str:
        chosen = self.random.sample(sorted(known), self.random.randint(0, most))
        cased = [self.random.choice([name, name, name.lower(), name.upper()]) for name in chosen]
        pairs = zip(cased, chosen, strict=True)
        return " ".join(f'{name}="{self.random.choice(known[of])}"' for name, of in pairs)

    def classes(self, tag: str, depth: int = 0) -> str:
        inner = "Label" if tag.endswith("Labels") else "Choice"
        made = []
        for _ in range(self.random.randint(0, 4)):
            inside = self.classes(tag, depth + 1) if depth < 2 and self.random.random() < 0.2 else ""
            alias = f' alias="{self.random.choice("pqr")}"' if self.random.random() < 0.1 else ""
            made.append(f'<{inner} value="{escaped(self.random.choice(NAMES))}"{alias}>{inside}</{inner}>')
        return "".join(made)

    def config(self) -> str:
        objects = [f"o{number}" for number in range(self.random.randint(1, 3))]
        parts = []
        for name in objects:
            more = self.attributes({key: of for key, of in OF_OBJECTS.items() if key != "value"}, 1)
            value = self.random.choice(OF_OBJECTS["value"])
            parts.append(f'<{self.random.choice(OBJECTS)} name="{name}" value="{value}" {more}/>')
        for number in range(self.random.randint(1, 3)):
            tag = self.random.choice(CONTROLS)
            over = self.random.choice([*objects, ",".join(objects), "nobody"] if number else objects)
            more = self.attributes(OF_CONTROLS, 3)
            made = f'<{tag} name="c{number}" toName="{over}" {more}>{self.classes(tag)}</{tag}>'
            if self.random.random() < 0.15:
                made = f'<View {self.attributes(OF_CONTROLS, 1)} visibleWhen="choice-selected">{made}</View>'
            if self.random.random() < 0.05:
                made = f'<Repeater on="$e" indexFlag="{{{{i}}}}">{made}</Repeater>'
            parts.append(made)
        return "<View>" + "".join(parts) + "</View>"

    def result(self, config: str) -> Any:
        if self.random.random() < 0.03:
            return self.random.choice(ODD)
        tag = self.random.choice(CONTROLS)
        usual: dict[str, Any] = {
            "choices": [self.random.choice(NAMES)],
            "taxonomy": [[self.random.choice(NAMES), "y"]],
            "rating": self.random.randint(0, 6),
            "number": self.random.choice([1, 2.5, -3]),
            "selected": self.random.choice(["left", "right"]),
            tag.lower(): [self.random.choice(NAMES)],
        }
        value = {key: usual[key] for key in self.random.sample(sorted(usual), self.random.randint(1, 3))}
        if self.random.random() < 0.4:
            value |= {side: self.random.choice([1, 10.5, 300, "1"]) for side in ("x", "y", "width", "height")}
        if self.random.random() < 0.3:
            value |= {"start": self.random.randint(-1, 4), "end": self.random.randint(0, 9), "text": "some"}
        if self.random.random() < 0.15:
            value[self.random.choice(sorted(value))] = self.random.choice(ODD)
        made = {"from_name": f"c{self.random.randint(0, 2)}", "to_name": "o0", "type": tag.lower(), "value": value}
        made["id"] = self.random.choice(["r1", "r2", "r3", ""])
        if self.random.random() < 0.05:
            made[self.random.choice(sorted(made))] = self.random.choice(ODD)
        return made

    def tasks(self, config: str) -> list[dict[str, Any]]:
        data = {"a": "some text", "b": {"c": "deep", "d": ["first"]}, "e": ["x", "y"]}
        made, number = [], 0
        for task in range(1, 4):
            annotations = []
            for _ in range(self.random.randint(0, 3)):
                number += 1
                results = [self.result(config) for _ in range(self.random.randint(0, 4))]
                annotations.append(
                    {"id": number, "completed_by": self.random.choice([1, {"id": 2}, None]), "result": results}
                )
            changed = data | (
                {self.random.choice("abe"): self.random.choice(ODD)} if self.random.random() < 0.3 else {}
            )
            made.append({"id": task, "data": changed, "annotations": annotations})
        return made


def accepted(config: str) -> bool:
    """Whether the validator that the server shares with its SDK takes the config."""
    from label_studio_sdk.label_interface import LabelInterface

    try:
        LabelInterface(config).validate()
    except Exception:  # noqa: BLE001 whatever it raises, the server does not take it
        return False
    return True


def tried(seed: int) -> str:
    """How a case ended; only refusals in words are no failure."""
    maker = Maker(seed)
    config = maker.config()
    tasks = maker.tasks(config)
    said = "accepted" if accepted(config) else "refused by the server"
    control: str | None = maker.random.choice([None, "c0", "c0:x", "c1", "c2:1"])
    for read in (lambda: parse(config, control), lambda: infer(tasks, control)):
        try:
            dataset = build_dataset(tasks, read(), Provenance("fuzz"))
        except InvalidInputError as error:
            if not error.what or not error.remedy:
                pytest.fail(f"case {seed}: {error!r} does not say what to do")
            continue
        assert set(dataset.label_codes) <= set(range(len(dataset.class_names)))
        said += ", read"
    return said


@pytest.mark.long
def test_nothing_ends_in_a_traceback() -> None:
    end, outcomes = time.monotonic() + SECONDS, Counter[str]()
    for seed in range(CASES):
        if time.monotonic() > end:
            break
        try:
            outcomes[tried(seed)] += 1
        except Exception as error:  # noqa: BLE001 that is what is looked for
            pytest.fail(f"case {seed}: {type(error).__name__}: {error}\n{Maker(seed).config()}")
    assert outcomes["accepted, read"] > 0.01 * outcomes.total()
    print(outcomes)
