"""Audits for the report's tests: real digits, and made-up tables of any size."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import encode_labels

LEFT_OUT = [{"reason": "its image cannot be read", "of": "task", "count": 2, "ids": [17, 42]}]
MEASURED = {
    "recall": {"value": 0.962, "low": 0.92, "high": 0.983},
    "precision": {"value": 0.971, "low": 0.932, "high": 0.989},
    "planted": 180,
    "is_informative": True,
}


def audit_of(
    given: np.ndarray,
    predicted: np.ndarray,
    probability: np.ndarray,
    *,
    annotators: np.ndarray | None = None,
    kind: str = "features",
    values: list[str] | None = None,
    thumbnails: list[bytes | None] | None = None,
    classes: list[str] | None = None,
    neighbours: np.ndarray | None = None,
    title: str = "Digits",
    server_url: str = "http://localhost:8080",
) -> Audit:
    """An audit whose tables follow from the labels given and predicted, and the probability of an error of each.

    *neighbours* is int[N, n], the items that pull each item's prediction.
    """
    size = len(given)
    names = sorted({*given, *predicted}) if classes is None else classes
    flagged = (probability > 0.5) & (given != predicted)
    people = np.full(size, "ada@example.org", object) if annotators is None else annotators
    found = pd.DataFrame(
        {
            "task_id": np.arange(size) + 1000,
            "annotation_id": np.arange(size) + 50_000,
            "annotator": people,
            "given_label": given,
            "predicted_label": predicted,
            "suggested_label": np.where(flagged, predicted, None),
            "label_score": 1 - probability,
            "error_probability": probability,
            "is_label_issue": flagged,
            "margin": np.where(given == predicted, probability - 1, probability),
            "bde_gain": probability / size,
        }
    )
    tables = {
        "findings": found,
        "influences": _influences(found, neighbours),
        "classes": _classes(found, names),
        "entanglement": _couplings(given, predicted, names),
        "schemes": _schemes(found),
    }
    items = pd.DataFrame({"task_id": found["task_id"], "value": values or [""] * size})
    items["thumbnail"] = pd.Series(thumbnails, dtype=object) if thumbnails else None
    return Audit(
        manifest=_manifest(found, names, kind, title, server_url),
        items=items,
        **{name: findings.conform(name, table) for name, table in tables.items()},
    )


def changed(audit: Audit, **data: Any) -> Audit:
    """*audit* with other entries in its manifest's ``data``."""
    return replace(audit, manifest={**audit.manifest, "data": {**audit.manifest["data"], **data}})


def reviewed(audit: Audit, decisions: list[str]) -> Audit:
    """*audit* with *decisions* on as many of its findings, from the most probable error to the least."""
    flagged = audit.findings[audit.findings["is_label_issue"]].sort_values("error_probability", ascending=False)
    chosen = flagged.iloc[np.linspace(0, len(flagged) - 1, len(decisions)).round().astype(int)]
    return replace(audit, decisions=chosen.assign(decision=decisions).reset_index(drop=True))


def warned(audit: Audit, first: str, second: str, *, cause: str = "classes") -> Audit:
    """*audit* with a warning of two classes, carried by the first three items of each."""
    pairs = audit.entanglement.copy()
    row = pairs.index[pairs["class_a"].isin((first, second)) & pairs["class_b"].isin((first, second))][0]
    given, tasks = audit.findings["given_label"], audit.findings["task_id"]
    for side in "ab":
        own = tasks[given == pairs.loc[row, f"class_{side}"]].head(3)
        pairs.loc[row, f"items_{side}"] = " ".join(map(str, own))
    figures = {"overlap": 0.4, "overlap_low": 0.3, "overlap_high": 0.5, "overlap_refurbished": 0.1, "q_value": 0.001}
    for column, value in {**figures, "is_warned": True, "cause": cause}.items():
        pairs.loc[row, column] = value
    return replace(audit, entanglement=pairs)


