"""Nightly audits of a project that goes wrong on known dates; the whole year is in ``benchmarks/nightly_drift.py``."""

from __future__ import annotations

import pytest

from benchmarks.nightly_drift import INJECTIONS, WITHIN, simulate


@pytest.mark.slow  # a simulation of half a year: minutes on two busy cores
def test_the_gate_trips_on_every_injection_and_on_nothing_else(tmp_path) -> None:
    nights = list(simulate(tmp_path, nights=26, every=8, items=1000, seed=0))
    assert {night.injected for night in nights} == {"", *(injection.__name__ for injection in INJECTIONS)}
    tripped = [(night.injected, night.audits) for night in nights if night.failed]
    assert [injected for injected, _ in tripped] == [injection.__name__ for injection in INJECTIONS]
    assert all(audits <= WITHIN for _, audits in tripped)
