"""How far annotators agree: on the labels of what they both labelled, and, of regions, on what there is and where.

No kernel is needed, and no truth: only items that several people labelled say anything.

Sources: Krippendorff, *Content Analysis* (alpha, nominal); Cohen 1960 and Fleiss 1971 (kappa).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from ntk_labelqa import findings
from ntk_labelqa.dataset import LabeledDataset

RESAMPLES = 400
"""Draws of the tasks, with replacement, that intervals are of."""
INTERVAL = (2.5, 97.5)
MOST_PAIRS = 200
"""Pairs of annotators in the table, those with the most items in common."""


def agreement_table(dataset: LabeledDataset, *, seed: int = 0) -> pd.DataFrame:
    """The ``agreement`` table: a row for all, for each class, each annotator, and each pair of annotators.

    Empty where no item has labels of two people. Of several labels of one person on one item the last counts.

    Args:
        dataset: items with their annotations; where they are regions, those of several people are matched already.
        seed: of the draws that intervals are of.

    Cost: linear in the labels of shared items, times :data:`RESAMPLES`.
    """
    rows = dataset.annotations.drop_duplicates(["item", "annotator"], keep="last")
    shared = rows[rows["item"].map(rows["item"].value_counts()) > 1]
    if shared.empty:
        return findings.empty("agreement")
    tasks = dataset.items["task_id"].to_numpy()[shared["item"].to_numpy(np.int64)]
    votes = _Votes.of(shared.assign(task=tasks), len(dataset.class_names), seed)
    places = _places(dataset)
    found = [{"level": "all", **votes.figures(), **_place_figures(places, seed)}]
    for code in np.unique(shared["label"]):
        found.append({"level": "class", "class_name": dataset.class_names[code], **votes.of_class(int(code)).figures()})
    found += _of_people(shared, places, seed)
    table = pd.DataFrame(found).reindex(columns=list(findings.SCHEMAS["agreement"]))
    for name in ("class_name", "annotator_a", "annotator_b"):
        table[name] = table[name].fillna("")
    return findings.conform("agreement", table)


@dataclass(frozen=True)
class _Votes:
    """How often each item was given each class.

    Attributes:
        counts: items by classes, a row an item with two labels or more.
        draws: how often each item's task was drawn, float64[items, RESAMPLES].
    """

    counts: sparse.csr_matrix
    draws: np.ndarray

    @classmethod
    def of(cls, shared: pd.DataFrame, class_count: int, seed: int) -> _Votes:
        items, row = np.unique(shared["item"].to_numpy(), return_inverse=True)
        labels = shared["label"].to_numpy(np.int64)
        counts = sparse.csr_matrix((np.ones(len(row)), (row, labels)), (len(items), class_count))
        tasks = shared.groupby("item")["task"].first().to_numpy()
        return cls(counts, drawn(tasks, seed))

    def of_class(self, code: int) -> _Votes:
        """The same with two classes, this one and all others."""
        given = np.asarray(self.counts[:, [code]].todense()).ravel()
        several = np.asarray(self.counts.sum(axis=1)).ravel()
        return _Votes(sparse.csr_matrix(np.stack([given, several - given], axis=1)), self.draws)

    def figures(self) -> dict[str, float]:
        """Items, agreement of two labels of an item, Fleiss' kappa, and Krippendorff's alpha with its interval."""
        votes = np.asarray(self.counts.sum(axis=1)).ravel()
        alike = np.asarray(self.counts.multiply(self.counts).sum(axis=1)).ravel() - votes
        once = np.ones((len(votes), 1))
        agreed = float((alike / (votes * (votes - 1))).mean())
        shares = np.asarray(self.counts.sum(axis=0)).ravel() / votes.sum()
        redrawn = alpha(self.counts, votes, alike, self.draws)
        known = redrawn[np.isfinite(redrawn)]
        low, high = np.percentile(known, INTERVAL) if len(known) else (np.nan, np.nan)
        return {
            "items": len(votes),
            "agreement": agreed,
            "kappa": _beyond_chance(agreed, float(np.square(shares).sum())),
            "alpha": float(alpha(self.counts, votes, alike, once)[0]),
            "alpha_low": float(low),
            "alpha_high": float(high),
        }


def alpha(counts: sparse.csr_matrix, votes: np.ndarray, alike: np.ndarray, draws: np.ndarray) -> np.ndarray:
    r"""Krippendorff's alpha for nominal data, float64[D]; 1 agreement, 0 what chance would give, NaN of one class.

    .. math:: 1 - (n - 1) \frac{n - \sum_u A_u}{n^2 - \sum_c n_c^2}

    where item u was given :math:`m_u` of the n labels, and :math:`A_u = \sum_c n_{uc} (n_{uc} - 1) / (m_u - 1)`.

    Args:
        counts: n_uc, items by classes.
        votes: m_u, float64[items].
        alike: the sum over c of n_uc (n_uc - 1), float64[items].
        draws: how often each item counts, float64[items, D].
    """
    total = votes @ draws
    agreed = (alike / (votes - 1)) @ draws
    of_classes = counts.T @ draws
    expected = np.square(total) - np.square(of_classes).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (total - 1) * (total - agreed) / expected, np.nan)


def drawn(tasks: np.ndarray, seed: int) -> np.ndarray:
    """How often each row counts in each of :data:`RESAMPLES` draws of its tasks, float64[rows, RESAMPLES]."""
    different, row = np.unique(tasks, return_inverse=True)
    shares = np.full(len(different), 1 / len(different))
    return np.random.default_rng(seed).multinomial(len(different), shares, RESAMPLES).T[row].astype(float)


def _beyond_chance(observed: float, by_chance: float) -> float:
    return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def _of_people(shared: pd.DataFrame, places: pd.DataFrame | None, seed: int) -> Iterator[dict[str, object]]:
    """A row for each annotator, over all others, and for each pair."""
    pairs = _two_by_two(shared[["item", "annotator", "label"]], "item")
    both = pd.concat([pairs, pairs.rename(columns=_TURNED)], ignore_index=True)
    for name, rows in both.groupby("annotator_a"):
        seen = None if places is None else places[(places["annotator_a"] == name) | (places["annotator_b"] == name)]
        yield {"level": "annotator", "annotator_a": name, **_cohen(rows), **_place_figures(seen, seed)}
    most = set(pairs.value_counts(["annotator_a", "annotator_b"]).head(MOST_PAIRS).index)
    for (one, other), rows in pairs.groupby(["annotator_a", "annotator_b"]):
        if (one, other) in most:
            seen = None if places is None else places[(places["annotator_a"] == one) & (places["annotator_b"] == other)]
            names = {"annotator_a": one, "annotator_b": other}
            yield {"level": "pair", **names, **_cohen(rows), **_place_figures(seen, seed)}


def _two_by_two(rows: pd.DataFrame, of: str) -> pd.DataFrame:
    """Every two rows of different people with the same value in the column *of*, people in the order of their names."""
    found = rows.merge(rows, on=of, suffixes=("_a", "_b"))
    return found[found["annotator_a"] < found["annotator_b"]].reset_index(drop=True)


_TURNED = {
    "annotator_a": "annotator_b",
    "annotator_b": "annotator_a",
    "label_a": "label_b",
    "label_b": "label_a",
}


def _cohen(pairs: pd.DataFrame) -> dict[str, float]:
    """Items in common, agreement, and Cohen's kappa."""
    a, b = pairs["label_a"].to_numpy(), pairs["label_b"].to_numpy()
    classes = np.unique(np.concatenate([a, b]))
    by_chance = sum(float((a == code).mean() * (b == code).mean()) for code in classes)
    agreed = float((a == b).mean())
    return {"items": pairs["item"].nunique(), "agreement": agreed, "kappa": _beyond_chance(agreed, by_chance)}


