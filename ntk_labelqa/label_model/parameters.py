"""What the label model takes for granted, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelModelParameters:
    r"""Priors and limits; each is a belief about labels or kernels in general and not about a data set.

    Of the error rate :math:`ρ`, which grows with how unclear an item is
    (:mod:`~ntk_labelqa.label_model.error_rates`):

    Attributes:
        level, level_spread: of logit ρ at the clearest items: 1 to 25 % of the labels are wrong, most often.
        slope, slope_spread: of what is added to it at the least clear: people err where items are hard, at twice the
            odds; anything from half to eight times is no surprise.
        shared_mistakes: by how much the odds that a prediction is wrong exceed those that two predictions without a
            common label disagree about it, as they share what the kernel cannot see.
        sure_mistakes: odds that even a prediction on which any two agree is wrong: items that are not what they seem.
        mistakes_spread: of the logarithm of both, from one stratum of items to the next and from class to class.
        class_evidence: of a class's contradictions, the share that counts: mistakes about a class are of one kind.
        strata: of equal numbers of items, by clearness.

    Of the rest:

    Attributes:
        round_gain: nats an item that a further round has to gain, and two standard errors besides.
        most_rounds: at which the rounds end.
        lookalike_gain: nats an item that people's taking items for what they look like has to gain. Overlap that the
            prior leaves out gains up to .02 by it; people's errors in fine classes, up to .12.
        telling: accuracy of votes from which errors and mistakes can be distinguished whatever is shared.
    """

    level: float = -3.0
    level_spread: float = 2.0
    slope: float = 0.7
    slope_spread: float = 0.7
    shared_mistakes: float = 1.5
    sure_mistakes: float = 0.02
    mistakes_spread: float = 0.8
    class_evidence: float = 0.25
    strata: int = 10
    round_gain: float = 0.002
    most_rounds: int = 7
    lookalike_gain: float = 0.02
    telling: float = 0.75


DEFAULTS = LabelModelParameters()
