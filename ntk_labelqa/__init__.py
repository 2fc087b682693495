"""Find wrong labels, entangled classes and noisy labellings with the infinite-width neural tangent kernel.

The public names are imported on first use, so that ``import ntk_labelqa`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ntk_labelqa.api import audit, class_entanglement, find_label_issues, refurbish
    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.bde import block_diagonalization_error
    from ntk_labelqa.diagnostics.architectures import architecture_fit
    from ntk_labelqa.diagnostics.scheme_ranking import rank_schemes
    from ntk_labelqa.gram.matrix import gram_matrix

_HOMES = {
    "Audit": "audit_folder",
    "architecture_fit": "diagnostics.architectures",
    "audit": "api",
    "block_diagonalization_error": "bde",
    "class_entanglement": "api",
    "find_label_issues": "api",
    "gram_matrix": "gram.matrix",
    "rank_schemes": "diagnostics.scheme_ranking",
    "refurbish": "api",
}

__all__ = [
    "Audit",
    "architecture_fit",
    "audit",
    "block_diagonalization_error",
    "class_entanglement",
    "find_label_issues",
    "gram_matrix",
    "rank_schemes",
    "refurbish",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
