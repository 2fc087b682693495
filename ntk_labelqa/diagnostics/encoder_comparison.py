"""Which features distinguish the classes best: several encoders on the same sample of items, none trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ntk_labelqa.dataset import LabeledDataset, label_means
from ntk_labelqa.diagnostics.architectures import BUDGET, SAMPLE, Fit, Fits, fit_architectures
from ntk_labelqa.diagnostics.fitted_kernel import prepare_numbers
from ntk_labelqa.diagnostics.recommendation import DEVIATIONS, difference, recommend
from ntk_labelqa.encoders.choose import Encoded, encode, usual_encoder
from ntk_labelqa.encoders.encoder import kinds_read
from ntk_labelqa.encoders.models import KNOWN, is_ready
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.kernels.architectures import NAMES
from ntk_labelqa.options import KernelOptions, Preparation

QUICK = ("2-L",)
"""Architectures by which an audit chooses its encoder: what a deeper or convolutional one adds to pixels is less than
what a pretrained model does, and their kernels take longer than the rest of the audit."""

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class EncoderFit:
    """One encoder: how well each architecture's kernel of its features predicts the labels of the sample."""

    name: str
    fits: Fits

    @property
    def best(self) -> Fit:
        """The architecture to take with these features."""
        chosen = recommend(self.fits).name
        return next(fit for fit in self.fits.fits if fit.name == chosen)


@dataclass(frozen=True)
class EncoderFits:
    """Encoders on the same items.

    Attributes:
        encoders: those that could be judged, the most accurate first.
        left_out: the others, and why.
        dataset: the sample, the items that all of them could encode.
    """

    encoders: tuple[EncoderFit, ...]
    left_out: dict[str, str]
    dataset: LabeledDataset

    def is_surely_better(self, name: str, other: str) -> bool:
        """Whether *name* predicts more of the same items right than *other*, by more than chance allows."""
        found = {one.name: one.best for one in self.encoders}
        if name not in found or other not in found:
            return False
        gain, deviation = difference(found[name], found[other])
        return gain > 0 and gain > DEVIATIONS * deviation


def compare_encoders(
    dataset: LabeledDataset,
    names: Sequence[str],
    *,
    architectures: Sequence[str] = NAMES,
    sample: int = SAMPLE,
    budget: float = BUDGET,
    preparation: Preparation = "auto",
    seed: int = 0,
    progress: Tick | None = None,
) -> EncoderFits:
    """How far the labels follow from the items, as each encoder shows them.

    Args:
        dataset: of which the sample is drawn.
        names: as ``--encoder`` takes them.
        architectures: whose kernels are tried on the features of each.
        sample: items judged, drawn at random.
        budget: seconds that one kernel may take on the sample.
        preparation: of plain numbers; see :class:`~ntk_labelqa.options.KernelOptions`.
        seed: of the sample.
        progress: called with (encoders done, encoders).

    Raises InvalidInputError where no encoder can be judged, with the reason of each.

    Cost: the sample through each encoder, and that of
    :func:`ntk_labelqa.diagnostics.architectures.fit_architectures` for each.
    """
    drawn = np.zeros(len(dataset), bool)
    drawn[np.random.default_rng(seed).permutation(len(dataset))[:sample]] = True
    some = dataset.keep_items(drawn, "not in the sample")
    encoded: dict[str, Encoded] = {}
    left_out: dict[str, str] = {}
    for done, name in enumerate(dict.fromkeys(names)):
        try:
            encoded[name] = encode(some, encoder=name, seed=seed)
        except InvalidInputError as error:
            left_out[name] = error.what
        if progress:
            progress(done + 1, len(names))
    if not encoded:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise InvalidInputError(f"No encoder can be judged. {reasons}", remedy="Name others with --encoder.")
    kept = {name: _places(some, one) for name, one in encoded.items()}
    common = np.logical_and.reduce(list(kept.values()))
    if not common.any():
        raise InvalidInputError("No item can be encoded by all of these encoders.", remedy="Name fewer.")
    shared = some.keep_items(common, "not encoded by all encoders")
    labels, options = label_means(shared), KernelOptions(preparation=preparation, seed=seed)
    judged = [
        EncoderFit(
            name,
            fit_architectures(
                _prepared(one, common[kept[name]], labels, options),
                labels.argmax(axis=1),
                shared.class_names,
                architectures,
                sample=sample,
                budget=budget,
                items=len(dataset),
            ),
        )
        for name, one in encoded.items()
    ]
    judged.sort(key=lambda one: -one.best.figures["accuracy"])
    return EncoderFits(tuple(judged), left_out, shared)


def _prepared(one: Encoded, rows: np.ndarray, labels: np.ndarray, options: KernelOptions) -> np.ndarray:
    """The features of *rows*, bool[n], as a kernel is to see them."""
    features = one.features[rows]
    prepare, _ = prepare_numbers(features, labels, options, numbers=one.numbers)
    return prepare(features)[:]


def choose_encoder(dataset: LabeledDataset, *, seed: int = 0) -> tuple[str | None, str]:
    """The pretrained model that is on this machine and surely better than the usual encoder, and that said in words.

    None, and no words, where there is no such model; None with words where there is one, but it is not surely better.

    Cost: none where no model for these items was ever fetched; else that of :func:`compare_encoders`.
    """
    usual = usual_encoder(dataset)
    ready = [model.name for model in KNOWN if dataset.kind in kinds_read(model.kinds) and is_ready(model)]
    if not ready or not usual or usual.startswith("vector"):
        return None, ""
    found = compare_encoders(dataset, [usual, *ready], architectures=QUICK, seed=seed)
    judged = ", ".join(f"{one.name} {one.best.figures['accuracy']:.0%}" for one in found.encoders)
    best = found.encoders[0].name
    chosen = best if best != usual and found.is_surely_better(best, usual) else None
    gone = "".join(f" {name} could not be judged: {why}" for name, why in found.left_out.items())
    return chosen, f"Encoder {chosen or usual}, by what of a sample is predicted right: {judged}.{gone}"


def _places(some: LabeledDataset, one: Encoded) -> np.ndarray:
    """bool[n]: which items of *some* were encoded."""
    keys = ["task_id", *(["region_id"] if "region_id" in some.items else [])]
    there = set(map(tuple, one.dataset.items[keys].to_numpy().tolist()))
    return np.array([tuple(row) in there for row in some.items[keys].to_numpy().tolist()], bool)
