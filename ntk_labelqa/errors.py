"""Failures that a user can act on.

Every error says what happened, why it may have, and what to do about it. The command line prints those three parts and
exits with ``exit_code``; Python callers get them as the exception's text. No secret ever enters a message, and no
character of somebody else's that steers a terminal.
"""

from __future__ import annotations

from ntk_labelqa.shown import printable


class LabelQAError(Exception):
    """Something stopped the work, and the user can do something about it.

    Args:
        what: what happened, one sentence.
        why: why it may have happened; empty where *what* says it all.
        remedy: what to do next.
    """

    exit_code = 3

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        self.what, self.why, self.remedy = printable(what), printable(why), printable(remedy)
        super().__init__(" ".join(part for part in (self.what, self.why, self.remedy) if part))


class UsageError(LabelQAError):
    """The command was asked for in a way that cannot be meant."""

    exit_code = 2


class InvalidInputError(LabelQAError, ValueError):
    """Features, labels or a file do not have the form they need."""


class SingularKernelError(LabelQAError, ArithmeticError):
    """The regularised Gram matrix has no usable inverse at this ridge."""


class MemoryBudgetError(LabelQAError, MemoryError):
    """The plan needs more memory than there is; nothing has been allocated."""


class LabelStudioError(LabelQAError):
    """Label Studio cannot be reached, refuses, or answers something that cannot be right."""


class PartialDeliveryError(LabelQAError):
    """The work was done, but part of its result could not be delivered."""

    exit_code = 4
