"""The tables of an audit: their columns, types, and what each column means.

Other people's scripts read these tables. A column is added here first, and never changes its meaning.
"""

from __future__ import annotations

import pandas as pd

from ntk_labelqa.errors import InvalidInputError

SCHEMAS: dict[str, dict[str, str]] = {
    "findings": {
        "task_id": "int64",
        "annotation_id": "int64",
        "annotator": "str",
        "given_label": "str",
        "predicted_label": "str",  # the most probable label, never null
        "suggested_label": "str",  # null unless is_label_issue
        "label_score": "float64",  # 0 to 1, low = suspect: 1 - error_probability
        "error_probability": "float64",  # 0 to 1, calibrated
        "is_label_issue": "bool",
        "margin": "float64",  # leave-one-out prediction, best other class less given one; high = suspect
        "bde_gain": "float64",  # fall of the BDE if the label became predicted_label; high = suspect
        "region_id": "str",  # of the annotation's region that the label is of; empty for whole items
        "model_probability": "float64",  # error_probability before reviewers' verdicts put it right; null if none did
    },
    "influences": {
        "annotation_id": "int64",
        "other_task_id": "int64",
        "weight": "float64",  # contribution to the leave-one-out prediction; larger pulls harder
        "toward": "str",  # the class it pulls to
        "region_id": "str",  # of the annotation's region; empty for whole items
        "other_region_id": "str",  # of the other item; empty for whole items
    },
    "classes": {
        "class_name": "str",
        "items": "int64",
        "issues": "int64",
        "issue_rate": "float64",  # flagged share of its annotations; high = bad
        "diffuseness": "float64",  # Z_kk / (n_k (n_k - 1)), null for classes of one; high = bad
        "leave_one_out_accuracy": "float64",  # high = good
    },
    "entanglement": {
        "class_a": "str",
        "class_b": "str",
        "coupling": "float64",  # -Z_ab / sqrt(Z_aa Z_bb); high = entangled
        "overlap": "float64",  # 0 = never confused, 1 = nothing distinguishes them
        "overlap_low": "float64",  # 95 %
        "overlap_high": "float64",
        "q_value": "float64",  # least false discovery rate at which the overlap is more than the usual one
        "is_warned": "bool",  # significant and large
        "overlap_refurbished": "float64",  # with the labels corrected that halves of the data contradict alike
        "cause": "str",  # of a warning: "labels" (wrong ones) or "classes" (guideline, taxonomy); else empty
        "items_a": "str",  # tasks of class_a that lean most to class_b, of a warned pair, set apart by spaces
        "items_b": "str",
    },
    "schemes": {
        "scheme": "str",
        "items": "int64",
        "error_rate": "float64",  # share of its labels that the leave-one-out prediction contradicts; high = bad
        "error_low": "float64",
        "error_high": "float64",
        "error_rank": "int64",  # 1 = least noisy
        "bde": "float64",  # high = bad; null where it cannot be compared
        "bde_rank": "Int64",
        "comparable": "bool",
    },
    "annotators": {
        "annotator": "str",
        "labels": "int64",
        "error_rate": "float64",  # expected share of wrong labels, calibrated; high = bad
        "error_low": "float64",  # 95 %
        "error_high": "float64",
        "true_label": "str",  # of the commonest mistake
        "mistaken_for": "str",
        "mistakes": "float64",  # expected number of that mistake
    },
    "consensus": {
        "task_id": "int64",
        "labels": "int64",
        "majority_label": "str",  # empty on a tie
        "consensus_label": "str",  # the most probable, given all labels, their authors and the item
        "consensus_probability": "float64",
        "relabel_by": "str",  # who should label the item again; empty unless a label is flagged
        "region_id": "str",  # of the item; empty for whole items
    },
    "agreement": {
        "level": "str",  # "all", "class", "annotator" (against all others) or "pair"
        "class_name": "str",  # of a class: it against all others together
        "annotator_a": "str",
        "annotator_b": "str",
        "items": "int64",  # with labels of two people or more
        "agreement": "float64",  # share of pairs of labels that are the same
        "kappa": "float64",  # Fleiss' of all and of classes, Cohen's of annotators and pairs; null of one class
        "alpha": "float64",  # Krippendorff's, nominal; null of annotators, of pairs, and of one class
        "alpha_low": "float64",  # 95 %
        "alpha_high": "float64",
        "region_f1": "float64",  # of regions: one person's against the other's; null of whole items and of classes
        "region_f1_low": "float64",  # 95 %
        "region_f1_high": "float64",
        "mean_overlap": "float64",  # of regions that both drew: intersection over union
    },
    "region_faults": {
        "task_id": "int64",
        "annotation_id": "int64",
        "annotator": "str",
        "region_id": "str",
        "label": "str",
        "rule": "str",  # which rule the region breaks, such as "outside the image" or "duplicate"
        "detail": "str",  # what is wrong, in words
        "other_region_id": "str",  # of the same annotation, where the rule is about two; else empty
        "suggestion": "str",  # what would put it right: "remove" it, "move" it, or another "label"; empty if unknown
        "suggested_label": "str",  # where that is the suggestion; else empty
        "suggested_result": "str",  # fields of its result that are to change, JSON, where it is to move
        "value": "str",  # the place: image address with a media fragment, span in its context
    },
    "region_issues": {
        "task_id": "int64",
        "annotation_id": "int64",  # that has the region, or that it is to be added to
        "annotator": "str",
        "region_id": "str",  # of a missing one: the id that it would get
        "issue": "str",  # "spurious": there is nothing; "shifted": it lies beside; "missing": nobody drew it
        "label": "str",  # of a missing one: the suggested one
        "probability": "float64",  # that the issue is one, 0 to 1, calibrated
        "is_region_issue": "bool",
        "value": "str",  # the place: image address with a media fragment, span in its context
        "suggested_result": "str",  # fields of the new or moved region's result, JSON; empty of spurious ones
        "picture": "object",  # PNG bytes of the whole with the place marked, of the worst; else null
    },
}
REMEDY = "Run the audit again with --overwrite."
UNKNOWN_REMEDY = (
    "Compare the items by embeddings of a pretrained model (--encoder, --features) or by another network (--arch), or "
    "label more of them."
)
"""What to do where an audit can say nothing of any label."""

