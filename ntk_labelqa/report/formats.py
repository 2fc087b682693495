"""Figures as people read them."""

from __future__ import annotations

import math

ROUNDING = 1e-9
"""What sums of shares may be off by."""


def count(value: float) -> str:
    """A whole number with thousands set apart: ``1,797``."""
    return f"{round(value):,}"


def share(value: float | None) -> str:
    """A share of 1 as a percentage; what is not none or all is never rounded to none or all.

    >>> share(0.0812), share(0.99996), share(0.00002), share(1 - 1e-16), share(None)
    ('8.1%', '>99.9%', '<0.1%', '100%', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if min(abs(value), abs(value - 1)) < ROUNDING:
        return f"{value:.0%}"
    if value < 0.0005:
        return "<0.1%"
    return ">99.9%" if value >= 0.9995 else f"{value:.1%}"


def bounded(value: float | None) -> str:
    """As :func:`share`, without decimals, of what estimates may put beyond none or all: ``38%``."""
    return "–" if value is None or math.isnan(value) else f"{min(max(value, 0.0), 1.0):.0%}"


def span(low: float | None, high: float | None) -> str:
    """An interval of shares: ``7.0% to 9.4%``."""
    return f"{share(low)} to {share(high)}"


def span_bounded(low: float | None, high: float | None) -> str:
    """An interval of what :func:`bounded` writes: ``34% to 41%``."""
    return f"{bounded(low)} to {bounded(high)}"


def figure(value: float | None) -> str:
    """Three significant digits: ``0.0412``."""
    return "–" if value is None or math.isnan(value) else f"{value + 0.0:.3g}"  # no -0


def plural(number: int, noun: str, many: str = "") -> str:
    """A number with its noun: ``1 label``, ``1,797 labels``."""
    return f"{count(number)} {noun if number == 1 else many or noun + 's'}"
