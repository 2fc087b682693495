"""``ntk-labelqa export``: the data set with the accepted corrections in place."""

from __future__ import annotations

from pathlib import Path

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.options import FOLDER, OUT_FILE, quiet_option
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.progress import Stages


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--out", type=OUT_FILE, required=True, help="The file to write: .json, or .json.gz.")
@click.option("--project", type=int, help="The source project, where the audit is of an export file.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is already there.")
@quiet_option
def export(folder: Path, out: Path, project: int | None, overwrite: bool, quiet: bool) -> None:
    """Write the audited project as a Label Studio export with the accepted corrections in place.

    Each task's annotations are those that count; what a correction replaces is kept under superseded_annotations.
    Corrections that are accepted but not applied yet are put in place too.
    """
    if out.exists() and not overwrite:
        raise LabelQAError(f"{out} exists.", remedy="Pass --overwrite to replace it, or name another file.")
    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.cli.decisions import counted, show_conflicts, source_project
    from ntk_labelqa.labelstudio.connect import connect_from_environment
    from ntk_labelqa.labelstudio.corrections.apply import plan_now
    from ntk_labelqa.labelstudio.corrections.authors import journals_beside
    from ntk_labelqa.labelstudio.corrections.clean_export import clean_export, write_export
    from ntk_labelqa.labelstudio.corrections.journal import journal_path, read_journal
    from ntk_labelqa.labelstudio.review.decisions import read_decisions
    from ntk_labelqa.labelstudio.review.known import known_projects

    stages = Stages(quiet=quiet)
    audit = Audit.load(folder)
    source = source_project(audit, project)
    client = connect_from_environment()
    with stages.stage("Reading the decisions"):
        table = read_decisions(client, audit, source, known_projects(client, folder)).table
    with stages.stage("Reading the source project"):
        plan, tasks = plan_now(
            client, audit, table, source, read_journal(journal_path(folder)), journals_beside(folder)
        )
    clean = clean_export(tasks, plan)
    write_export(clean.tasks, out)
    run_log.did(tasks=len(clean.tasks), corrections=clean.applied + clean.pending, left_alone=len(plan.conflicts))
    show_conflicts(plan)
    click.echo(
        f"{len(clean.tasks)} tasks written to {out}, "
        f"with {counted(clean.applied + clean.pending, 'correction')} in place"
        + (f", {clean.pending} of them not applied to the project yet." if clean.pending else ".")
    )