NULLABLE = {
    ("findings", "suggested_label"),
    ("findings", "model_probability"),
    ("region_issues", "picture"),
    ("classes", "diffuseness"),
    ("schemes", "bde"),
    ("schemes", "bde_rank"),
    *(("agreement", name) for name in ("kappa", "alpha", "alpha_low", "alpha_high")),
    *(("agreement", name) for name in ("region_f1", "region_f1_low", "region_f1_high", "mean_overlap")),
}
SHARES = frozenset(
    "label_score error_probability model_probability issue_rate leave_one_out_accuracy error_rate error_low "  # noqa: SIM905
    "error_high consensus_probability probability".split()
)
"""Columns of numbers from 0 to 1, in whichever table."""
WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "entanglement": {"cause": ("labels", "classes", "")},
    "region_faults": {"suggestion": ("remove", "move", "label", "")},
    "region_issues": {"issue": ("spurious", "shifted", "missing")},
}
"""Columns that hold one of a few words, by table."""
LATER_TABLES = ("annotators", "consensus", "region_faults", "agreement", "region_issues")
"""Tables that audits of earlier versions lack."""
LATER: dict[str, dict[str, object]] = {
    "findings": {"region_id": "", "model_probability": float("nan")},
    "influences": {"region_id": "", "other_region_id": ""},
    "consensus": {"region_id": ""},
    "region_faults": dict.fromkeys(("suggestion", "suggested_label", "suggested_result", "value"), ""),
    "entanglement": {
        **dict.fromkeys(("overlap", "overlap_low", "overlap_high", "overlap_refurbished"), 0.0),
        **dict.fromkeys(("cause", "items_a", "items_b"), ""),
        "q_value": 1.0,
        "is_warned": False,
    },
}
"""Columns that tables of earlier versions lack, and what stands for them: whole items; that nothing is warned of."""


def conform(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """*table* with exactly the columns, order and types of schema *name*.

    Raises InvalidInputError for a missing column and for nulls where the schema has none: a wrong table must never be
    written.
    """
    schema = SCHEMAS[name]
    if later := {column: value for column, value in LATER.get(name, {}).items() if column not in table}:
        table = table.assign(**later)
    missing = [column for column in schema if column not in table]
    if missing:
        raise InvalidInputError(f"The {name} table lacks the columns {', '.join(missing)}.", remedy=REMEDY)
    typed = table[list(schema)]
    # Of a million rows each needless copy is hundreds of megabytes.
    if other := {column: kind for column, kind in schema.items() if kind not in ("str", typed[column].dtype)}:
        typed = typed.astype(other)
    for column in schema:
        if (name, column) not in NULLABLE and typed[column].isna().any():
            raise InvalidInputError(f"The {name} table has missing values in {column}.", remedy=REMEDY)
    typed.index = pd.RangeIndex(len(typed))
    return typed


def keys(table: pd.DataFrame, number: str = "task_id", region: str = "region_id") -> list[tuple[int, str]]:
    """What a row is of, id and region: an annotation or a task alone may have several regions."""
    regions = table[region] if region in table else [""] * len(table)
    return [(int(one), other) for one, other in zip(table[number], regions, strict=True)]


def item_keys(table: pd.DataFrame, annotations: pd.DataFrame) -> list[tuple[int, str]]:
    """The item of each row of a ``findings`` table, task id and region id: that of the first annotator who drew it.

    *annotations* is the audit's table of that name; those of earlier versions know of no regions.
    """
    own = keys(table, "annotation_id")
    if "item_region_id" not in annotations:
        return keys(table)
    item = dict(zip(keys(annotations, "annotation_id"), annotations["item_region_id"], strict=True))
    return [(int(task), item.get(key, key[1])) for task, key in zip(table["task_id"], own, strict=True)]


def of_labels(decisions: pd.DataFrame) -> pd.DataFrame:
    """The decisions on labels: those on regions and on rules have other probabilities, or none."""
    return decisions[decisions["kind"] == "label"] if "kind" in decisions else decisions


def empty(name: str) -> pd.DataFrame:
    """The table *name* with its columns and no row."""
    return conform(name, pd.DataFrame({column: [] for column in SCHEMAS[name]}))
