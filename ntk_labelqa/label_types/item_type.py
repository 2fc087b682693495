"""What items of one kind are: how they are read, cut out, compared and shown. Each kind has a file of its own.

A kind overrides what is different of it; nothing else asks what kind an item is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ntk_labelqa.dataset import Control, ItemKind, LabeledDataset
from ntk_labelqa.label_types.blocks import text_block
from ntk_labelqa.label_types.place import Place

if TYPE_CHECKING:
    import pandas as pd

    from ntk_labelqa.diagnostics.region_presence import Scene

Noun = Literal["image", "file"]
HTML_ITEM = '<HyperText name="item" value="$item_html" inline="true"/>'
"""The tag of a review page that shows an item as the HTML under the key ``item_html``."""


@dataclass(frozen=True)
class Shown:
    """An item that a page shows.

    Attributes:
        task_id: of its task.
        value: see :class:`ntk_labelqa.dataset.LabeledDataset`.
        thumbnail: PNG bytes, if there are any.
        base_path: path below which the server is reached.
    """

    task_id: int
    value: str
    thumbnail: bytes | None = None
    base_path: str = ""


def picture_path(path: Path) -> Path:
    """Where the picture of the region that was cut out to *path* lies, if the file itself is none."""
    return path.with_suffix(".picture.png")


class ItemType:
    """Items that are all that a task shows, of a kind that nothing is known of but that its task shows it."""

    kind: ItemKind = "other"
    noun: Noun = "file"
    """What its files are called."""
    is_region = False
    is_textual = False
    """Whether reports show it as words."""
    words_title = "Text"
    """What these are, as a heading."""
    has_pictures = False
    """Whether reports show a picture of it."""
    review_tag = HTML_ITEM
    """What shows it on a review page; the tag that has the name ``item`` is the one that decisions are about."""

    def in_words(self, value: str, length: int) -> str:
        """An item's *value* as a reader takes it in, cut to *length* characters; empty where it is not textual."""
        return ""

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any] | None:
        """What reads the items' files, to be tried on each; None of images, and where no file is read.

        Raises InvalidInputError where a library is missing.
        """
        return None

    def address(self, value: str) -> str:
        """Where the item's file is; empty where the value holds all there is."""
        return value

    def picture(self, path: str) -> bytes | None:
        """A small picture of the item whose file is at *path*, a PNG; None where there is none."""
        drawn = picture_path(Path(path))
        return drawn.read_bytes() if drawn.is_file() else None

    def page(self, item: Shown) -> dict[str, str]:
        """What the review page shows of the item that is asked about, by the keys that :attr:`review_tag` names."""
        return {"item_html": text_block(f"Task {item.task_id}. Its page in the source project shows it.", size=18)}

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """HTML of items, each with its caption, small enough to be compared at a glance."""
        return "".join(text_block(f"Task {item.task_id}", size=14, caption=words) for item, words in items)


class RegionType(ItemType):
    """Items that are regions of what a task shows."""

    is_region = True
    tags: ClassVar[frozenset[str]]
    """Controls whose regions it reads, by their tags."""
    over: ClassVar[frozenset[str]]
    """Tags of the objects that the regions are of."""
    suffix = ""
    """Of the files that regions are cut out to; empty where nothing is cut out."""

    def reads(self, control: Control) -> bool:
        """Whether it reads the regions that *control* labels."""
        return control.over in self.over and (control.tag in self.tags or control.per_region)

    def whole(self, value: str) -> str:
        """What a region's *value* is a part of: the address of its file, or what holds it all."""
        return self.address(value)

    scanned: ClassVar[frozenset[str]] = frozenset()
    """Shapes of regions, as their rows tell, that are looked for in their wholes."""

    def scenes(self, wholes: pd.DataFrame, drawn: pd.DataFrame, *, seed: int) -> Sequence[Scene]:
        """What spurious and missing regions are looked for in; none where that cannot be.

        Args:
            wholes: see :class:`ntk_labelqa.dataset.LabeledDataset`.
            drawn: the regions, with the columns of :data:`ntk_labelqa.diagnostics.region_faults.COLUMNS` and the class
                ``code`` of each; those of one task in the order in which the scene has them.
            seed: of samples.
        """
        return ()

    def can_add(self, control: Control) -> bool:
        """Whether a region can be added that is labelled with *control*."""
        return False

    def placed(self, place: Sequence[float], whole: Any) -> tuple[Place, dict[str, Any]]:
        """The region at *place* of a scene, and the fields of a result that has it; *whole* is a row of ``wholes``.

        Asked for only where :meth:`can_add` says so.
        """
        raise NotImplementedError

    def marked(self, path: str, value: str) -> bytes | None:
        """A picture (PNG) of the whole at *path* with the region of *value* marked; None where there is none."""
        return None

    def can_move(self, shape: str) -> bool:
        """Whether a region of this shape can be moved to another place of a scene."""
        return False

    def moved_to(self, place: Sequence[float], region: Any, whole: Any) -> dict[str, Any]:
        """The fields of a result that change where *region*, a row of ``regions``, moves to *place*.

        Asked for only where :meth:`can_move` says so.
        """
        raise NotImplementedError

    @abstractmethod
    def read(self, result: Mapping[str, Any], data: Mapping[str, Any], control: Control) -> Place | None:
        """Where the region of a *result* is; None where that cannot be read. *data* is the task's."""

    def completed(self, value: str, path: str) -> str:
        """The item's *value* with what the file at *path* tells of its place, where Label Studio does not know it."""
        return value

    def opened(self, source: str, control: Control) -> Any:
        """What regions are cut out of: *source* is the path of a file, or the value that holds it all."""
        return source

    def cut(self, whole: Any, value: str) -> tuple[bytes, bytes | None]:
        """The region of an item's *value* as a file's content, and a picture of it (PNG) if the file is none.

        Asked for only where regions are cut out of files. Raises UnusableRegion where there is nothing to cut.
        """
        raise NotImplementedError
