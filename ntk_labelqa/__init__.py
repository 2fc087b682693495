"""Find wrong labels, entangled classes and noisy labellings with the infinite-width neural tangent kernel.

Functions take whatever holds features and labels (arrays, lists, tensors, tables), and give DataFrames with the same
index:

- :func:`find_label_issues`: which labels are wrong, what they should be, and how sure;
- :func:`refurbish`: the labels put right;
- :func:`class_entanglement`: which classes training would confuse;
- :func:`rank_schemes`: which of several labellings is the least noisy;
- :func:`architecture_fit`: which kind of network suits the data;
- :func:`gram_matrix`, :func:`block_diagonalization_error`: what all that rests on;
- :class:`LabelAudit`: all of these as an estimator of scikit-learn's kind, which inverts the kernel once;
- :func:`audit`: all of it for a Label Studio export, as an :class:`Audit`.

Errors are :class:`LabelQAError`, and say what to do. The public names are imported on first use, so that
``import ntk_labelqa`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ntk_labelqa.api import audit, class_entanglement, find_label_issues, refurbish
    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.bde import block_diagonalization_error
    from ntk_labelqa.diagnostics.architectures import architecture_fit
    from ntk_labelqa.diagnostics.entanglement import Entanglement
    from ntk_labelqa.diagnostics.scheme_ranking import rank_schemes
    from ntk_labelqa.errors import (
        InvalidInputError,
        LabelQAError,
        LabelStudioError,
        MemoryBudgetError,
        PartialDeliveryError,
        SingularKernelError,
        UsageError,
    )
    from ntk_labelqa.estimator import LabelAudit
    from ntk_labelqa.gram.matrix import gram_matrix
    from ntk_labelqa.options import AuditOptions

    __version__: str

_HOMES = {
    "Audit": "audit_folder",
    "AuditOptions": "options",
    "Entanglement": "diagnostics.entanglement",
    "InvalidInputError": "errors",
    "LabelAudit": "estimator",
    "LabelQAError": "errors",
    "LabelStudioError": "errors",
    "MemoryBudgetError": "errors",
    "PartialDeliveryError": "errors",
    "SingularKernelError": "errors",
    "UsageError": "errors",
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
    "AuditOptions",
    "Entanglement",
    "InvalidInputError",
    "LabelAudit",
    "LabelQAError",
    "LabelStudioError",
    "MemoryBudgetError",
    "PartialDeliveryError",
    "SingularKernelError",
    "UsageError",
    "__version__",
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
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("ntk-labelqa")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
