"""``ntk-labelqa audit``: all diagnostics over a project or an export, into an audit folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.notify import audit_summary, deliver, notify_option
from ntk_labelqa.cli.options import (
    FILE,
    FOLDER,
    OUT_FOLDER,
    audit_options,
    compute_options,
    pictures_of,
    quiet_option,
    read_source,
    source_options,
)
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    import pandas as pd

    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.options import AuditOptions


@click.command()
@source_options
@click.option("--out", type=OUT_FOLDER, required=True, help="The audit folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace an audit that is already there.")
@click.option(
    "--update",
    is_flag=True,
    help="Bring an audit that is already there up to date: with its architecture and, where the items are the same, "
    "without computing the kernel again.",
)
@click.option(
    "--like",
    type=FOLDER,
    metavar="DIR",
    help="Compute with the architecture, preparation and encoder of the audit in DIR, so that figures can be compared.",
)
@click.option(
    "--since",
    type=click.Choice(["last"]),
    help="last: pull only the tasks of the project that changed since the last pull with this option; the result is "
    "the same. The tasks are kept in the cache folder.",
)
@click.option(
    "--decisions",
    "reviewed",
    type=FOLDER,
    multiple=True,
    metavar="DIR",
    help="Earlier audits whose reviewers' decisions put the probabilities right; by default the one that is replaced.",
)
@click.option(
    "--policy", type=FILE, help="A labelqa.toml whose table [regions] says from where on a region breaks a rule."
)
@click.option(
    "--plan",
    is_flag=True,
    help="Say what memory, disk and time the audit would take, stage by stage, and stop: nothing is written.",
)
@notify_option
@compute_options
@quiet_option
def audit(
    out: Path,
    overwrite: bool,
    update: bool,
    like: Path | None,
    reviewed: tuple[Path, ...],
    policy: Path | None,
    plan: bool,
    notify: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Find the labels of SOURCE that are probably wrong, and what they should be.

    SOURCE is a Label Studio export (.json or .json.gz; - for standard input); or name a project with --project. Writes
    the audit folder with its tables and report.html. Nothing in Label Studio is changed.
    """
    stages = Stages(quiet=quiet)
    options = audit_options(given)
    if policy is not None:
        from ntk_labelqa.gate.policy import read_policy

        options = replace(options, regions=read_policy(policy).regions.limits())

    from ntk_labelqa.audit_folder import MANIFEST, REPORT, check_target
    from ntk_labelqa.audit_lock import only_audit

    overwrite = overwrite or update
    check_target(out, overwrite=overwrite)
    with only_audit(out):
        earlier = like or (out if update and (out / MANIFEST).is_file() else None)
        options = as_before(options, earlier, stages) if earlier else options
        decisions = decisions_in(reviewed or (out,), required=bool(reviewed))
        dataset = read_source({**given, "out": out}, stages)

        from ntk_labelqa.auditing import plan_of_audit, run_audit
        from ntk_labelqa.diagnostics.audit_plan import as_text
        from ntk_labelqa.report.html import render_report

        if plan:
            click.echo(as_text(plan_of_audit(dataset, options, stages=stages)))
            return
        result = run_audit(dataset, options, decisions=decisions, pictures=pictures_of(given), stages=stages)
        with stages.stage("Writing the audit"):
            folder = result.save(out, overwrite=overwrite, report=render_report(result))
    run_log.did_audit(result)
    if not quiet:
        for note in notes(result):
            click.echo(note, err=True)
    click.echo(headline(result))
    click.echo(f"Report: {folder / REPORT}")
    if notify:
        deliver(audit_summary(result), notify)


def as_before(options: AuditOptions, folder: Path, stages: Stages) -> AuditOptions:
    """*options* with the architecture, preparation and encoder of the audit in *folder*, where none is asked for.

    Features that were computed elsewhere are not taken from it; a model that is no more to be had is not either, and
    that is said. Raises InvalidInputError where there is no audit, or where it names code or a path: see ``recorded``
    of the architectures and of the encoders.
    """
    from ntk_labelqa.audit_folder import read_manifest
    from ntk_labelqa.encoders import registry
    from ntk_labelqa.errors import LabelQAError
    from ntk_labelqa.kernels.architectures import recorded

    before = read_manifest(folder)["options"]
    if options.architecture == "auto":
        options = replace(options, architecture=recorded(before["architecture"]))
    encoder = before["encoder"]
    asked = "precomputed" if options.features else (options.encoder or encoder)
    if options.preparation == "auto" and asked.partition(":")[0] == encoder.partition(":")[0]:
        options = replace(options, preparation=before.get("preparation", "none"))
    if options.encoder or options.features or encoder == "precomputed":
        return options
    if registry.recorded(encoder) in registry.BUILT_IN:
        return options
    try:
        registry.find(encoder)
    except LabelQAError as error:
        stages.note(f"The audit was made with --encoder {encoder}, and is now made without. {error.what}")
        return options
    return replace(options, encoder=encoder)


def decisions_in(folders: Sequence[Path], *, required: bool) -> pd.DataFrame | None:
    """What reviewers decided on the findings of the audits in *folders*, each finding once; None where nobody did.

    Raises InvalidInputError if they are *required* and a folder has none.
    """
    import pandas as pd

    from ntk_labelqa.audit_folder import DECISIONS, read_table
    from ntk_labelqa.errors import InvalidInputError

    tables = []
    for folder in folders:
        if (folder / DECISIONS).is_file():
            tables.append(read_table(folder, DECISIONS.removesuffix(".parquet")))
        elif required:
            raise InvalidInputError(
                f"{folder} has no {DECISIONS}.",
                why="Nobody has read what its reviewers decided, or it is no audit.",
                remedy=f"Run `ntk-labelqa decisions {folder}` first.",
            )
    if not tables:
        return None
    found = pd.concat(tables, ignore_index=True)
    return found.drop_duplicates("review_key", keep="last") if "review_key" in found else found


def headline(audit: Audit) -> str:
    """The result in one sentence, or why there is none and what to do."""
    from ntk_labelqa.report.wording import region_faults, region_issues, remedy, weakness

    figures = audit.summary
    if why := figures["self_measurement"].get("why_unknown"):
        return f"No label can be called wrong or right. {why}\n{remedy(audit)}"
    more = [said for said in (weakness(audit), region_issues(audit), region_faults(audit)) if said]
    return (
        f"{figures['issues']} of {figures['annotations']} labels are probably wrong "
        f"(estimated error rate {figures['error_rate']:.1%}, between {figures['error_rate_low']:.1%} "
        f"and {figures['error_rate_high']:.1%})." + "".join(f"\n{said}" for said in more)
    )


def notes(audit: Audit) -> list[str]:
    """What was decided on the user's behalf, and what was left out."""
    data, options = audit.manifest["data"], audit.manifest["options"]
    gone = [f"Left out: {entry['count']} {entry['of']}s ({entry['reason']})." for entry in data["left_out"]]
    prepared = "" if options["preparation"] == "none" else f", preparation {options['preparation']}"
    kernel = f"architecture {options['architecture']}, ridge {options['ridge']:.3g}."
    how = f"Encoder {options['encoder']}{prepared}, {kernel}"
    return [*data["notes"], *gone, how]
