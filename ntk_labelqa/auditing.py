"""Runs every diagnostic over a data set, with one kernel inverse, and gathers what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa import bde, findings
from ntk_labelqa.audit_folder import FORMAT, Audit
from ntk_labelqa.cache import cache_root
from ntk_labelqa.contents import contents
from ntk_labelqa.dataset import LabeledDataset, with_note
from ntk_labelqa.diagnostics.agreement import agreement_table
from ntk_labelqa.diagnostics.annotators import annotators_table, consensus_table
from ntk_labelqa.diagnostics.audit_plan import AuditPlan, plan_audit, tried_plan
from ntk_labelqa.diagnostics.encoder_comparison import choose_encoder
from ntk_labelqa.diagnostics.entanglement import Entanglement, entangle
from ntk_labelqa.diagnostics.evidence import influences, most_evident
from ntk_labelqa.diagnostics.fitted_kernel import FittedKernel, choose_kernel, fit_kernel
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_label_issues_in, why_not_by
from ntk_labelqa.diagnostics.panels import label_counts, label_shares, most_frequent
from ntk_labelqa.diagnostics.recalibration import Recalibration, recalibrated
from ntk_labelqa.diagnostics.region_faults import find_region_faults
from ntk_labelqa.diagnostics.scheme_ranking import rank
from ntk_labelqa.diagnostics.schemes import schemes_of
from ntk_labelqa.diagnostics.self_measurement import SelfMeasurement, measure
from ntk_labelqa.encoders.choose import Encoded, encode
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.cluster import described_scheduler
from ntk_labelqa.gram.factor_cache import FactorCache
from ntk_labelqa.gram.inverse import RegularizedInverse, predicted_classes
from ntk_labelqa.gram.panel_tasks import BrokenRowsError
from ntk_labelqa.inputs.labels import taken
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_types.region_issues import find_region_issues
from ntk_labelqa.label_types.registry import item_type_of
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from ntk_labelqa.row_store import Rows
from ntk_labelqa.runtime import device, using_device, versions

Pictures = Callable[[LabeledDataset], LabeledDataset]
"""Fetches the images of a data set; items without one are left out."""
SHOWN = 300
"""Findings that get thumbnails: those a report shows in full."""
LISTED = 1000
"""Ids of left-out tasks listed in the manifest, a reason; their number is always exact."""


def run_audit(
    dataset: LabeledDataset,
    options: AuditOptions | None = None,
    *,
    decisions: pd.DataFrame | None = None,
    pictures: Pictures | None = None,
    stages: Stages | None = None,
) -> Audit:
    """Audit the labels of *dataset*: findings, evidence, classes, entanglement and schemes.

    Args:
        dataset: items with their annotations; images must have been fetched (``path``).
        options: how to compute; see :class:`~ntk_labelqa.options.AuditOptions`.
        decisions: what reviewers said of earlier audits' findings, by which the probabilities are put right; see
            :mod:`ntk_labelqa.diagnostics.recalibration`.
        pictures: fetches the images of the items that the report shows, where they were not fetched for all.
        stages: shows progress; None is silent.

    Raises:
        InvalidInputError: fewer than two classes or items, or features that do not fit.
        SingularKernelError, MemoryBudgetError: the kernel cannot be inverted, or does not fit into memory.

    Cost: the Gram matrix and one factorisation (N³/3 flops dense, O(Nm²) with m landmarks) carry nearly all of it.
    """
    options, stages = options or AuditOptions(), stages or Stages(quiet=True)
    encoded = _encoded(dataset, options, stages)
    return audit_features(
        encoded.features,
        encoded.dataset,
        options,
        encoder=encoded.encoder,
        numbers=encoded.numbers,
        decisions=decisions,
        pictures=pictures,
        stages=stages,
    )


def plan_of_audit(
    dataset: LabeledDataset, options: AuditOptions | None = None, *, stages: Stages | None = None
) -> AuditPlan:
    """What :func:`run_audit` would take: memory and temporary files counted, time tried on a sample.

    Raises InvalidInputError as :func:`run_audit` does.

    Cost: the items are encoded, which the audit itself then needs not do again; and an audit of 4,000 of them.
    """
    options, stages = options or AuditOptions(), stages or Stages(quiet=True)
    encoded = _encoded(dataset, options, stages)
    check_auditable(encoded.dataset)
    annotations = Annotations.of_dataset(encoded.dataset, seed=options.seed)
    chosen = choose_kernel(encoded.features, annotations.mean_rows(), options, numbers=encoded.numbers, stages=stages)
    plan = _plan(chosen.features, annotations, options)
    with using_device(options.device), stages.stage("Trying the stages on a sample"):
        return tried_plan(plan, chosen.features, annotations, chosen.architecture, seed=options.seed)


def _plan(features: Rows, annotations: Annotations, options: AuditOptions) -> AuditPlan:
    itemsize = np.dtype(options.dtype).itemsize
    labels = annotations.class_count, len(annotations)
    return plan_audit(features, *labels, landmarks=options.landmarks, itemsize=itemsize)


def _encoded(dataset: LabeledDataset, options: AuditOptions, stages: Stages) -> Encoded:
    encoder = options.encoder
    if encoder is None and options.features is None:
        with stages.stage("Choosing the encoder"):
            encoder, said = choose_encoder(dataset, seed=options.seed)
        if said:
            stages.note(said)
            dataset = with_note(dataset, said)
    with stages.stage("Encoding the items") as tick:
        return encode(dataset, encoder=encoder, features_file=options.features, seed=options.seed, progress=tick)


def audit_features(
    features: Rows,
    dataset: LabeledDataset,
    options: AuditOptions,
    *,
    encoder: str,
    stages: Stages,
    numbers: np.ndarray | None = None,
    decisions: pd.DataFrame | None = None,
    pictures: Pictures | None = None,
) -> Audit:
    """:func:`run_audit` once the items are features, float[N, …], a row an item of *dataset*.

    *numbers*, bool[D], are the columns that hold plain numbers; None where the features are as a kernel is to see them.
    """
    check_auditable(dataset)
    annotations = Annotations.of_dataset(dataset)
    if options.scheduler is None:
        _plan(features, annotations, options).require()
    kept = FactorCache(cache_root() / "factors")
    try:
        with using_device(options.device):
            fitted = fit_kernel(features, annotations.mean_rows(), options, numbers=numbers, cache=kept, stages=stages)
    except BrokenRowsError as error:
        raise error.named(dataset.items["task_id"].to_numpy()) from error
    return audit_fitted(
        fitted, dataset, options, encoder=encoder, stages=stages, decisions=decisions, pictures=pictures
    )


def audit_fitted(
    fitted: FittedKernel,
    dataset: LabeledDataset,
    options: AuditOptions,
    *,
    encoder: str,
    stages: Stages,
    decisions: pd.DataFrame | None = None,
    pictures: Pictures | None = None,
) -> Audit:
    """:func:`run_audit` once a kernel is fitted to the items of *dataset*."""
    with using_device(options.device):
        return _audit_fitted(fitted, dataset, options, encoder, stages, decisions, pictures)


def _audit_fitted(
    fitted: FittedKernel,
    dataset: LabeledDataset,
    options: AuditOptions,
    encoder: str,
    stages: Stages,
    decisions: pd.DataFrame | None,
    pictures: Pictures | None,
) -> Audit:
    inverse = fitted.inverse
    with stages.stage("Finding label issues"):
        issues = find_label_issues_in(dataset, inverse, seed=options.seed)
        if issues.posterior.is_informative and (why := why_not_by(encoder, issues)):
            issues = issues.withheld(why)
        stated = issues
        recalibration = None if decisions is None else Recalibration.of_decisions(decisions)
        if recalibration:
            issues = recalibrated(stated, recalibration)
            stages.note(recalibration)
    with stages.stage("Gathering evidence"):
        pulls = influences(dataset, inverse, issues)
        flagged, most = int(issues.is_label_issue.sum()), most_evident(len(dataset), len(dataset.class_names))
        if flagged > most:
            stages.note(f"Evidence was gathered for the worst {most:,} of {flagged:,} flagged labels.")
    faults = findings.empty("region_faults")
    if dataset.regions is not None:
        faults = find_region_faults(dataset.regions, options.regions)
    with stages.stage("Looking for spurious and missing regions") as tick:
        regions = find_region_issues(dataset, seed=options.seed, progress=tick)
    with stages.stage("Measuring itself"):
        measured = measure(dataset, inverse, issues, recalibration=recalibration, seed=options.seed)
    with stages.stage("Comparing classes and schemes"):
        shares = label_shares(dataset.item_of_annotation, dataset.label_codes, len(dataset), len(dataset.class_names))
        entanglement = entangle(inverse, shares, dataset.class_names, item_ids=dataset.items["task_id"].to_numpy())
        predicted = predicted_classes(inverse, Annotations.of_dataset(dataset).mean_rows())
        ranking = rank(inverse, predicted, list(schemes_of(dataset)), len(dataset.class_names))
    found = findings_table(dataset, issues)
    if recalibration:
        found = found.assign(model_probability=stated.error_probability)
    with stages.stage("Making thumbnails"):
        items = items_table(dataset, found, pulls, pictures)
    chosen = taken_options(fitted, options, encoder)
    limits = chosen.pop("regions")
    manifest = {
        "format": FORMAT,
        "began_at": stages.began.isoformat(timespec="milliseconds"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "options": chosen,
        "seed": options.seed,
        "region_limits": limits,
        "device": device(),
        **fitted.choices,
        "recalibration": asdict(recalibration) if recalibration else None,
        "data": describe(dataset),
        "timings": stages.seconds,
        "summary": {
            **summarize(dataset, inverse, entanglement, found, measured, str(fitted.architecture)),
            "region_faults": len(faults),
            "region_issues": regions.measured,
        },
    }
    classes = classes_table(dataset, entanglement, found, predicted)
    return Audit(
        manifest,
        found,
        pulls,
        classes,
        entanglement.pairs,
        ranking,
        items,
        annotations=annotations_table(dataset),
        annotators=findings.conform("annotators", annotators_table(dataset, issues)),
        consensus=findings.conform("consensus", consensus_table(dataset, issues)),
        region_faults=faults,
        agreement=agreement_table(dataset, seed=options.seed),
        region_issues=regions.table,
    )


def taken_options(fitted: FittedKernel, options: AuditOptions, encoder: str) -> dict[str, Any]:
    """*options* with what was taken where they left a choice."""
    return {
        **asdict(replace(options, scheduler=described_scheduler(options.scheduler))),
        "encoder": encoder,
        "preparation": fitted.preparation.name,
        "architecture": str(fitted.architecture),
        "landmarks": fitted.landmarks,
        "ridge": fitted.inverse.ridge,
    }


def check_auditable(dataset: LabeledDataset) -> None:
    """Raise InvalidInputError where no kernel could say anything: fewer than two labelled items or classes."""
    if len(dataset.annotations) == 0:
        raise InvalidInputError("There is no annotation to audit.", remedy="Label some items first.")
    used = np.unique(dataset.label_codes)
    if len(used) < 2:
        raise InvalidInputError(
            f"Every item is labelled {dataset.class_names[used[0]]!r}: with one class no label can look wrong.",
            remedy="Audit a data set with at least two classes.",
        )


def findings_table(dataset: LabeledDataset, issues: LabelIssues, *, classes: pd.Series | None = None) -> pd.DataFrame:
    """The ``findings`` table, one row an annotation, in the data set's order.

    *classes* are the labels that codes stand for, where they are to keep their type; None takes the class names.
    """
    names = pd.Series(dataset.class_names, dtype=object) if classes is None else classes
    suggested = names.astype(object).take(issues.suggested).reset_index(drop=True).where(issues.is_label_issue, None)
    return findings.conform(
        "findings",
        pd.DataFrame(
            {
                "task_id": dataset.items["task_id"].to_numpy()[dataset.item_of_annotation],
                "annotation_id": dataset.annotations["annotation_id"].to_numpy(),
                "annotator": dataset.annotations["annotator"].to_numpy(),
                "given_label": taken(names, dataset.label_codes),
                "predicted_label": taken(names, issues.predicted),
                "suggested_label": suggested,
                "label_score": 1.0 - issues.error_probability,
                "error_probability": issues.error_probability,
                "is_label_issue": issues.is_label_issue,
                "margin": issues.margin,
                "bde_gain": issues.bde_gain,
                "region_id": dataset.annotation_regions,
                "model_probability": np.nan,
            }
        ),
    )


def worst_first(found: pd.DataFrame) -> pd.DataFrame:
    """*found* with the flagged annotations first, the most probable errors at the top."""
    return found.sort_values(["is_label_issue", "error_probability", "margin"], ascending=False, kind="stable")


def classes_table(
    dataset: LabeledDataset,
    entanglement: Entanglement,
    found: pd.DataFrame,
    predicted: np.ndarray,
) -> pd.DataFrame:
    """The ``classes`` table, in the label set's order; *predicted*, int64[N], are the items' leave-one-out classes."""
    table = entanglement.classes.copy()
    by_class = found.groupby("given_label")["is_label_issue"].agg(["sum", "mean"])
    table["issues"] = table["class_name"].map(by_class["sum"]).fillna(0)
    table["issue_rate"] = table["class_name"].map(by_class["mean"]).fillna(0.0)
    counts = label_counts(dataset.item_of_annotation, dataset.label_codes, len(dataset), len(dataset.class_names))
    given = most_frequent(counts)
    accuracy = pd.Series(predicted == given).groupby(given).mean()
    table["leave_one_out_accuracy"] = accuracy.reindex(range(len(dataset.class_names)), fill_value=0.0).to_numpy()
    return findings.conform("classes", table)


def items_table(
    dataset: LabeledDataset, found: pd.DataFrame, pulls: pd.DataFrame, pictures: Pictures | None = None
) -> pd.DataFrame:
    """What a person needs to see of each item; thumbnails for the findings shown in full and their evidence."""
    table = dataset.items[["task_id", "value"]].assign(
        region_id=dataset.item_regions, content=contents(dataset), thumbnail=None
    )
    kind = item_type_of(dataset)
    if not kind.has_pictures or ("path" not in dataset.items and pictures is None):
        return table
    worst = worst_first(found).head(SHOWN)
    of_worst = pulls["annotation_id"].isin(worst["annotation_id"])
    evidence = findings.keys(pulls[of_worst], "other_task_id", "other_region_id")
    there = set(evidence)
    shown = np.array([key in there for key in findings.keys(table)], bool)
    shown[dataset.item_of_annotation[worst.index]] = True  # a row of findings is one of annotations
    some = dataset.keep_items(shown, "not shown")
    if "path" not in some.items and pictures is not None:
        some = pictures(some)
    drawn = dict(zip(findings.keys(some.items.assign(region_id=some.item_regions)), some.items["path"], strict=True))
    table["thumbnail"] = [kind.picture(drawn[key]) if drawn.get(key) else None for key in findings.keys(table)]
    return table


def annotations_table(dataset: LabeledDataset) -> pd.DataFrame:
    """When each annotation had last been saved, those without any region among them."""
    saved = dataset.annotations[["annotation_id", "updated_at"]].assign(
        region_id=dataset.annotation_regions, item_region_id=dataset.item_regions[dataset.item_of_annotation]
    )
    if dataset.wholes is None:
        return saved
    empty = dataset.wholes[~dataset.wholes["annotation_id"].isin(saved["annotation_id"])]
    more = empty[["annotation_id", "updated_at"]].assign(region_id="", item_region_id="")
    return pd.concat([saved, more], ignore_index=True)


def summarize(
    dataset: LabeledDataset,
    inverse: RegularizedInverse,
    entanglement: Entanglement,
    found: pd.DataFrame,
    measured: SelfMeasurement,
    architecture: str,
) -> dict[str, Any]:
    """The headline figures."""
    per_item = np.bincount(dataset.item_of_annotation, minlength=len(dataset))
    shares = 1.0 / per_item[dataset.item_of_annotation]
    counts = np.bincount(dataset.label_codes, shares, minlength=len(dataset.class_names))
    return {
        "items": len(dataset),
        "annotations": len(dataset.annotations),
        "classes": len(dataset.class_names),
        "issues": int(found["is_label_issue"].sum()),
        "error_rate": measured.error_rate,
        "error_rate_low": measured.error_rate_low,
        "error_rate_high": measured.error_rate_high,
        "architecture": architecture,
        "ridge": inverse.ridge,
        "bde": bde.error(entanglement.matrix, counts),
        "self_measurement": measured.as_dict(),
    }


def describe(dataset: LabeledDataset) -> dict[str, Any]:
    """The manifest's ``data``: what was audited, where it came from, what was left out and why."""
    return {
        "fingerprint": dataset.fingerprint(),
        **asdict(dataset.provenance),
        "kind": dataset.kind,
        "control": asdict(dataset.control) if dataset.control else None,
        "items": len(dataset),
        "annotations": len(dataset.annotations),
        "class_names": list(dataset.class_names),
        "left_out": [
            {"reason": gone.reason, "of": gone.of, "count": len(gone.ids), "ids": _listed(gone.ids)}
            for gone in dataset.left_out
        ],
    }


def _listed(ids: Sequence[int]) -> list[int]:
    return [int(i) for i in ids[:LISTED]]
