"""Items in the plane of two kernel principal components, as SVG whose points say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from ntk_labelqa.diagnostics.architectures import Fit, Fits
from ntk_labelqa.label_types.words import shorten
from ntk_labelqa.report.items import PICTURE_BUDGET, picture_of

WIDTH, HEIGHT, EDGE = 420, 300, 8
MOST_POINTS = 600
TEXT_LENGTH = 160
COLOURED = 10
"""Classes that have a colour of their own: the largest; the others are grey."""
HUES = (210, 25, 130, 285, 50, 180, 340, 90, 240, 0)
NAME_LENGTH = 40


@dataclass(frozen=True)
class Shown:
    """What is shown of an item when its point is pointed at: its name, what it says, its picture as a PNG file."""

    name: str
    text: str = ""
    picture: bytes | None = None


def popups(fits: Fits, items: Sequence[Shown]) -> list[dict[str, str]]:
    """The same for the page's script, with the label; pictures while the page has room for them."""
    left, found = PICTURE_BUDGET, []
    for item, code in zip(items, fits.codes[: len(items)], strict=True):
        entry = {"name": item.name, "label": fits.class_names[code], "text": shorten(item.text, TEXT_LENGTH)}
        if item.picture is not None:
            address = picture_of(item.picture).address
            left -= len(address)
            if left >= 0:
                entry["picture"] = address
        found.append(entry)
    return found


def scatter(fit: Fit, fits: Fits, items: Sequence[Shown]) -> Markup:
    """One point an item, coloured by its label; wrongly predicted items are hollow."""
    places = _placed(fit.coordinates[:, :2])
    colours = class_colours(fits)
    points = [
        _point(x, y, colours[code], hollow=not right, title=_title(item.name, fits.class_names[code], right=right))
        for (x, y), code, right, item in list(zip(places, fits.codes, fit.right, items, strict=True))[:MOST_POINTS]
    ]
    label = escape(
        f"Items in the plane of the first two kernel principal components of {fit.name}; arrow keys step through them"
    )
    opening = Markup('<svg class="map" viewBox="0 0 {} {}" role="img" tabindex="0" aria-label="{}">').format(
        WIDTH, HEIGHT, label
    )
    return opening + Markup("").join(points) + Markup("</svg>")


def class_colours(fits: Fits) -> dict[int, str]:
    """A colour for each class code; the page's own grey for all but the largest."""
    largest = np.argsort(-np.bincount(fits.codes, minlength=len(fits.class_names)), kind="stable")
    own = {int(code): f"hsl({hue} 60% 52%)" for code, hue in zip(largest[:COLOURED], HUES, strict=False)}
    return {code: own.get(code, "var(--quiet)") for code in range(len(fits.class_names))}


def legend(fits: Fits) -> list[tuple[str, str]]:
    """Name and colour of the classes that have one of their own, the largest first."""
    counts = np.bincount(fits.codes, minlength=len(fits.class_names))
    colours = class_colours(fits)
    order = [int(code) for code in np.argsort(-counts, kind="stable")[:COLOURED] if counts[code]]
    return [(shorten(fits.class_names[code], NAME_LENGTH), colours[code]) for code in order]


def _placed(coordinates: np.ndarray) -> np.ndarray:
    """Scaled into the picture; the rarest hundredth at either end is drawn at the edge."""
    wide = np.zeros((len(coordinates), 2))
    wide[:, : coordinates.shape[1]] = coordinates
    low, high = np.percentile(wide, [1, 99], axis=0)
    unit = np.clip((wide - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    return EDGE + unit * (np.array([WIDTH, HEIGHT]) - 2 * EDGE)


def _point(x: float, y: float, colour: str, *, hollow: bool, title: str) -> Markup:
    look = f'fill="none" stroke="{colour}" stroke-width="1.4"' if hollow else f'fill="{colour}" fill-opacity=".75"'
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3.2" {}><title>{}</title></circle>').format(
        x, y, Markup(look), title
    )


def _title(name: str, label: str, *, right: bool) -> str:
    return f"{name}: {shorten(label, NAME_LENGTH)}{'' if right else ', predicted otherwise'}"
