"""Options checked before anything is computed: what was passed, and what is expected, in words."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from ntk_labelqa.errors import InvalidInputError


@dataclass(frozen=True)
class Rule:
    """What an option may be.

    Attributes:
        accepts: whether a value is one; it must not raise, whatever it is given.
        expected: the values that are, in words that go on from "Pass".
    """

    accepts: Callable[[object], bool]
    expected: str


def check(name: str, value: object, rule: Rule) -> None:
    """Raise InvalidInputError where the option *name* has a *value* that *rule* does not accept.

    Example:
        >>> check("seed", 3, SEED)
        >>> check("seed", "a", SEED)
        Traceback (most recent call last):
        ...
        ntk_labelqa.errors.InvalidInputError: The option seed is 'a' (str). Pass a whole number of 0 or more.
    """
    if not rule.accepts(value):
        raise InvalidInputError(
            f"The option {name} is {reprlib.repr(value)} ({type(value).__name__}).", remedy=f"Pass {rule.expected}."
        )


def is_number(value: object) -> bool:
    """Whether *value* is a real number of Python or NumPy: no truth value, no NaN."""
    return isinstance(value, Real) and not isinstance(value, bool) and value == value


def _finite(value: object, above: float = -math.inf) -> bool:
    return is_number(value) and above < value < math.inf  # type: ignore[operator]


def _whole(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _word(value: object, *words: str) -> bool:
    return isinstance(value, str) and value in words


def _kernel(value: object) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in ("prepare", "block"))


def _names(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value)


def _scheduler(value: object) -> bool:
    if isinstance(value, str):
        return value == "local" or re.fullmatch(r"[a-z]+://\S+:\d+", value) is not None
    return value is None or all(callable(getattr(value, name, None)) for name in ("submit", "scheduler_info"))


_NAMES = "'linear', '2-L', '10-L', 'CNN-1', 'CNN-2', 'CNN-3', or module:attribute of a stax network"
ARCHITECTURE = Rule(lambda value: isinstance(value, str) or _kernel(value), f"'auto', {_NAMES}, or a kernel")
ARCHITECTURE_NAME = Rule(lambda value: isinstance(value, str), f"'auto', {_NAMES}")
FIXED_ARCHITECTURE = Rule(lambda value: ARCHITECTURE.accepts(value) and value != "auto", f"{_NAMES}, or a kernel")
ARCHITECTURES = Rule(lambda value: _names(value) and "auto" not in value, f"a list of {_NAMES}")  # type: ignore[operator]
RIDGE = Rule(lambda value: _word(value, "auto") or _finite(value, 0), "a positive number, or 'auto'")
GRAM_RIDGE = Rule(lambda value: _finite(value) and value >= 0, "a number of 0 or more")  # type: ignore[operator]
LANDMARKS = Rule(
    lambda value: _word(value, "auto", "all") or _whole(value, 1), "a whole number of 1 or more, 'all' or 'auto'"
)
SEED = Rule(lambda value: _whole(value, 0), "a whole number of 0 or more")
PREPARATION = Rule(
    lambda value: _word(value, "auto", "none", "center", "standardize"), "'auto', 'none', 'center' or 'standardize'"
)
NUMBER = Rule(_finite, "a finite number")
SAMPLE = Rule(lambda value: _whole(value, 2), "a whole number of 2 or more")
SECONDS = Rule(lambda value: is_number(value) and value > 0, "a positive number of seconds")  # type: ignore[operator]
BYTES = Rule(lambda value: value is None or _whole(value, 0), "a whole number of bytes, or None for what is free")
PRECISION = Rule(lambda value: _word(value, "float32", "float64"), "'float32' or 'float64'")
DEVICE = Rule(lambda value: _word(value, "auto", "cpu", "gpu"), "'auto', 'cpu' or 'gpu'")
TICK = Rule(lambda value: value is None or callable(value), "a function of two numbers, done and total, or None")
SCHEDULER = Rule(_scheduler, "'local', an address such as 'tcp://host:8786', a client of Dask, or None")
