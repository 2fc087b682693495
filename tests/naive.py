"""Oracles: the equations written out in float64 NumPy, slowly, as the paper has them."""

from __future__ import annotations

import mpmath
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp


def relu_ntk(a: np.ndarray, b: np.ndarray, weight_layers: int) -> float:
    """Θ∞ of one pair for dense ReLU networks, weight variance 2, no bias, inputs scaled to norm √D."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    # The angle from the chord: arccos of a cosine near 1 would lose half the digits.
    angle = 2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))
    theta = covariance = 2 * np.cos(angle)
    for _ in range(weight_layers - 1):
        derivative = 1 - angle / np.pi
        covariance = 2 * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
        theta = covariance + theta * derivative
        # 1 - cos of the next angle, by the half-angle form for the same reason.
        fall = 2 * np.sin(angle / 2) ** 2 - (np.sin(angle) - angle * np.cos(angle)) / np.pi
        angle = 2 * np.arcsin(np.sqrt(max(fall, 0.0) / 2))
    return float(theta)


def relu_gram(features: np.ndarray, weight_layers: int) -> np.ndarray:
    """H of all pairs."""
    rows = features.reshape(len(features), -1).astype(float)
    return np.array([[relu_ntk(a, b, weight_layers) for b in rows] for a in rows])


def convolutional_ntk(
    a: np.ndarray, b: np.ndarray, strides: tuple[int, ...], *, pooled: bool, weight: float = 2.0, bias: float = 0.0
) -> float:
    """Θ∞ of one pair of images [H, W, C], all pairs of pixels, in 40 digits: so that cosine 1 needs no special form."""
    with mpmath.workdps(40):
        weight, bias = mpmath.mpf(weight), mpmath.mpf(bias)
        images = [np.vectorize(mpmath.mpf)(image) for image in (a, b)]
        covariance = {
            (i, j): _all_pixels(images[i], images[j]) / images[i].shape[-1] for i in range(2) for j in range(2)
        }
        theta = {pair: 0 * covariance[pair] for pair in covariance}
        for stride in strides:
            covariance = {pair: weight * _patch_means(value, stride) + bias for pair, value in covariance.items()}
            theta = {pair: covariance[pair] + weight * _patch_means(theta[pair], stride) for pair in covariance}
            after = {pair: _relu(covariance, pair) for pair in covariance}
            theta = {pair: theta[pair] * after[pair][1] for pair in covariance}
            covariance = {pair: after[pair][0] for pair in covariance}
        top = weight * (covariance[0, 1] + theta[0, 1]) + bias
        return float(np.mean(top) if pooled else np.mean(np.einsum("hwhw->hw", top)))


def _all_pixels(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left[:, :, None, None] * right[None, None]).sum(axis=-1)


def _patch_means(covariance: np.ndarray, stride: int) -> np.ndarray:
    """[H, W, H', W'] averaged over 3x3 patches, zero beyond the border, placed as XLA's SAME padding places them."""
    height, width = covariance.shape[:2]
    above, left = (max((-(-size // stride) - 1) * stride + 3 - size, 0) // 2 for size in (height, width))
    tops, lefts = range(-above, height - above, stride), range(-left, width - left, stride)
    zero = mpmath.mpf(0)

    def at(*place: int) -> mpmath.mpf:
        inside = all(0 <= where < size for where, size in zip(place, covariance.shape, strict=True))
        return covariance[place] if inside else zero

    offsets = [(y, x) for y in range(3) for x in range(3)]
    means = [
        [[[sum(at(h + y, w + x, i + y, j + x) for y, x in offsets) / 9 for j in lefts] for i in tops] for w in lefts]
        for h in tops
    ]
    return np.array(means, dtype=object)


def _relu(covariance: dict, pair: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Covariance after a ReLU, and the derivative's, of every pixel pair."""
    i, j = pair
    values = covariance[pair]
    after, derivative = np.empty_like(values), np.empty_like(values)
    for h, w, y, x in np.ndindex(values.shape):
        scale = mpmath.sqrt(covariance[i, i][h, w, h, w] * covariance[j, j][y, x, y, x])
        cosine = max(-1, min(1, values[h, w, y, x] / scale)) if scale else mpmath.mpf(0)
        angle = mpmath.acos(cosine)
        after[h, w, y, x] = scale * (mpmath.sin(angle) + (mpmath.pi - angle) * cosine) / (2 * mpmath.pi)
        derivative[h, w, y, x] = (mpmath.pi - angle) / (2 * mpmath.pi)
    return after, derivative


def inverse(gram: np.ndarray, ridge: float) -> np.ndarray:
    """G = (H + ridge · tr(H)/N · I)⁻¹."""
    return np.linalg.inv(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)))


def bde(gram: np.ndarray, codes: np.ndarray, class_count: int, ridge: float = 0.0, beta: float = 1.0) -> float:
    """L(Z), summed term by term."""
    one_hot = np.eye(class_count)[codes]
    z, n, k = one_hot.T @ inverse(gram, ridge) @ one_hot, one_hot.sum(axis=0), class_count
    intra = sum(z[i, i] / (n[i] * (n[i] - 1)) for i in range(k) if n[i] > 1) / k
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j and n[i] > 0 and n[j] > 0]
    return float(intra - (beta / (k * k - k) * sum(z[i, j] / (n[i] * n[j]) for i, j in pairs) if k > 1 else 0.0))


def refitted_without(gram: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """Each item's kernel ridge prediction from a fit to all the others: N real refits."""
    shift = ridge * np.trace(gram) / len(gram)
    predictions = np.empty(labels.shape)
    for i in range(len(gram)):
        rest = np.arange(len(gram)) != i
        fit = np.linalg.solve(gram[np.ix_(rest, rest)] + shift * np.eye(len(gram) - 1), labels[rest])
        predictions[i] = gram[i, rest] @ fit
    return predictions


def bde_gradient(gram: np.ndarray, labels: np.ndarray, ridge: float, beta: float = 1.0) -> np.ndarray:
    """∇L in Y, class counts included, by central differences of L(Z(Y), Yᵀ1); all classes of two items or more."""
    solved, k = inverse(gram, ridge), labels.shape[1]

    def value(y: np.ndarray) -> float:
        z, n = y.T @ solved @ y, y.sum(axis=0)
        intra = np.mean(np.diag(z) / (n * (n - 1)))
        inter = (z / np.outer(n, n))[~np.eye(k, dtype=bool)].sum() / (k * k - k)
        return float(intra - beta * inter)

    slopes, step = np.empty(labels.shape), 1e-6
    for i, c in np.ndindex(labels.shape):
        nudge = np.zeros(labels.shape)
        nudge[i, c] = step
        slopes[i, c] = (value(labels + nudge) - value(labels - nudge)) / (2 * step)
    return slopes


def algorithm_1(gram: np.ndarray, codes: np.ndarray, class_count: int, steps: int, ridge: float) -> np.ndarray:
    """The paper's Algorithm 1, everything computed anew at each step."""
    codes = codes.copy()
    for _ in range(steps):
        descent = -bde_gradient(gram, np.eye(class_count)[codes], ridge)
        ahead = descent.max(axis=1) - descent[np.arange(len(codes)), codes]
        codes[ahead.argmax()] = descent[ahead.argmax()].argmax()
    return codes


def every_bde_change(gram: np.ndarray, codes: np.ndarray, class_count: int, ridge: float, beta: float) -> np.ndarray:
    """L after each single move less L before, [N, K]: N·K times from scratch."""
    before = bde(gram, codes, class_count, ridge, beta)
    changes = np.zeros((len(codes), class_count))
    for i, c in np.ndindex(changes.shape):
        moved = codes.copy()
        moved[i] = c
        changes[i, c] = bde(gram, moved, class_count, ridge, beta) - before
    return changes


def refitted_on(gram: np.ndarray, rows: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """What kernel ridge regression that knows only the items *rows* says of all items."""
    shift = ridge * np.trace(gram) / len(gram) * np.eye(len(rows))
    return gram[:, rows] @ np.linalg.solve(gram[np.ix_(rows, rows)] + shift, labels[rows])


def confusions(log_prior: np.ndarray, log_likelihood: np.ndarray, strength: float) -> np.ndarray:
    """W that makes the labels and *strength* known items like each class most likely, by an optimiser at large."""
    k = log_prior.shape[1]
    free = ~np.eye(k, dtype=bool)
    prior = np.exp(log_prior)
    like_each = prior.T @ prior
    like_each /= like_each.sum(axis=1, keepdims=True)

    def loss(entries: np.ndarray) -> float:
        table = np.zeros((k, k))
        table[free] = entries
        seen = logsumexp(log_softmax(log_prior + prior @ table, axis=1) + log_likelihood, axis=1).sum()
        known = strength * (like_each * log_softmax(np.log(like_each) + table, axis=1)).sum()
        return -float(seen + known)

    table = np.zeros((k, k))
    table[free] = minimize(loss, np.zeros(k * k - k), method="BFGS").x
    return table


def common_error_rate(predictions: np.ndarray, labels: np.ndarray, agree: np.ndarray, parameters) -> list[float]:
    """Posterior mean of ρ at the clearest, the middle and the least clear item, all classes alike, summed term by term.

    Where votes agree ever less from stratum to stratum, so that nothing is to be smoothed.
    """
    k, predicted = predictions.shape[1], predictions.argmax(axis=1)
    gaps = np.sort(predictions, axis=1)
    gaps = gaps[:, -1] - gaps[:, -2]
    clearness = np.array([np.mean(gaps[predicted == c] > g) for c, g in zip(predicted, gaps, strict=True)])
    cells = []
    for stratum in range(parameters.strata):
        low, high = stratum / parameters.strata, (stratum + 1) / parameters.strata
        members = (clearness >= low) & (clearness < high)
        items, hits, votes = members.sum(), (predicted == labels)[members].sum(), agree[members].sum()
        agreement = votes / (items + 0.5)
        right = 1 / k + (1 - 1 / k) * np.sqrt(max((agreement - 1 / k) / (1 - 1 / k), 0.0))
        cells.append(((low + high) / 2, items, hits, (1 - right) / right))
    sure = min(parameters.sure_mistakes, np.mean([odds for *_, odds in cells]))
    total, sums = 0.0, np.zeros(3)
    deviates = np.linspace(-4, 4, 201)
    for level in np.linspace(-8, 3, 89):
        for slope in np.linspace(-2, 6, 65):
            weight = np.exp(-(((level - parameters.level) / parameters.level_spread) ** 2) / 2)
            weight *= np.exp(-(((slope - parameters.slope) / parameters.slope_spread) ** 2) / 2)
            for middle, items, hits, odds in cells:
                rate = 1 / (1 + np.exp(-level - slope * middle))
                missed = np.exp(parameters.mistakes_spread * deviates)
                missed = missed * (parameters.shared_mistakes * odds + sure)
                accuracy = np.maximum(1 / (1 + missed), 1 / k)
                hit = (1 - rate) * accuracy + rate * (1 - accuracy) / (k - 1)
                each = hits * np.log(hit) + (items - hits) * np.log(1 - hit) - deviates**2 / 2
                weight *= np.exp(each - items * np.log(2)).sum() * 2.0 ** (items / 2)
            total += weight
            sums += weight / (1 + np.exp(-level - slope * np.array([0.0, 0.5, 1.0])))
    return list(sums / total)
