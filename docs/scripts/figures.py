"""Draws the pictures of docs/explanation: ``python docs/scripts/figures.py``. Everything in them is computed here."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits

from ntk_labelqa import find_label_issues, gram_matrix

matplotlib.use("Agg")
import matplotlib.pyplot as plt

IMAGES = Path(__file__).parents[1] / "images"
BLUE, ORANGE, RED, GREY = "#3949ab", "#e08214", "#c62828", "#9e9e9e"
RIDGE = 1.0
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "ntk-labelqa",
    "svg.fonttype": "path",
}


def main() -> None:
    """Draw all of them."""
    with plt.rc_context(STYLE):
        save(neighbours(), "neighbours.svg")
        save(gram(), "gram.png")
        save(margins(), "margins.svg")
        save(overlap(), "overlap.svg")


def save(figure: plt.Figure, name: str) -> None:
    """Write *figure*, the same bytes each time; pixels in 64 colours, which halves them."""
    drawn = io.BytesIO()
    if name.endswith(".svg"):
        figure.savefig(drawn, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None})
    else:
        figure.savefig(drawn, format="png", bbox_inches="tight", facecolor="white", dpi=90)
        image = Image.open(drawn).convert("RGB").quantize(64)
        drawn = io.BytesIO()
        image.save(drawn, format="png", optimize=True)
    (IMAGES / name).write_bytes(drawn.getvalue())
    plt.close(figure)


def clouds(apart: float, count: int = 40, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of *count* points in the plane, their centres *apart*, and which is which."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(2 * count, 2)) * 0.5
    points[count:, 0] += apart
    return points, np.repeat([0, 1], count)


def neighbours() -> plt.Figure:
    """One wrong label, and the items whose labels speak against it: the wider the line, the more."""
    points, given = clouds(2.6)
    # On a sphere, as the kernels of networks are: a third column keeps the points of the plane apart there.
    rows = np.column_stack([points, np.full(len(points), 1.5)])
    wrong = int(np.argmin(np.abs(points - [2.5, 0.1]).sum(1)))
    given = given.copy()
    given[wrong] = 0
    issues = find_label_issues(rows, given, architecture="2-L", ridge=RIDGE)
    kernel = gram_matrix(rows, architecture="2-L", dtype="float64")
    inverse = np.linalg.inv(kernel + RIDGE * np.trace(kernel) / len(kernel) * np.eye(len(kernel)))
    weights = -inverse[wrong] / inverse[wrong, wrong]
    weights[wrong] = 0
    figure, axes = plt.subplots(figsize=(6.2, 3.1))
    for other in np.argsort(-weights)[:14]:
        line = np.stack([points[wrong], points[other]])
        axes.plot(*line.T, color=GREY, linewidth=8 * weights[other] / weights.max(), alpha=0.5, zorder=1)
    for label, colour, name in ((0, BLUE, "labelled “cat”"), (1, ORANGE, "labelled “dog”")):
        axes.scatter(*points[given == label].T, color=colour, s=26, label=name, zorder=2)
    axes.scatter(*points[wrong], s=190, facecolors="none", edgecolors=RED, linewidths=2, zorder=3)
    probability = issues["error_probability"].iloc[wrong]
    note = f"given: cat, predicted: dog\nprobably wrong: {probability:.0%}"
    axes.annotate(note, points[wrong], (3.3, 1.25), color=RED, arrowprops={"arrowstyle": "-", "color": RED})
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, -0.08), ncols=2)
    axes.set(xticks=[], yticks=[], xlim=(-1.7, 5.2), ylim=(-2.0, 1.8))
    axes.spines[:].set_visible(False)
    return figure


def digits(classes: tuple[int, ...], each: int) -> tuple[np.ndarray, np.ndarray]:
    """*each* images of each of the *classes*, in their order, and which digit they are."""
    images, truth = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(truth == digit)[:each] for digit in classes])
    return images[rows], truth[rows]


def gram() -> plt.Figure:
    """The Gram matrix of four digits, sorted by class, and what it becomes with one label in five wrong."""
    images, truth = digits((0, 1, 4, 7), 40)
    given = truth.copy()
    random = np.random.default_rng(0)
    wrong = random.choice(len(given), len(given) // 5, replace=False)
    given[wrong] = [{0: 1, 1: 4, 4: 7, 7: 0}[digit] for digit in truth[wrong]]
    kernel = gram_matrix(images, architecture="2-L", dtype="float64")
    figure, panels = plt.subplots(1, 2, figsize=(6.4, 3.2))
    for axes, labels, title in (
        (panels[0], truth, "sorted by the right labels"),
        (panels[1], given, "one label in five wrong"),
    ):
        order = np.argsort(labels, kind="stable")
        axes.imshow(kernel[np.ix_(order, order)], cmap="magma", vmin=np.quantile(kernel, 0.02))
        sizes = np.unique(labels, return_counts=True)[1]
        middles = np.cumsum(sizes) - sizes / 2
        axes.set_xticks(middles, ["0", "1", "4", "7"])
        axes.set_yticks(middles, ["0", "1", "4", "7"])
        axes.tick_params(length=0)
        axes.set_title(title, fontsize=10)
        axes.spines[:].set_visible(False)
    figure.tight_layout()
    return figure


def margins() -> plt.Figure:
    """Margins of right and of wrong labels of digits, and the error probabilities that become of them."""
    images, truth = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    given = truth.copy()
    wrong = random.choice(len(given), len(given) // 10, replace=False)
    given[wrong] = (given[wrong] + random.integers(1, 10, len(wrong))) % 10
    issues = find_label_issues(images, given, architecture="2-L")
    is_wrong = pd.Series(given != truth)
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 2.7))
    for axes, column, bins in (
        (panels[0], "margin", np.linspace(-1.5, 1.5, 46)),
        (panels[1], "error_probability", np.linspace(0, 1, 31)),
    ):
        axes.hist(issues.loc[~is_wrong, column], bins, color=BLUE, label="right labels")
        axes.hist(issues.loc[is_wrong, column], bins, color=RED, label="wrong labels", alpha=0.85)
        axes.set_yscale("log")
        axes.set_ylabel("labels")
    panels[0].set_xlabel("margin: other classes ahead of the given one")
    panels[1].set_xlabel("error probability")
    panels[1].axvline(0.5, color="black", linewidth=1)
    panels[1].text(0.52, panels[1].get_ylim()[1] * 0.5, "flagged", va="top")
    panels[0].legend(frameon=False, loc="upper right", fontsize=9)
    figure.tight_layout()
    return figure


def overlap() -> plt.Figure:
    """The same points and labels, explained in two ways."""
    points, labels = clouds(1.3, 60)
    beyond = (points[:, 0] > 0.65) != (labels == 1)
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 2.6))
    for axes, title in (
        (panels[0], "two classes that overlap, every label right …"),
        (panels[1], f"… or two classes apart, {beyond.sum()} labels wrong"),
    ):
        for label, colour in ((0, BLUE), (1, ORANGE)):
            axes.scatter(*points[labels == label].T, color=colour, s=16)
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=10)
        axes.spines[:].set_visible(False)
    panels[1].axvline(0.65, color=GREY, linestyle="--")
    panels[1].scatter(*points[beyond].T, s=70, facecolors="none", edgecolors=RED)
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main()
