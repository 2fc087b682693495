"""The data sets of ``label_errors.py``: features float32[N, D], right labels int64[N], read from ``--data-dir``.

None is shipped. ``digits`` comes with scikit-learn; every other set is one file of the folder:

=====================  ===============================================================================================
``mnist.npz``          X_train uint8[60000, 28, 28], y_train: Keras' file, keys renamed; or OpenML's mnist_784
``fashion_mnist.npz``  the same of https://github.com/zalandoresearch/fashion-mnist
``cifar100_12k.npz``   X_train uint8[N, 32, 32, 3] (or the packed ``X_train__loco``), y_train fine labels 0-99
``trec.csv.gz``        split, text, coarse, fine: https://cogcomp.seas.upenn.edu/Data/QA/QC/
``adult.csv.gz``       OpenML's adult, columns named, ``income`` the label, ``split`` ignored
``phoneme.csv.gz``     OpenML's phoneme: V1 ... V5, y
=====================  ===============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from image_sets import unpacked

from ntk_labelqa.encoders.text import encode_texts

Sample = tuple[np.ndarray, np.ndarray]
TAIL = 50
"""The most frequent class of ``mnist-tail`` has this many times the items of the rarest."""


def load(name: str, folder: Path, items: int) -> Sample:
    """At most *items* of the set *name*, drawn with a fixed seed."""
    features, labels = LOADERS[name](folder)
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:items])
    codes = np.unique(labels[rows], return_inverse=True)[1]
    return features[rows], codes.astype(np.int64)


def _digits(folder: Path) -> Sample:
    from sklearn.datasets import load_digits

    features, labels = load_digits(return_X_y=True)
    return (features / 16).astype(np.float32), labels


def _images(file: str, pixels: str = "X_train", labels: str = "y_train") -> Callable[[Path], Sample]:
    def read(folder: Path) -> Sample:
        with np.load(folder / file) as arrays:
            packed = f"{pixels}__loco"
            images = unpacked(arrays[packed]) if packed in arrays else arrays[pixels]
            return images.reshape(len(images), -1).astype(np.float32) / 255, arrays[labels].ravel()

    return read


def _long_tail(folder: Path) -> Sample:
    """MNIST, class k of 10 kept with probability 50^(-k/9)."""
    features, labels = _images("mnist.npz")(folder)
    kept = np.random.default_rng(0).random(len(labels)) < TAIL ** (-labels.astype(float) / 9)
    return features[kept], labels[kept]


def _trec(level: str) -> Callable[[Path], Sample]:
    def read(folder: Path) -> Sample:
        table = pd.read_csv(folder / "trec.csv.gz")
        return encode_texts(table["text"].tolist()), pd.factorize(table[level], sort=True)[0]

    return read


def _table(file: str, label: str) -> Callable[[Path], Sample]:
    def read(folder: Path) -> Sample:
        table = pd.read_csv(folder / file).drop(columns="split", errors="ignore")
        return tabular(table.drop(columns=label)), pd.factorize(table[label], sort=True)[0]

    return read


def tabular(table: pd.DataFrame) -> np.ndarray:
    """Numbers standardised, categories one-hot, and a constant column: rows keep their length on the unit sphere."""
    numbers = table.select_dtypes("number").columns
    scaled = (table[numbers] - table[numbers].mean()) / table[numbers].std()
    columns = pd.get_dummies(table.assign(**scaled), dtype=float) if len(numbers) < table.shape[1] else scaled
    return np.column_stack([columns, np.ones(len(table))]).astype(np.float32)


LOADERS: dict[str, Callable[[Path], Sample]] = {
    "digits": _digits,
    "mnist": _images("mnist.npz"),
    "fashion": _images("fashion_mnist.npz"),
    "mnist-tail": _long_tail,
    "cifar100": _images("cifar100_12k.npz"),
    "trec": _trec("coarse"),
    "trec-fine": _trec("fine"),
    "phoneme": _table("phoneme.csv.gz", "y"),
    "adult": _table("adult.csv.gz", "income"),
}
