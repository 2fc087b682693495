"""Suggestions for new items: those of a plain solve, mostly right, and as sure as they may be."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.dataset import Control, from_arrays
from ntk_labelqa.encoders.onnx import OnnxModel
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.suggestions import Suggester, audited_dataset
from tests import naive
from tests.fixtures import noisy_digits
from tests.models import empty_cache, sentence_model

__all__ = ["empty_cache", "sentence_model"]
OPTIONS = AuditOptions(architecture="2-L", dtype="float64")
AUDITED, ALL = 300, 420
TOPICS = {
    "sport": ["match", "team", "goal", "player", "coach", "stadium", "season", "league", "score", "ball"],
    "food": ["soup", "bread", "cheese", "oven", "salt", "butter", "recipe", "cook", "taste", "sauce"],
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> tuple[Audit, list[str], np.ndarray]:
    """(audit of the first images, the paths of all, the right labels of all)."""
    folder = tmp_path_factory.mktemp("digits")
    paths = []
    for row, pixels in enumerate(load_digits().images[:ALL]):
        paths.append(str(folder / f"{row}.png"))
        Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(paths[-1])
    _, given, right = noisy_digits(ALL)
    dataset = from_arrays(given[:AUDITED].tolist())
    items = dataset.items.assign(value=paths[:AUDITED], path=paths[:AUDITED])
    control = Control("digit", "image", "Choices", "image")
    return run_audit(replace(dataset, kind="image", items=items, control=control), OPTIONS), paths, right


def fitted(audit: Audit, **how) -> Suggester:
    dataset = audited_dataset(audit, trusted=how.get("trusted", ()))
    if dataset.kind == "image":
        dataset = replace(dataset, items=dataset.items.assign(path=dataset.items["value"]))
    return Suggester.fit(dataset, audit.manifest["options"], **how)


def test_suggestions_are_those_of_a_plain_solve(digits) -> None:
    audit, paths, _ = digits
    few = replace(audit, items=audit.items[:40], findings=audit.findings[:40])
    suggester = fitted(few)
    pixels = np.array([np.asarray(Image.open(path), float) for path in (*paths[:40], *paths[AUDITED : AUDITED + 5])])
    gram = naive.relu_gram(pixels.reshape(len(pixels), -1), 2)
    own = gram[:40, :40]
    # Weights are G Q: what is fed comes back from them, and must be a labelling.
    shift = audit.manifest["options"]["ridge"] * np.trace(own) / 40
    fed = own @ suggester.predictor.weights + shift * suggester.predictor.weights
    assert fed.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-6)
    assert fed.min() > -1e-6
    predicted = gram[40:, :40] @ np.linalg.solve(own + shift * np.eye(40), fed)
    expected = np.exp(suggester.predictor.link.log_prior(predicted))
    assert suggester.probabilities(paths[AUDITED : AUDITED + 5]) == pytest.approx(expected, abs=1e-6)


def test_new_digits_are_mostly_told_right_and_probabilities_mean_what_they_say(digits) -> None:
    audit, paths, right = digits
    probabilities = fitted(audit).probabilities(paths[AUDITED:])
    told = np.array([int(name) for name in audit.manifest["data"]["class_names"]])[probabilities.argmax(axis=1)]
    share = (told == right[AUDITED:]).mean()
    assert share > 0.9
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(ALL - AUDITED))
    assert probabilities.max(axis=1).mean() == pytest.approx(share, abs=0.08)


def test_one_at_a_time_says_what_all_at_once_do(digits) -> None:
    audit, paths, _ = digits
    suggester = fitted(audit, most=100)
    assert suggester.count == 100
    asked = paths[AUDITED : AUDITED + 67]  # more than a batch, and not a power of two
    alone = np.concatenate([suggester.probabilities([path]) for path in asked])
    assert suggester.probabilities(asked) == pytest.approx(alone, abs=1e-9)


def test_nothing_is_said_of_a_blank_image(digits, tmp_path) -> None:
    audit, paths, _ = digits
    Image.new("L", (8, 8), 100).save(tmp_path / "blank.png")
    probabilities = fitted(audit, most=100).probabilities([paths[0], str(tmp_path / "blank.png")])
    assert np.isnan(probabilities).any(axis=1).tolist() == [False, True]


def test_texts() -> None:
    random = np.random.default_rng(0)
    topics = ["sport", "food"] * 40
    texts = [" ".join(random.choice(TOPICS[topic], 6)) for topic in topics]
    plain = from_arrays(topics[:60])
    items = plain.items.assign(value=texts[:60])
    audit = run_audit(replace(plain, kind="text", items=items, control=Control("topic", "text")), OPTIONS)
    suggester = fitted(audit)
    probabilities = suggester.probabilities([*texts[60:], "xylophone"])
    assert [suggester.class_names[code] for code in probabilities[:-1].argmax(axis=1)] == topics[60:]
    assert np.isnan(probabilities[-1]).all()


def test_labels_drawn_at_random_give_no_suggestions(digits) -> None:
    audit, _, _ = digits
    drawn = np.random.default_rng(0).permutation(audit.findings["given_label"])
    with pytest.raises(InvalidInputError, match="beyond chance"):
        fitted(replace(audit, findings=audit.findings.assign(given_label=drawn)))


def test_an_audit_by_features_of_a_file_is_refused(digits) -> None:
    audit, _, _ = digits
    options = {**asdict(OPTIONS), "encoder": "precomputed"}
    with pytest.raises(InvalidInputError, match="'image' by their 'precomputed'"):
        audited_dataset(replace(audit, manifest={**audit.manifest, "options": options}))


@pytest.mark.long
def test_an_audit_by_a_pretrained_model_suggests_by_the_same_model(sentence_model, empty_cache, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    texts = [f"The {rng.choice(TOPICS[topic])} and the {rng.choice(TOPICS[topic])}" for topic in ("sport", "food") * 40]
    plain = from_arrays(["sport", "food"] * 40)
    control = Control("topic", "text", "Choices", "text", over="Text")
    dataset = replace(plain, kind="text", items=plain.items.assign(value=texts), control=control)
    audit = run_audit(dataset, replace(OPTIONS, encoder=f"onnx:{sentence_model}"))
    loaded = []
    load = OnnxModel.load
    monkeypatch.setattr(OnnxModel, "load", lambda self: loaded.append(1) or load(self))
    with pytest.raises(InvalidInputError, match="because a file says so"):
        fitted(audit)
    suggester = fitted(audit, trusted=[f"onnx:{sentence_model}"])
    # Words that no audited text has.
    shares = [suggester.probabilities([text])[0] for text in ("a goalkeeper's save", "a plate of noodles", " ")]
    assert shares[0][suggester.class_names.index("sport")] > 0.7
    assert shares[1][suggester.class_names.index("food")] > 0.7
    assert np.isnan(shares[2]).all()
    assert len(loaded) == 1  # and stays in memory
