"""Labelling configs at random, as text that may be none, and tasks that may or may not go with them."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, NamedTuple

from ntk_labelqa.dataset import Provenance
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.labelstudio.reading.config_xml import ATTRIBUTES, TAGS
from ntk_labelqa.labelstudio.reading.label_config import infer, parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from tests.fuzz.odd import TEXTS, damaged, mutated
from tests.fuzz.runs import Unexpected, seeded
from tests.fuzz.samples import samples, tasks_of

OBJECTS = """
    Image Text HyperText Paragraphs Table Audio Video TimeSeries List Pdf Chat Markdown
""".split()  # noqa: SIM905 a line each would be twelve
CONTROLS = """
    Choices Taxonomy Rating Number Pairwise TextArea Ranker DateTime Labels RectangleLabels PolygonLabels BrushLabels
    KeyPointLabels EllipseLabels HyperTextLabels ParagraphLabels TimeSeriesLabels VideoRectangle Rectangle
""".split()  # noqa: SIM905 a line each would be twenty
VALUES = {
    "value": ["$text", "$doc.body[0]", "$missing", "plain", "Hello $text", "$", "$row"],
    "valueList": ["$row", "$missing"],
    "valueType": ["text", "url"],
    "encoding": ["none", "base64", "base64unicode"],
    "resolver": ["csv|column=a"],
    "choice": ["single", "single-radio", "multiple"],
    "perRegion": ["true", "false", "TRUE"],
    "maxRating": ["3", "0", "many", "-1", "5.5", "99"],
    "min": ["0", "x", "-2"],
    "max": ["5", "1e300", "nan"],
    "step": ["1", "0.5", "0", "-1"],
    "visibleWhen": ["choice-selected", "choice-unselected", "region-selected", "never"],
    "whenTagName": ["c0", "c1", "nobody"],
    "whenChoiceValue": ["x", "x,y", ""],
}
"""What attributes may well have; others are switched on."""
NAMES = ["a", "b", "été", "a / b", "not a", "<&>", "", " ", "0", "a"]
_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Config(NamedTuple):
    """A labelling config, the control asked for, and tasks."""

    xml: str
    control: str | None
    tasks: list[dict[str, Any]]


class Configs:
    """Configs, as :func:`~ntk_labelqa.labelstudio.reading.label_config.parse` takes them."""

    together = 1

    def __init__(self, folder: Path) -> None:
        self.samples = samples()

    def make(self, seed: int) -> Config:
        rng = seeded("configs", seed)
        sample = rng.choice(self.samples)
        xml = _written(rng) if rng.random() < 0.6 else sample.config
        if rng.random() < 0.5:
            xml = damaged(xml.encode(), rng, most=2).decode("utf-8", rng.choice(["replace", "surrogateescape"]))
        if rng.random() < 0.02:
            tag = rng.choice(["View", "Choice", "Style"])
            xml = f"<{tag}>" * 5_000 + xml + f"</{tag}>" * 5_000
        if rng.random() < 0.02:
            entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">%s]>'
            more = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
            xml = entities % more + xml.replace("$text", "&i;").replace('"a"', '"&i;"')
        tasks = tasks_of(sample)
        tasks[0]["annotations"] = [mutated(tasks[0]["annotations"][0], rng)]
        return Config(xml, rng.choice([None, None, "c", "c0", "c0:a", "c1", "c:1", "c:a"]), _sound(tasks))

    def read(self, some: list[Config]) -> str:
        [made] = some
        said = "refused"
        for read in (lambda: parse(made.xml, made.control), lambda: infer(made.tasks, made.control)):
            try:
                dataset = build_dataset(made.tasks, read(), Provenance("fuzz"))
            except LabelQAError as error:
                if not error.what or not error.remedy:
                    raise
                continue
            if not set(dataset.label_codes) <= set(range(len(dataset.class_names))):
                raise Unexpected("a label that is no class")
            said = "read"
        return said


def _sound(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*tasks* as an export's reader hands them on: annotations are objects, with ids."""
    for task in tasks:
        kept = [one for one in task["annotations"] if isinstance(one, dict)]
        task["annotations"] = [{**one, "id": 10 * task["id"] + at} for at, one in enumerate(kept)]
    return tasks


def _escaped(text: str) -> str:
    text = _XML.sub("?", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _attributes(rng: random.Random, most: int) -> str:
    chosen = rng.sample(sorted(ATTRIBUTES), rng.randint(0, most))
    chosen = [name for name in chosen if name not in ("name", "toName")]
    cased = [rng.choice([name, name, name.lower(), name.upper()]) for name in chosen]
    found = [rng.choice(TEXTS) if rng.random() < 0.2 else rng.choice(VALUES.get(name, ["true"])) for name in chosen]
    pairs = dict(zip(cased, found, strict=True))
    return " ".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items())


def _classes(rng: random.Random, tag: str, depth: int = 0) -> str:
    inner, made = "Label" if tag.endswith("Labels") else "Choice", []
    for _ in range(rng.randint(0, 4)):
        inside = _classes(rng, tag, depth + 1) if depth < 2 and rng.random() < 0.2 else ""
        alias = f' alias="{rng.choice("pqr")}"' if rng.random() < 0.1 else ""
        name = rng.choice(TEXTS) if rng.random() < 0.1 else rng.choice(NAMES)
        made.append(f'<{inner} value="{_escaped(name)}"{alias}>{inside}</{inner}>')
    return "".join(made)


def _written(rng: random.Random) -> str:
    """Objects, and controls over them, of any type and with any attributes."""
    objects = ["x", *(f"o{number}" for number in range(rng.randint(0, 2)))]
    parts = []
    for name in objects:
        value = rng.choice(VALUES["value"])
        parts.append(f'<{rng.choice(OBJECTS)} name="{name}" value="{value}" {_attributes_but_value(rng)}/>')
    for number in range(rng.randint(1, 3)):
        tag = rng.choice(CONTROLS) if rng.random() < 0.95 else rng.choice(TAGS)
        over = rng.choice([*objects, ",".join(objects), "nobody"] if number else objects)
        name = rng.choice(["c", f"c{number}"])
        made = f'<{tag} name="{name}" toName="{over}" {_attributes(rng, 3)}>{_classes(rng, tag)}</{tag}>'
        if rng.random() < 0.15:
            made = f'<View {_attributes(rng, 1)} visiblewhen="choice-selected">{made}</View>'
        if rng.random() < 0.05:
            made = f'<Repeater on="$row" indexFlag="{{{{i}}}}">{made}</Repeater>'
        parts.append(made)
    return "<View>" + "".join(parts) + "</View>"


def _attributes_but_value(rng: random.Random) -> str:
    return " ".join(part for part in [_attributes(rng, 1)] if not part.lower().startswith(("value=", "valuelist")))
