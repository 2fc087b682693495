"""What a labelling control says, whichever type it is of. Each type has a file of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types.place import Place

SEVERAL_CHOICES, NO_CHOICE = "more than one choice", "no choice with this control"
ABOVE_LEVEL = "no choice at this level of the taxonomy"


@dataclass(frozen=True)
class Said:
    """One label that was given: to a region, or to the whole item where there is none.

    *place* is None for regions that cannot be cut out, too. *named* are all the options that were chosen, where the
    label is about one of them.
    """

    label: str
    region_id: str = ""
    place: Place | None = None
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """Why something that was said is not used; *labels* are those it named, *region_id* is that of a region."""

    reason: str
    labels: tuple[str, ...] = ()
    region_id: str = ""


@dataclass(frozen=True)
class ControlConfig:
    """What a labelling config says of a control.

    Attributes:
        name: of the control.
        attributes: of its tag.
        labels: that it offers; none where each task, or a server, brings them.
        paths: the same as paths, where they are nested.
    """

    name: str
    attributes: Mapping[str, Any]
    labels: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...] = ()


class ControlType(ABC):
    """A control that gives a whole item one of several classes.

    A type overrides what is different of it.
    """

    tag: str

    def classes(self, config: ControlConfig, part: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The classes of the labelling *part*, none where they are what was given; and the options, where the control
        is a multiple choice. Raises InvalidInputError where there is no such part.
        """
        if part:
            raise InvalidInputError(
                f"The control {config.name!r} holds one labelling alone, none by the name {part!r}.",
                remedy=f"Name it with --control {config.name}.",
            )
        return self.all_classes(config), ()

    def all_classes(self, config: ControlConfig) -> tuple[str, ...]:
        """The classes of the control."""
        return config.labels

    def obstacle(self, attributes: Mapping[str, Any]) -> str:
        """Why a control with these *attributes* cannot be audited, to follow its name; empty where it can."""
        return ""

    def said(self, values: Sequence[Mapping[str, Any]], part: str) -> Said | Unusable:
        """What results with these *values* say of the whole item."""
        return one_of([label for value in values for label in self.labels(value)])

    def labels(self, value: Mapping[str, Any]) -> list[str]:
        """The classes that a result's *value* gives; for :meth:`said`, where a control does not write its own."""
        raise NotImplementedError

    @abstractmethod
    def value(self, before: Mapping[str, Any], control: Control, final: str, paths: Sequence[Sequence[str]]) -> Any:
        """The fields of a result's value that say *final*, where they were *before*.

        Args:
            before: the value as it was; empty where there was no result.
            control: the control.
            final: one of the classes.
            paths: of the config's choices, for labels that are paths.
        """


def one_of(given: Sequence[str]) -> Said | Unusable:
    """The one label of *given*, or why there is none."""
    if len(given) == 1:
        return Said(given[0])
    return Unusable(SEVERAL_CHOICES, tuple(given)) if given else Unusable(NO_CHOICE)
