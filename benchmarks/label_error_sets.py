"""The data sets of ``label_errors.py``: features float32[N, D], right labels int64[N], read from ``--data-dir``.

None is shipped. ``digits`` comes with scikit-learn; every other set is one file of the folder:

=====================  ===============================================================================================
``mnist.npz``          X_train uint8[60000, 28, 28], y_train: Keras' file, keys renamed; or OpenML's mnist_784
``fashion_mnist.npz``  the same of https://github.com/zalandoresearch/fashion-mnist
``cifar100_12k.npz``   X_train uint8[N, 32, 32, 3] (or the packed ``X_train__loco``), y_train fine labels 0-99
``cifar10.npz``        as ``cifar100_12k.npz``, of CIFAR-10
``cifar10_embeddings.npz``  ``features`` float[N, D] of N of CIFAR-10's photos by a pretrained network, ``label``
``trec.csv.gz``        split, text, coarse, fine: https://cogcomp.seas.upenn.edu/Data/QA/QC/
``adult.csv.gz``       OpenML's adult, columns named, ``income`` the label, ``split`` ignored
``phoneme.csv.gz``     OpenML's phoneme: V1 ... V5, y
``cifar100_human.npz``   ``features`` float[N, D] of CIFAR-100's images by a pretrained network, ``clean_label``,
                       ``human_label``, ``clean_coarse_label``, ``human_coarse_label`` of CIFAR-N:
                       https://github.com/UCSC-REAL/cifar-10-100n
``trec_embeddings.npz``  ``features`` float[N, D] of TREC's questions by a sentence encoder, ``coarse``, in the order of
                       ``trec.csv.gz``
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
    rows = _drawn(len(labels), items)
    codes = np.unique(labels[rows], return_inverse=True)[1]
    return features[rows], codes.astype(np.int64)


def load_as_labelled_by_people(name: str, folder: Path, items: int) -> np.ndarray:
    """What people labelled the same items, int64[N]; of a set of :data:`BY_PEOPLE`."""
    with np.load(folder / "cifar100_human.npz") as arrays:
        labels = arrays[BY_PEOPLE[name]].astype(np.int64)
    return labels[_drawn(len(labels), items)]


def load_guesses(name: str, folder: Path, items: int) -> np.ndarray:
    """How probable each class is by a weak model that saw other items, float64[N, K]; of TREC's sets."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import cross_val_predict
    from sklearn.naive_bayes import MultinomialNB

    table = pd.read_csv(folder / "trec.csv.gz")
    codes = pd.factorize(table["coarse"], sort=True)[0]
    guesses = cross_val_predict(
        MultinomialNB(), TfidfVectorizer().fit_transform(table["text"]), codes, cv=5, method="predict_proba"
    )
    return guesses[_drawn(len(codes), items)]


def _drawn(count: int, items: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(count)[:items])


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


def _features(file: str, label: str) -> Callable[[Path], Sample]:
    def read(folder: Path) -> Sample:
        with np.load(folder / file) as arrays:
            codes = np.unique(arrays[label], return_inverse=True)[1]
            return arrays["features"].astype(np.float32), codes

    return read


BY_PEOPLE = {"cifar100-fine": "human_label", "cifar100-coarse": "human_coarse_label"}
"""Sets that people labelled, and the array of their labels."""
LOADERS: dict[str, Callable[[Path], Sample]] = {
    "digits": _digits,
    "mnist": _images("mnist.npz"),
    "fashion": _images("fashion_mnist.npz"),
    "mnist-tail": _long_tail,
    "cifar100": _images("cifar100_12k.npz"),
    "cifar10": _images("cifar10.npz"),
    "cifar10-embeddings": _features("cifar10_embeddings.npz", "label"),
    "trec": _trec("coarse"),
    "trec-fine": _trec("fine"),
    "phoneme": _table("phoneme.csv.gz", "y"),
    "adult": _table("adult.csv.gz", "income"),
    "cifar100-fine": _features("cifar100_human.npz", "clean_label"),
    "cifar100-coarse": _features("cifar100_human.npz", "clean_coarse_label"),
    "trec-embeddings": _features("trec_embeddings.npz", "coarse"),
}