def _places(dataset: LabeledDataset) -> pd.DataFrame | None:
    """A row for every two people and every task that both drew in: ``drawings`` of both together, regions that ``both``
    drew, and the sum of their ``overlap``. None where the items are no boxes or spans.
    """
    if dataset.regions is None or dataset.regions.empty:
        return None
    once = dataset.regions.drop_duplicates(["annotation_id", "region_id"]).drop(columns=["annotator", "label"])
    of = dataset.annotations.drop_duplicates(["item", "annotator"], keep="last").drop(columns="label")
    placed = of.merge(once, on=["annotation_id", "region_id"])
    drawn_by = placed.groupby(["task_id", "annotator"]).size().rename("drawn").reset_index()
    people = _two_by_two(drawn_by, "task_id")
    found = _two_by_two(placed, "item")
    found = found.assign(overlap=_overlaps(found)).rename(columns={"task_id_a": "task_id"})
    key = ["task_id", "annotator_a", "annotator_b"]
    matched = found.groupby(key)["overlap"].agg(both="size", overlap="sum").reset_index()
    table = people.merge(matched, on=key, how="left").fillna({"both": 0, "overlap": 0.0})
    return table.assign(drawings=table["drawn_a"] + table["drawn_b"])


def _overlaps(pairs: pd.DataFrame) -> np.ndarray:
    """Intersection over union of the boxes or spans with the suffixes _a and _b, float64[P]."""
    if pairs["start_a"].notna().any():
        sides = [("start", "end")]
        ends = {name: pairs[name].to_numpy(float) for side in ("a", "b") for name in (f"start_{side}", f"end_{side}")}
    else:
        sides = [("left", "right"), ("top", "bottom")]
        ends = {}
        for side in ("a", "b"):
            ends[f"left_{side}"], ends[f"top_{side}"] = pairs[f"x_{side}"].to_numpy(), pairs[f"y_{side}"].to_numpy()
            ends[f"right_{side}"] = ends[f"left_{side}"] + pairs[f"width_{side}"].to_numpy()
            ends[f"bottom_{side}"] = ends[f"top_{side}"] + pairs[f"height_{side}"].to_numpy()
    shared, sizes = np.ones(len(pairs)), {"a": np.ones(len(pairs)), "b": np.ones(len(pairs))}
    for low, high in sides:
        common = np.minimum(ends[f"{high}_a"], ends[f"{high}_b"]) - np.maximum(ends[f"{low}_a"], ends[f"{low}_b"])
        shared *= np.maximum(common, 0.0)
        for side, size in sizes.items():
            size *= ends[f"{high}_{side}"] - ends[f"{low}_{side}"]
    return shared / (sizes["a"] + sizes["b"] - shared)


def _place_figures(places: pd.DataFrame | None, seed: int) -> dict[str, float]:
    """F1 of one person's regions against the other's, with its interval, and the mean overlap of those both drew."""
    if places is None or places.empty:
        return {}
    both, drawings = places["both"].to_numpy(float), places["drawings"].to_numpy(float)
    draws = drawn(places["task_id"].to_numpy(), seed)
    low, high = np.percentile(2 * (both @ draws) / (drawings @ draws), INTERVAL)
    return {
        "region_f1": float(2 * both.sum() / drawings.sum()),
        "region_f1_low": float(low),
        "region_f1_high": float(high),
        "mean_overlap": float(places["overlap"].sum() / both.sum()) if both.any() else float("nan"),
    }
