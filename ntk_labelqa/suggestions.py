"""Labels suggested for items that an audit has not seen.

See :mod:`ntk_labelqa.diagnostics.prediction`. No model is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.contents import contents
from ntk_labelqa.dataset import Control, LabeledDataset, Provenance, label_means
from ntk_labelqa.diagnostics.fitted_kernel import fit_kernel
from ntk_labelqa.diagnostics.prediction import Predictor
from ntk_labelqa.encoders import registry
from ntk_labelqa.encoders.choose import features_that_carry
from ntk_labelqa.encoders.pixels import fit_images
from ntk_labelqa.encoders.pretrained import Embeddings, InMemory, embed, inputs_of
from ntk_labelqa.encoders.text import fit_texts
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.findings import UNKNOWN_REMEDY
from ntk_labelqa.gram.arrays import panels
from ntk_labelqa.kernels.architectures import recorded
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.label_model import label_posterior
from ntk_labelqa.options import KernelOptions

MOST_ITEMS = 4000
"""Audited items that suggestions are made from, by default: beyond, the inverse costs more than it adds."""
BATCH = 64
"""Items predicted at once."""
ENCODERS = {"image": "pixels", "text": "text"}
"""The kinds of items that suggestions can be made for, and the encoder that is fitted anew for them; pretrained models
need no fitting."""


def audited_dataset(audit: Audit, *, trusted: Collection[str] = ()) -> LabeledDataset:
    """The items and labels of *audit* as it judged them, whatever has become of them since.

    Args:
        audit: it names its encoder; see *trusted* of :meth:`Suggester.fit`.
        trusted: the same.

    Raises InvalidInputError where the items are not whole images or texts, or were compared by other features than
    those computed here.
    """
    data, encoder = audit.manifest["data"], audit.manifest["options"]["encoder"]
    if data["kind"] not in ENCODERS or (encoder != ENCODERS[data["kind"]] and _pretrained(encoder, trusted) is None):
        raise InvalidInputError(
            f"No suggestions can be made from an audit of items of kind {data['kind']!r} by their {encoder!r}.",
            why="Features of new items are made of whole images and texts: of pixels, words, or by a pretrained model.",
            remedy="Audit a choice over an image or a text, without --features.",
        )
    names = tuple(data["class_names"])
    rows = {task: row for row, task in enumerate(audit.items["task_id"].tolist())}
    found = audit.findings
    return LabeledDataset(
        items=audit.items[["task_id", "value"]].reset_index(drop=True),
        annotations=pd.DataFrame(
            {
                "annotation_id": found["annotation_id"].to_numpy(np.int64),
                "item": found["task_id"].map(rows).to_numpy(np.int64),
                "annotator": found["annotator"].to_numpy(object),
                "label": found["given_label"].map({name: code for code, name in enumerate(names)}).to_numpy(np.int64),
                "updated_at": "",
            }
        ),
        class_names=names,
        kind=data["kind"],
        control=Control(**data["control"]),
        provenance=Provenance(data["source"], data.get("project_id"), server_url=data.get("server_url", "")),
    )


@dataclass(frozen=True)
class Suggester:
    """What an audit knows, ready to be asked about new items.

    Attributes:
        class_names: the classes, in the order of the columns of :meth:`probabilities`.
        count: how many audited items it draws on.
        encode: from items (paths of images, or texts) to features, as the audited ones got them.
        predictor: from features to probabilities.
    """

    class_names: tuple[str, ...]
    count: int
    encode: Callable[[Sequence[str]], np.ndarray]
    predictor: Predictor

    @classmethod
    def fit(
        cls,
        dataset: LabeledDataset,
        options: dict[str, Any],
        *,
        most: int = MOST_ITEMS,
        trusted: Collection[str] = (),
    ) -> Self:
        """From an audit's items and labels.

        Args:
            dataset: see :func:`audited_dataset`; images must have been fetched (``path``).
            options: of the audit's manifest: architecture, ridge, dtype and seed.
            most: audited items that are used; of more, a sample that is always the same.
            trusted: encoders and architectures that may be used though a file alone names them: models at a path,
                other packages' encoders, and ``module:attribute``.

        Raises:
            InvalidInputError: the options name code, or a path, that is not *trusted*.
            InvalidInputError: the labels do not follow from the items beyond chance, so nothing can be suggested.
            MemoryBudgetError: *most* items do not fit into memory.

        Cost: that of an audit of so many items.
        """
        architecture = options["architecture"]
        if architecture not in trusted:
            architecture = recorded(architecture)
        drawn = np.random.default_rng(options["seed"]).permutation(len(dataset)) < most
        kept = dataset.keep_items(drawn, "not in the sample")
        features, encode = _fit_encoder(kept, options["encoder"], options["seed"], trusted)
        carries = features_that_carry(features)
        features, kept = features[carries], kept.keep_items(carries, "blank item")
        as_audited = KernelOptions(
            architecture=architecture,
            preparation=options.get("preparation", "none"),
            ridge=options["ridge"] if drawn.all() else "auto",
            landmarks="all",
            dtype=options["dtype"],
            seed=options["seed"],
        )
        fitted = fit_kernel(features, label_means(kept), as_audited)
        posterior = label_posterior(fitted.inverse, Annotations.of_dataset(kept, seed=options["seed"]))
        if not posterior.is_informative:
            raise InvalidInputError(
                "No suggestions can be made from this audit: nothing can be said of its labels.",
                why=posterior.why_unknown,
                remedy=UNKNOWN_REMEDY,
            )
        return cls(kept.class_names, len(kept), encode, Predictor.of(fitted, posterior, dtype=options["dtype"]))

    def probabilities(self, items: Sequence[str]) -> np.ndarray:
        """How probable each class is for each of *items*, float64[n, K]; rows sum to 1, or are NaN where an item is
        blank or has no word that any audited text has.

        Args:
            items: paths of images, or texts.

        Cost: N kernel values an item.
        """
        result = np.full((len(items), len(self.class_names)), np.nan)
        for panel in panels(len(items), BATCH):
            features = self.encode(items[panel])
            rows = np.arange(len(items))[panel][features_that_carry(features)]
            if len(rows):
                result[rows] = self.predictor.probabilities(features[features_that_carry(features)])
        return result


def _pretrained(encoder: str, trusted: Collection[str]) -> Embeddings | None:
    """The pretrained model that an audit was made with; None where it was none. Raises where it is gone."""
    if encoder == "precomputed":
        return None
    asked = encoder if encoder in trusted else registry.recorded(encoder)
    if asked in registry.BUILT_IN:
        return None
    found = registry.find(asked)
    return found if isinstance(found, Embeddings) else None


def _fit_encoder(
    dataset: LabeledDataset, encoder: str, seed: int, trusted: Collection[str]
) -> tuple[np.ndarray, Callable[[Sequence[str]], np.ndarray]]:
    """Features of the items, and what makes features of further ones, paths of images or texts."""
    images = dataset.kind == "image"
    if (pretrained := _pretrained(encoder, trusted)) is not None:
        model = InMemory(pretrained.model)

        def embedded(items: Sequence[str]) -> np.ndarray:
            some = replace(dataset, items=pd.DataFrame({"path" if images else "value": list(items)}))
            return embed(model, contents(some).tolist(), *inputs_of(some))

        return embedded(dataset.items["path" if images else "value"].tolist()), embedded
    if images:
        return fit_images(dataset.items["path"].tolist())
    return fit_texts(dataset.items["value"].tolist(), seed=seed)
