"""Pretrained models that are known by a short name: small, widely used, free to use, one revision each.

Digests are SHA-256 of the weights, as the model's own page states them for that revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from ntk_labelqa.dataset import ItemKind
from ntk_labelqa.encoders.encoder import PICTURES, TEXTS


@dataclass(frozen=True)
class KnownModel:
    """Where a model lies on the Hugging Face Hub, and what it is.

    Attributes:
        name: as ``--encoder`` takes it.
        kinds: of items that it reads.
        repository, revision: of the Hub; the revision is a commit and never moves.
        weights: path of the ONNX file.
        sha256: of that file.
        size: of that file, bytes.
        licence: of the weights.
        about: in words.
        prefix: what it was trained to see before each text.
    """

    name: str
    kinds: frozenset[ItemKind]
    repository: str
    revision: str
    weights: str
    sha256: str
    size: int
    licence: str
    about: str
    prefix: str = ""


RUNTIME = ("onnxruntime", "tokenizers")
"""Libraries of the extra ``embeddings`` that run them."""
KNOWN = (
    KnownModel(
        "dinov2",
        PICTURES,
        "onnx-community/dinov2-small",
        "8b1f705a3a7f6f062f6bdd21986c1583d3ef105d",
        "onnx/model.onnx",
        "f22797eabf810a75e41de68d378541ebea372122b25c4ce3ef25ff618250c20a",
        88_532_934,
        "Apache-2.0",
        "DINOv2 small: photos of objects and textures, without words",
    ),
    KnownModel(
        "clip",
        PICTURES,
        "Xenova/clip-vit-base-patch32",
        "d15189d7028b43f1d3e65039190477f6af591c2a",
        "onnx/vision_model.onnx",
        "fd6e1402a588279d1723c7534d4bcba5bc0b14b47dfab0e46f8c47b8270d7d40",
        351_685_709,
        "MIT",
        "CLIP ViT-B/32: pictures of all sorts, drawings and screenshots among them",
    ),
    KnownModel(
        "minilm",
        TEXTS,
        "sentence-transformers/all-MiniLM-L6-v2",
        "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        "onnx/model.onnx",
        "6fd5d72fe4589f189f8ebc006442dbb529bb7ce38f8082112682524616046452",
        90_405_214,
        "Apache-2.0",
        "all-MiniLM-L6-v2: English sentences and short paragraphs",
    ),
    KnownModel(
        "e5",
        TEXTS,
        "intfloat/multilingual-e5-small",
        "614241f622f53c4eeff9890bdc4f31cfecc418b3",
        "onnx/model.onnx",
        "ca456c06b3a9505ddfd9131408916dd79290368331e7d76bb621f1cba6bc8665",
        470_268_510,
        "MIT",
        "multilingual E5 small: texts in some hundred languages",
        prefix="query: ",
    ),
)


def is_ready(model: KnownModel) -> bool:
    """Whether *model* was fetched, and what runs it is installed."""
    from ntk_labelqa.encoders import hub

    found = hub.wanted(model.name)
    return found is not None and found.is_here and can_run()


def can_run() -> bool:
    """Whether the libraries that run these models are installed."""
    return all(find_spec(name) for name in RUNTIME)


def known_model(name: str) -> KnownModel | None:
    """The model known as *name*."""
    return next((model for model in KNOWN if model.name == name), None)


def advised_for(kind: ItemKind) -> KnownModel | None:
    """The model to try first on items of *kind*; None where none reads them."""
    return next((model for model in KNOWN if kind in model.kinds), None)
