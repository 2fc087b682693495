"""Oracles: the equations written out in float64 NumPy, slowly, as the paper has them."""

from __future__ import annotations

import numpy as np


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
