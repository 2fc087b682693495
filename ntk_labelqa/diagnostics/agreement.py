"""How far annotators agree: on the labels of what they both labelled, and, of regions, on what there is and where.

No kernel is needed, and no truth: only items that several people labelled say anything.

Sources: Krippendorff, *Content Analysis* (alpha, nominal); Cohen 1960 and Fleiss 1971 (kappa).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import sparse

from ntk_labelqa import findings
from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.panels import label_counts

RESAMPLES = 400
"""Draws of the tasks, with replacement, that intervals are of."""
DRAWN_BYTES = 8 * 2**20
"""Of draws that are held at once."""
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
    items, row = np.unique(shared["item"].to_numpy(np.int64), return_inverse=True)
    counts = label_counts(row, shared["label"].to_numpy(np.int64), len(items), len(dataset.class_names))
    everybody, by_class = _figures(counts, dataset.items["task_id"].to_numpy()[items], seed)
    places = _places(dataset)
    found = [{"level": "all", **everybody, **_place_figures(places, seed)}]
    for code in np.flatnonzero(np.diff(counts.tocsc().indptr)):
        found.append({"level": "class", "class_name": dataset.class_names[code], **by_class[code]})
    found += _of_people(shared, places, seed)
    table = pd.DataFrame(found).reindex(columns=list(findings.SCHEMAS["agreement"]))
    for name in ("class_name", "annotator_a", "annotator_b"):
        table[name] = table[name].fillna("")
    return findings.conform("agreement", table)


def _figures(
    counts: sparse.csr_matrix, tasks: np.ndarray, seed: int
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Items, agreement of two labels of an item, Fleiss' kappa, and Krippendorff's alpha with its interval: of all
    classes, and of each class against all others together.

    Args:
        counts: n_uc, how often each item was given each class, items by classes; each item has two labels or more.
        tasks: of the items.
        seed: of the draws.
    """
    votes = np.asarray(counts.sum(axis=1)).ravel()
    alike = np.asarray(counts.multiply(counts).sum(axis=1)).ravel() - votes
    # Of a class g times and others v - g times given, 2 g (v - g) of v (v - 1) ordered pairs of labels differ.
    unlike = _unlike(counts, votes)
    first = sparse.csr_matrix(np.stack([votes, alike / (votes - 1)], axis=1))
    differing = sparse.csr_matrix(unlike.multiply(1 / (votes - 1)[:, None]))
    columns = sparse.csr_matrix(sparse.hstack([first, counts, differing]))
    sums, redrawn = np.asarray(columns.sum(axis=0)).T, sums_redrawn(tasks, columns, seed)
    pairs = votes * (votes - 1)
    share = np.asarray(counts.sum(axis=0)).ravel() / votes.sum()
    agreed = float((alike / pairs).mean())
    of_class = 1 - np.asarray(unlike.multiply(1 / pairs[:, None]).mean(axis=0)).ravel()
    alphas, alphas_redrawn = _alphas(sums), _alphas(redrawn)
    by_chance = [float(np.square(share).sum()), *(share**2 + (1 - share) ** 2)]
    rows = [
        {
            "items": len(votes),
            "agreement": one,
            "kappa": _beyond_chance(one, chance),
            "alpha": float(alpha[0]),
            **dict(zip(("alpha_low", "alpha_high"), _interval(again), strict=True)),
        }
        for one, chance, alpha, again in zip([agreed, *of_class], by_chance, alphas, alphas_redrawn, strict=True)
    ]
    return rows[0], rows[1:]


def _unlike(counts: sparse.csr_matrix, votes: np.ndarray) -> sparse.csr_matrix:
    """2 g (v - g) of each item's count g of a class and its number of labels v, sparse as the counts."""
    of_row = np.repeat(votes, np.diff(counts.indptr))
    return sparse.csr_matrix((2 * counts.data * (of_row - counts.data), counts.indices, counts.indptr), counts.shape)


def _alphas(sums: np.ndarray) -> np.ndarray:
    r"""Krippendorff's alpha for nominal data, of all classes and of each against the others, float64[1 + K, D]; 1
    agreement, 0 what chance would give, NaN of one class.

    .. math:: 1 - (n - 1) \frac{n - \sum_u A_u}{n^2 - \sum_c n_c^2}

    where item u was given :math:`m_u` of the n labels, and :math:`A_u = \sum_c n_{uc} (n_{uc} - 1) / (m_u - 1)`.

    Args:
        sums: over the items, float64[2 + 2K, D]: of m, of A, of the n_c, and, for each class against the others, of
            m - A.
    """
    classes = (len(sums) - 2) // 2
    total, agreed, of_class, differing = sums[0], sums[1], sums[2 : 2 + classes], sums[2 + classes :]
    differing = np.concatenate([[total - agreed], differing])
    expected = np.concatenate([[total**2 - np.square(of_class).sum(axis=0)], 2 * of_class * (total - of_class)])
    return 1 - np.divide((total - 1) * differing, expected, out=np.full(expected.shape, np.nan), where=expected > 0)


def _interval(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, INTERVAL) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def sums_redrawn(tasks: np.ndarray, columns: sparse.csr_matrix | np.ndarray, seed: int) -> np.ndarray:
    """The sums of *columns*, [rows, C], in each of :data:`RESAMPLES` draws of the rows' *tasks* with replacement,
    float64[C, RESAMPLES].
    """
    different, row = np.unique(tasks, return_inverse=True)
    by_task = sparse.csr_matrix((np.ones(len(row)), (row, np.arange(len(row))))) @ columns
    shares = np.full(len(different), 1 / len(different))
    random, sums = np.random.default_rng(seed), np.empty((columns.shape[1], RESAMPLES))
    step = max(1, DRAWN_BYTES // (8 * len(different)))
    for start in range(0, RESAMPLES, step):
        draws = random.multinomial(len(different), shares, min(step, RESAMPLES - start)).astype(float)
        sums[:, start : start + step] = by_task.T @ draws.T
    return sums


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
    count = max(a.max(), b.max()) + 1
    by_chance = float(np.bincount(a, minlength=count) @ np.bincount(b, minlength=count)) / len(a) ** 2
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
    both_redrawn, redrawn = sums_redrawn(places["task_id"].to_numpy(), np.stack([both, drawings], axis=1), seed)
    low, high = np.percentile(2 * both_redrawn / redrawn, INTERVAL)
    return {
        "region_f1": float(2 * both.sum() / drawings.sum()),
        "region_f1_low": float(low),
        "region_f1_high": float(high),
        "mean_overlap": float(places["overlap"].sum() / both.sum()) if both.any() else float("nan"),
    }