@cache
def digits_audit() -> Audit:
    """The 1,797 digits of scikit-learn with 8 % wrong labels; predictions from each item's nearest neighbours."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rng = np.random.default_rng(0)
    truth = digits.target
    given = truth.copy()
    wrong = rng.random(len(truth)) < 0.08
    given[wrong] = (truth[wrong] + rng.integers(1, 10, wrong.sum())) % 10
    predicted, probability, nearest = by_neighbours(digits.data, given, 10)
    people = np.array(["ada@example.org", "grace@example.org", "emmy@example.org"], object)[np.arange(len(truth)) % 3]
    thumbnails = [_png(image) for image in digits.images]
    return audit_of(
        given.astype(str).astype(object),
        predicted.astype(str).astype(object),
        probability,
        annotators=people,
        kind="image",
        thumbnails=thumbnails,
        neighbours=nearest,
        values=[f"/data/upload/1/{i}.png" for i in range(len(truth))],
    )


def by_neighbours(rows: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Most frequent label among the 15 nearest other items, the share of them that disagrees with *labels*, and the
    four nearest."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=16).fit(rows).kneighbors(rows, return_distance=False)[:, 1:]
    votes = np.stack([np.bincount(labels[near], minlength=classes) for near in nearest])
    own = votes[np.arange(len(rows)), labels]
    return votes.argmax(axis=1), 1 - (own + 0.02) / 15.04, nearest[:, :4]


def random_audit(size: int, classes: int, *, share: float = 1.0, **more: Any) -> Audit:
    """*size* annotations of *classes* classes; *share* of them flagged."""
    rng = np.random.default_rng(1)
    names = np.array([f"class {i:04d} with a longer name" for i in range(classes)], object)
    given = rng.integers(0, classes, size)
    issue = rng.random(size) < share
    predicted = np.where(issue, (given + rng.integers(1, classes, size)) % classes, given)
    probability = np.where(issue, 0.5 + 0.5 * rng.random(size), 0.4 * rng.random(size) ** 3)
    return audit_of(names[given], names[predicted], probability, classes=list(names), **more)


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray((255 - image * 255 / max(image.max(), 1)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _influences(found: pd.DataFrame, neighbours: np.ndarray | None) -> pd.DataFrame:
    if neighbours is None:
        return findings.empty("influences")
    flagged = np.flatnonzero(found["is_label_issue"])
    count = neighbours.shape[1]
    return pd.DataFrame(
        {
            "annotation_id": np.repeat(found["annotation_id"].to_numpy()[flagged], count),
            "other_task_id": found["task_id"].to_numpy()[neighbours[flagged].ravel()],
            "weight": np.tile(1.0 / (1 + np.arange(count)), len(flagged)),
            "toward": np.repeat(found["predicted_label"].to_numpy()[flagged], count),
        }
    )


def _classes(found: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    by_class = found.groupby("given_label")["is_label_issue"].agg(["size", "sum", "mean"]).reindex(names, fill_value=0)
    right = (found["given_label"] == found["predicted_label"]).groupby(found["given_label"]).mean()
    return pd.DataFrame(
        {
            "class_name": names,
            "items": by_class["size"].to_numpy(),
            "issues": by_class["sum"].to_numpy(),
            "issue_rate": by_class["mean"].to_numpy(float),
            "diffuseness": by_class["mean"].to_numpy(float) + 0.1,
            "leave_one_out_accuracy": right.reindex(names, fill_value=0.0).to_numpy(),
        }
    )


def _couplings(given: np.ndarray, predicted: np.ndarray, names: list[str]) -> pd.DataFrame:
    """How often each pair was exchanged, against the sizes of the two; the 5,000 strongest."""
    rows, _ = encode_labels(list(given), names)
    columns, _ = encode_labels(list(predicted), names)
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (rows, columns), 1.0)
    counts += counts.T
    first, second = np.triu_indices(len(names), k=1)
    size = np.sqrt(np.maximum(np.diag(counts), 1.0))
    coupling = counts[first, second] / (size[first] * size[second])
    strongest = np.argsort(-coupling, kind="stable")[:5000]
    labels = np.asarray(names, object)
    return pd.DataFrame(
        {
            "class_a": labels[first[strongest]],
            "class_b": labels[second[strongest]],
            "coupling": coupling[strongest],
        }
    )


def _schemes(found: pd.DataFrame) -> pd.DataFrame:
    wrong = found["given_label"] != found["predicted_label"]
    table = wrong.groupby(found["annotator"]).agg(["size", "mean"]).sort_values("mean").reset_index()
    return pd.DataFrame(
        {
            "scheme": table["annotator"],
            "items": table["size"],
            "error_rate": table["mean"],
            "error_low": table["mean"] * 0.8,
            "error_high": np.minimum(table["mean"] * 1.2, 1.0),
            "error_rank": np.arange(len(table)) + 1,
            "bde": np.nan,
            "bde_rank": pd.array([pd.NA] * len(table), "Int64"),
            "comparable": False,
        }
    )


def _manifest(found: pd.DataFrame, names: list[str], kind: str, title: str, server_url: str) -> dict[str, Any]:
    rate = float(found["error_probability"].mean())
    size = len(found)
    return {
        "format": 1,
        "created_at": "2026-03-02T09:30:00+00:00",
        "versions": {"python": "3.11.9", "ntk-labelqa": "0.1.0", "jax": "0.10.2"},
        "options": {"architecture": "2-L", "ridge": 0.01, "encoder": "pixels", "landmarks": "auto", "seed": 0},
        "seed": 0,
        "device": "cpu (cpu)",
        "data": {
            "fingerprint": "0f" * 32,
            "source": "export.json",
            "project_id": 7,
            "project_title": title,
            "server_url": server_url,
            "kind": kind,
            "control": {"name": "label", "to_name": "item", "tag": "Choices", "value_key": "item"},
            "items": size,
            "annotations": size,
            "class_names": names,
            "left_out": LEFT_OUT,
            "notes": ["The labelling config was inferred from the results."],
        },
        "timings": {"Encoding the items": 0.4, "Inverting the kernel": 3.2},
        "summary": {
            "items": size,
            "annotations": size,
            "classes": len(names),
            "issues": int(found["is_label_issue"].sum()),
            "error_rate": rate,
            "error_rate_low": rate * 0.9,
            "error_rate_high": min(rate * 1.1, 1.0),
            "architecture": "2-L",
            "ridge": 0.01,
            "bde": 0.0123,
            "self_measurement": MEASURED,
        },
    }
