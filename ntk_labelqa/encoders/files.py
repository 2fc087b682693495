"""Files that encoders read: the libraries that open them, and why one is left out."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from ntk_labelqa.errors import InvalidInputError


class UnreadableFile(Exception):
    """Why a file cannot be read, in words, where more is known than that it is damaged."""


@dataclass(frozen=True)
class Extra:
    """Libraries that are installed on demand.

    Attributes:
        name: of the extra.
        libraries: that it brings.
        what: they read, in the plural.
    """

    name: str
    libraries: tuple[str, ...]
    what: str

    @property
    def is_there(self) -> bool:
        """Whether all of them are installed."""
        return all(map(find_spec, self.libraries))

    def check(self) -> None:
        """Raise InvalidInputError where one of them is missing."""
        missing = [library for library in self.libraries if not find_spec(library)]
        if missing:
            raise InvalidInputError(
                f"{self.what} cannot be read here: {' and '.join(missing)} must be installed for that.",
                remedy=f"Install the extra: pip install 'ntk-labelqa[{self.name}]'; or give features that you computed "
                "with --features.",
            )


def is_inline(value: str) -> bool:
    """Whether the *value* of a time series is its numbers, as JSON, and not the address of a file.

    Example:
        >>> is_inline('{"speed": [1, 2]}'), is_inline("/data/upload/1/speed.csv")
        (True, False)
    """
    return value.lstrip().startswith(("{", "["))
