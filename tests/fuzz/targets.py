"""All that is fuzzed; a new target is a module, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz.audits import Audits
from tests.fuzz.configs import Configs
from tests.fuzz.exports import Exports
from tests.fuzz.features import Features
from tests.fuzz.media import Media
from tests.fuzz.policies import Policies
from tests.fuzz.results import Results
from tests.fuzz.runs import Target

TARGETS: Mapping[str, Callable[[Path], Target]] = {
    "exports": Exports,
    "results": Results,
    "configs": Configs,
    "features": Features,
    "policies": Policies,
    "audits": Audits,
    "media": Media,
}
SHARES: Mapping[str, float] = {
    "exports": 0.2,
    "results": 0.5,
    "configs": 0.025,
    "features": 0.065,
    "policies": 0.2,
    "audits": 0.002,
    "media": 0.008,
}
"""Of all inputs: what is quick to read gets more of them."""
