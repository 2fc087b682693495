"""``ntk-labelqa push``: the findings and class warnings of an audit become review tasks."""

from __future__ import annotations

from pathlib import Path

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.options import FOLDER, quiet_option
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.progress import Stages


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--project", type=int, help="The source project, where the audit is of an export file.")
@click.option(
    "--predictions",
    is_flag=True,
    help="Also write predictions and a tab onto the source project. Annotators who see them tend to follow them.",
)
@quiet_option
def push(folder: Path, project: int | None, predictions: bool, quiet: bool) -> None:
    """Make or bring up to date the review project of the audit in DIR. Run again, it changes nothing.

    In a review project that earlier audits filled, what people have answered stays; unanswered findings that no longer
    hold are withdrawn, and the most suspect come first again. Pairs of classes that the audit warns of become tasks
    of a second project, for whoever writes the labelling guideline.
    """
    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.cli.decisions import source_project
    from ntk_labelqa.labelstudio.connect import connect_from_environment
    from ntk_labelqa.labelstudio.review.known import known_projects, note_projects
    from ntk_labelqa.labelstudio.review.push import push_findings

    stages = Stages(quiet=quiet)
    audit = Audit.load(folder)
    source_project(audit, project)
    client = connect_from_environment()
    with stages.stage("Pushing the review tasks") as tick:
        result = push_findings(
            client,
            audit,
            project_id=project,
            predictions=predictions,
            known=known_projects(client, folder),
            progress=tick,
            say=stages.note,
        )
    run_log.did(
        review_project=result.project_id,
        added=result.created,
        already_there=result.already_there,
        withdrawn=result.withdrawn,
        renewed=result.renewed,
        left_out=result.outdated,
    )
    try:
        note_projects(client, folder, result)
    except LabelQAError as error:
        click.echo(f"Other keys than this one will not find the review project: {error}", err=True)
    click.echo(f"Review project: {result.url}")
    click.echo(f"{result.created} review tasks added, {result.already_there} were there already.")
    for count, what in (
        (result.withdrawn, "unanswered review tasks withdrawn: their finding no longer holds."),
        (result.renewed, "unanswered review tasks made again, for new evidence or for their place in the queue."),
        (result.raised_again, "findings raised again: their evidence has changed since the label was kept."),
    ):
        if count:
            click.echo(f"{count} {what}")
    if result.warnings:
        pairs = result.warnings
        click.echo(f"Class warnings: {pairs.url}")
        click.echo(f"{pairs.created} pairs of classes added, {pairs.already_there} were there already.")
        if pairs.withdrawn:
            click.echo(f"{pairs.withdrawn} unanswered class warnings withdrawn: they no longer hold.")
    for note in result.notes:
        click.echo(note, err=True)
    if result.behind:
        click.echo(
            f"New findings stand at the end of the queue: {result.behind} review tasks would have to be made again for "
            "the worst to come first.",
            err=True,
        )
    if result.outdated:
        click.echo(
            f"{result.outdated} findings were left out: their annotation is gone, or has another label by now.",
            err=True,
        )
