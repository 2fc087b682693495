"""The demonstration's project: real digit images, three annotators, and wrong labels that we know of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.demo.server import PEOPLE, LocalServer
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.labelstudio.connect import ONCE, translating_errors

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

WRONG_SHARE = 0.08
SECOND_OPINIONS = 0.05
"""Share of the images that a second annotator labelled as well."""
SIDE = 64
TITLE = "Handwritten digits"
CONFIG = """<View>
  <Image name="image" value="$image"/>
  <Choices name="digit" toName="image" showInLine="true">
    {choices}
  </Choices>
</View>""".format(choices="\n    ".join(f'<Choice value="{digit}" hotkey="{digit}"/>' for digit in range(10)))


@dataclass(frozen=True)
class SeededProject:
    """A project whose every label is known to be right or wrong.

    Attributes:
        project_id: its id.
        truth: the right label of each annotation, by annotation id.
        wrong: the annotations with a planted wrong label.
    """

    project_id: int
    truth: dict[int, str]
    wrong: frozenset[int]


def seed_digits(
    client: LabelStudio, server: LocalServer, *, items: int | None = None, title: str = TITLE, seed: int = 0
) -> int:
    """A project with scikit-learn's 1,797 digit images, or the first *items* of them.

    8 % of the labels are replaced by another class drawn evenly. Three annotators labelled a share each, and one image
    in twenty has a second annotation.

    Args:
        client: the owner's client.
        server: where the images are served from.
        items: how many images; None takes all.
        title: of the project.
        seed: of the planted errors and of who labelled what.

    Returns the project's id. Raises LabelStudioError if the server takes fewer than it was sent.
    """
    from sklearn.datasets import load_digits

    images, truth = load_digits(return_X_y=True)
    images, truth = images[:items], truth[:items]
    random = np.random.default_rng(seed)
    folder = server.files / f"digits-{seed}-{len(images)}"
    _write_images(images, folder)
    with translating_errors("Seeding the demonstration project"):
        people = {user.email: user.id for user in client.users.list()}
        project: Any = client.projects.create(title=title, label_config=CONFIG)
        client.import_storage.local.create(project=project.id, path=str(folder), use_blob_urls=True, title="digits")
        labels = _planted(_who_labels_what(truth, random), random)
        tasks: list[Any] = [
            {
                "data": {"image": f"/data/local-files/?d={server.files.name}/{folder.name}/{row:04}.png"},
                "annotations": [
                    {"completed_by": people[PEOPLE[who]], "ground_truth": False, "result": _result(label)}
                    for who, label in given
                ],
            }
            for row, given in enumerate(labels)
        ]
        taken = client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    if taken.task_count != len(tasks):
        raise LabelStudioError(f"The server took {taken.task_count} of {len(tasks)} tasks.", remedy="Start it again.")
    return project.id


def _write_images(images: np.ndarray, folder: Path) -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for row, pixels in enumerate(images):
        grey = Image.fromarray((pixels.reshape(8, 8) * (255 / 16)).astype(np.uint8))
        grey.resize((SIDE, SIDE), Image.Resampling.NEAREST).save(folder / f"{row:04}.png")


def _who_labels_what(truth: np.ndarray, random: np.random.Generator) -> list[list[tuple[int, int]]]:
    """(annotator, right label) of each image's annotations."""
    first = random.integers(3, size=len(truth))
    second = random.random(len(truth)) < SECOND_OPINIONS
    return [
        [(int(who), int(label)), *([((int(who) + 1) % 3, int(label))] if again else [])]
        for who, again, label in zip(first, second, truth, strict=True)
    ]


def _planted(labels: list[list[tuple[int, int]]], random: np.random.Generator) -> list[list[tuple[int, int]]]:
    """*labels* with a share of them replaced by another digit."""
    places = [(row, place) for row, given in enumerate(labels) for place in range(len(given))]
    for index in random.choice(len(places), round(WRONG_SHARE * len(places)), replace=False):
        row, place = places[index]
        who, label = labels[row][place]
        labels[row][place] = (who, int((label + random.integers(1, 10)) % 10))
    return labels


def _result(label: int) -> list[dict[str, Any]]:
    return [{"from_name": "digit", "to_name": "image", "type": "choices", "value": {"choices": [str(label)]}}]


def known_truth(dataset: LabeledDataset) -> SeededProject:
    """What is right and wrong in a project of :func:`seed_digits`, pulled: annotation ids are the server's to give."""
    from sklearn.datasets import load_digits

    digits = load_digits(return_X_y=True)[1]
    rows = [int(value.rsplit("/", 1)[1].removesuffix(".png")) for value in dataset.items["value"]]
    right = [str(digits[rows[item]]) for item in dataset.item_of_annotation]
    given = [dataset.class_names[code] for code in dataset.label_codes]
    ids = dataset.annotations["annotation_id"].tolist()
    wrong = frozenset(i for i, true, label in zip(ids, right, given, strict=True) if true != label)
    assert dataset.provenance.project_id is not None  # it was pulled from a server
    return SeededProject(dataset.provenance.project_id, dict(zip(ids, right, strict=True)), wrong)
