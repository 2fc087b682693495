"""Error rates by clearness and class, against a plain sum over the model and against labels drawn from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ntk_labelqa.label_model import error_rates as module
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.error_rates import ErrorRates, best_classes, clearness_of, error_rates
from ntk_labelqa.label_model.parameters import DEFAULTS
from tests import naive

K = 4


def drawn(
    rate_at: tuple[float, float],
    mistakes: float = 0.3,
    *,
    shared: bool = False,
    of_class: int | None = None,
    items: int = 6000,
    seed: int = 0,
) -> tuple[np.ndarray, Annotations, np.ndarray, np.ndarray]:
    """(predictions, annotations, votes that agree, which labels are wrong) of items from clear to unclear.

    Labels are wrong at rates from *rate_at*[0] at the clearest to *rate_at*[1] at the least clear, of one class alone
    if *of_class* is given; predictions and votes with up to *mistakes*, each on its own, or, if they are *shared*,
    votes wherever predictions are, and as often besides.
    """
    random = np.random.default_rng(seed)
    unclear = np.linspace(0, 1, items)
    truth = random.integers(K, size=items)
    astray = random.random((3, items)) < mistakes * unclear**2
    named = (truth + np.where(astray, random.integers(1, K, (3, items)), 0)) % K
    if shared:
        named[1:] = np.where(astray[0], named[0], named[1:])
    wrong = random.random(items) < rate_at[0] + (rate_at[1] - rate_at[0]) * unclear
    if of_class is not None:
        wrong &= truth == of_class
    labels = np.where(wrong, (truth + random.integers(1, K, items)) % K, truth)
    predictions = np.eye(K)[named[0]] * (1.1 - unclear)[:, None]
    return predictions, Annotations.of_codes(labels, K), named[1] == named[2], wrong


def found(*drawing) -> ErrorRates:
    predictions, annotations, agree, _ = drawing
    return error_rates(*best_classes(predictions), annotations, agree, DEFAULTS)


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.6])
def test_a_rate_that_is_the_same_everywhere(rate: float) -> None:
    rates = found(*drawn((rate, rate)))
    assert rates.mean == pytest.approx(rate, abs=0.03)
    assert rates.low <= rate <= rates.high + 0.02


def test_a_rate_that_grows_as_items_get_unclear() -> None:
    drawing = drawn((0.1, 0.4))
    rates = found(*drawing)
    assert rates.by_class[:, 0] == pytest.approx(0.1, abs=0.04)
    assert rates.mean == pytest.approx(drawing[3].mean(), abs=0.04)
    assert rates.slope > 1


def test_mistakes_that_votes_share_are_not_taken_for_wrong_labels() -> None:
    drawing = drawn((0.0, 0.0), shared=True)
    predictions, annotations, _, _ = drawing
    assert (predictions.argmax(axis=1) != annotations.labels).mean() > 0.09
    rates = found(*drawing)
    assert rates.mean < 0.02
    assert rates.by_class[:, 0].max() < 0.01


def test_errors_of_one_class_alone() -> None:
    rates = found(*drawn((0.4, 0.4), 0.1, of_class=2))
    assert rates.by_class[2].mean() == pytest.approx(0.4, abs=0.1)
    assert np.delete(rates.by_class, 2, axis=0).mean() < 0.05


def test_each_item_gets_the_rate_of_its_clearness_and_of_the_class_it_might_be() -> None:
    rates = found(*drawn((0.1, 0.4)))
    of_items = rates.of_items()
    assert of_items.shape == (6000, K)
    clearest, unclearest = rates.clearness.argmin(), rates.clearness.argmax()
    assert of_items[clearest] == pytest.approx(rates.by_class[:, 0], abs=0.01)
    assert of_items[unclearest] == pytest.approx(rates.by_class[:, -1], abs=0.01)


def test_the_common_rate_is_the_posterior_mean_summed_term_by_term(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLASS_SPREADS", np.array([1e-3]))
    predictions, annotations, agree, _ = drawn((0.1, 0.3), items=600)
    few = replace(DEFAULTS, strata=3)
    rates = error_rates(*best_classes(predictions), annotations, agree, few)
    expected = naive.common_error_rate(predictions, annotations.labels, agree, few)
    assert rates.by_class.mean(axis=0)[[0, 10, 20]] == pytest.approx(expected, abs=0.005)


def test_the_order_of_items_and_an_unused_class_do_not_matter() -> None:
    predictions, annotations, agree, _ = drawn((0.1, 0.4), items=2000)
    rates = error_rates(*best_classes(predictions), annotations, agree, DEFAULTS)
    order = np.random.default_rng(1).permutation(2000)
    shuffled = Annotations.of_codes(annotations.labels[order], K)
    again = error_rates(*best_classes(predictions[order]), shuffled, agree[order], DEFAULTS)
    assert again.mean == pytest.approx(rates.mean, abs=1e-3)
    wider = np.column_stack([predictions, np.full(2000, -1.0)])
    unused = error_rates(*best_classes(wider), Annotations.of_codes(annotations.labels, K + 1), agree, DEFAULTS)
    assert unused.mean == pytest.approx(rates.mean, abs=0.02)


def test_without_a_label_the_rates_are_what_was_thought_before() -> None:
    nothing = Annotations(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), 50, K)
    rates = error_rates(*best_classes(np.eye(K)[np.arange(50) % K]), nothing, np.ones(50, bool), DEFAULTS)
    assert np.isfinite(rates.by_class).all()
    assert 0 < rates.by_class.mean() < 0.4


def test_clearness_ranks_within_the_class_predicted() -> None:
    predictions = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.5], [0.0, 1.0], [0.5, 0.1]])
    assert clearness_of(*best_classes(predictions)).tolist() == pytest.approx([1 / 6, 5 / 6, 0.75, 0.25, 0.5])
