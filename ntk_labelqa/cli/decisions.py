"""``ntk-labelqa decisions``: what reviewers decided, and their corrections into the source project and out again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.options import FOLDER, quiet_option
from ntk_labelqa.errors import PartialDeliveryError, UsageError
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    import pandas as pd
    from label_studio_sdk.client import LabelStudio

    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.labelstudio.corrections.apply import Applied
    from ntk_labelqa.labelstudio.corrections.journal import Journal
    from ntk_labelqa.labelstudio.corrections.plan import Plan

WORDS = {
    "accept": "suggestion accepted",
    "other": "another label",
    "keep": "label kept",
    "unsure": "not sure",
    "skipped": "skipped",
    "unreadable": "answer not readable",
    "conflict": "reviewers disagree",
    "open": "not reviewed yet",
}
WARNING_WORDS = {
    "guideline": "the guideline needs work",
    "merge": "merge the two classes",
    "relabel": "truly different, relabel the listed items",
    "fine": "fine as it is",
    "skipped": "skipped",
    "unreadable": "answer not readable",
    "conflict": "reviewers disagree",
    "open": "not reviewed yet",
}
LISTED = 20


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--project", type=int, help="The source project, where the audit is of an export file.")
@click.option("--apply", "write", is_flag=True, help="Write the accepted corrections to the source project.")
@click.option("--undo", is_flag=True, help="Delete the corrections that --apply wrote, and nothing else.")
@quiet_option
def decisions(folder: Path, project: int | None, write: bool, undo: bool, quiet: bool) -> None:
    """Read what reviewers decided on the findings of the audit in DIR; writes DIR/decisions.parquet.

    What they decided on its class warnings is shown as well, and goes to DIR/warning_decisions.parquet.

    Without --apply nothing in Label Studio is changed, and what would be written is printed. With it, each accepted
    correction becomes a new annotation beside the one it corrects, which stays as it is; what has changed since the
    audit is listed and left alone. Both --apply and --undo can be interrupted and run again.
    """
    if write and undo:
        raise UsageError("--apply and --undo exclude each other.", remedy="Give one of them.")
    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.labelstudio.connect import connect_from_environment

    stages = Stages(quiet=quiet)
    audit = Audit.load(folder)
    source = source_project(audit, project)
    client = connect_from_environment()
    if undo:
        take_back(client, folder, stages)
        return
    if write:
        apply(client, audit, source, folder, stages)
        return
    _, table = read(client, audit, source, folder, stages)
    read_warnings(client, audit, source, folder, stages)
    dry_run(client, audit, table, source, folder, stages)


def source_project(audit: Audit, project: int | None) -> int:
    """The project that the audit is of; InvalidInputError where neither names it, or it is no audit of a project."""
    from ntk_labelqa.errors import InvalidInputError

    if not audit.manifest["data"]["control"]:
        raise InvalidInputError(
            "The audit is of plain arrays, not of a Label Studio project.", remedy="Audit the project or its export."
        )
    source = project if project is not None else audit.manifest["data"]["project_id"]
    if source is None:
        raise InvalidInputError(
            "The audit does not say which Label Studio project its labels are from.", remedy="Name it with --project."
        )
    return int(source)


def read(client: LabelStudio, audit: Audit, source: int, folder: Path, stages: Stages) -> tuple[int, pd.DataFrame]:
    """The review project, and the decisions, saved in the audit folder and shown."""
    from ntk_labelqa.diagnostics.hit_rate import hit_rates
    from ntk_labelqa.labelstudio.connect import server_url
    from ntk_labelqa.labelstudio.review.decisions import read_decisions, save_decisions
    from ntk_labelqa.labelstudio.review.known import known_projects
    from ntk_labelqa.labelstudio.review.trust import EDITED

    with stages.stage("Reading the decisions"):
        review, table, said = read_decisions(client, audit, source, known_projects(client, folder))
        save_decisions(table, folder)
    for note in said:
        click.echo(note, err=True)
    say(f"Review project: {server_url(client)}/projects/{review}, {len(table)} review tasks")
    counts = table["decision"].value_counts()
    run_log.did(review_project=review, review_tasks=len(table), decisions=counts.to_dict())
    for decision, words in WORDS.items():
        if counts.get(decision, 0) or decision in ("accept", "other", "keep", "open"):
            click.echo(f"  {words:<20} {counts.get(decision, 0):>6}")
    show_hit_rates(hit_rates(table))
    disputed = table[table["decision"] == "conflict"]
    show(
        f"Reviewers disagree on {counted(len(disputed), 'finding')}:",
        [dispute(row) for row in disputed.to_dict("records")],
    )
    edited = table[table["problem"] == EDITED]
    show(
        f"Not relied upon, {counted(len(edited), 'review task')}:",
        [f"review task {row['review_task']}: {row['problem']}" for row in edited.to_dict("records")],
    )
    return review, table


def check_review_project(client: LabelStudio, audit: Audit, source: int, folder: Path, review: int) -> None:
    """Raise LabelStudioError unless the review project is ours still, just before anything is written."""
    from ntk_labelqa.labelstudio.reading.label_values import control_of
    from ntk_labelqa.labelstudio.review.known import known_projects
    from ntk_labelqa.labelstudio.review.project import check_author, mark

    check_author(client, review, mark(source, control_of(audit.manifest)), known_projects(client, folder))


def read_warnings(client: LabelStudio, audit: Audit, source: int, folder: Path, stages: Stages) -> None:
    """The decisions on class warnings, saved in the audit folder and shown, if there are any."""
    from ntk_labelqa.audit_folder import WARNING_DECISIONS
    from ntk_labelqa.labelstudio.connect import server_url
    from ntk_labelqa.labelstudio.reading.label_values import control_of
    from ntk_labelqa.labelstudio.review.decisions import save_decisions
    from ntk_labelqa.labelstudio.review.known import known_projects
    from ntk_labelqa.labelstudio.review.warning_decisions import read_warning_decisions

    with stages.stage("Reading the decisions on class warnings"):
        found = read_warning_decisions(client, source, control_of(audit.manifest), known_projects(client, folder))
    if found is None:
        return
    project, table = found
    save_decisions(table, folder, WARNING_DECISIONS)
    show(
        f"Class warnings: {server_url(client)}/projects/{project}",
        [warning_line(row) for row in table.to_dict("records")],
    )


def warning_line(row: dict[Any, Any]) -> str:
    """One pair of classes, what it was warned of for, and what is to be done about it."""
    said = f"{row['class_a']} and {row['class_b']} (overlap {row['overlap']:.0%}): {WARNING_WORDS[row['decision']]}"
    said += f" ({row['votes']})" if row["decision"] == "conflict" else ""
    return f"{said}. Comment by {row['comment']}" if row["comment"] else said


def show_hit_rates(rates: pd.DataFrame) -> None:
    """The reviewers' verdicts by what the audit had said, a line a band."""
    if rates.empty:
        return
    click.echo("\nThe audit said     decided   suggestion right   label wrong (95 %)")
    for row in rates.to_dict("records"):
        band = "all" if (row["low"], row["high"]) == (0, 1) else f"{row['low']:.0%} to {row['high']:.0%}"
        wrong = f"{row['wrong']:.0%} ({row['wrong_low']:.0%} to {row['wrong_high']:.0%})"
        click.echo(f"  {band:<16} {row['decided']:>7}   {row['hit_rate']:>16.0%}   {wrong}")


def dispute(row: dict[Any, Any]) -> str:
    """One disagreement in words."""
    said = f"task {row['task_id']}, annotation {row['annotation_id']}, {row['given_label']!r}: {row['votes']}"
    return f"{said}. Comment by {row['comment']}" if row["comment"] else said


def counted(count: int, what: str) -> str:
    """*count* with its noun."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def say(text: str) -> None:
    """Print *text*, in lines that fit the terminal."""
    from ntk_labelqa.terminal import wrapped

    click.echo(wrapped(text))


def show(title: str, lines: list[str]) -> None:
    """*title* and the lines below it, cut after :data:`LISTED`; nothing where there is none."""
    from ntk_labelqa.terminal import wrapped

    if lines:
        more = [f"… and {len(lines) - LISTED} more."] if len(lines) > LISTED else []
        listed = [wrapped(f"  {line}", "    ") for line in [*lines[:LISTED], *more]]
        click.echo("\n" + "\n".join([wrapped(title), *listed]))


def dry_run(client: LabelStudio, audit: Audit, table: pd.DataFrame, source: int, folder: Path, stages: Stages) -> None:
    """Print what --apply would do."""
    from ntk_labelqa.labelstudio.corrections.apply import plan_now, reconcile
    from ntk_labelqa.labelstudio.corrections.authors import journals_beside
    from ntk_labelqa.labelstudio.corrections.journal import journal_path, open_journal, read_journal
    from ntk_labelqa.labelstudio.corrections.results import can_be_corrected
    from ntk_labelqa.labelstudio.reading.label_values import control_of
    from ntk_labelqa.labelstudio.review.decisions import CORRECTING

    if not table["decision"].isin(CORRECTING).any():
        say("\nThere is no correction to write.")
        return
    control = control_of(audit.manifest)
    if not can_be_corrected(control):
        say(f"\nCorrections of {control.tag} {control.full_name!r} cannot be written; decisions.parquet has them.")
        return
    with stages.stage("Comparing with the source project"):
        plan, _ = plan_now(client, audit, table, source, read_journal(journal_path(folder)), journals_beside(folder))
        if plan.unnoted:
            with open_journal(journal_path(folder), stages.note) as journal:
                reconcile(journal, plan)
    say_reconciled(len(plan.unnoted), folder)
    show_conflicts(plan)
    ready = counted(len(plan.ready), "correction")
    labels = sum(len(one.correction.changes) for one in plan.ready)
    ready += f" (of {labels} labels)" if labels > len(plan.ready) else ""
    say(f"\n{ready} can be written to project {source}, {len(plan.there)} are there already.")
    if plan.ready:
        say(f"Nothing has been written. To write them: ntk-labelqa decisions {folder} --apply")


def say_reconciled(count: int, folder: Path) -> None:
    """That earlier runs had written *count* corrections without being able to note it; nothing for none."""
    if count:
        say(
            f"\n{counted(count, 'correction')} of earlier runs found in the project and noted in the journal. To take "
            f"them back: ntk-labelqa decisions {folder} --undo"
        )


def show_conflicts(plan: Plan | Applied) -> None:
    """The corrections that are not written, each with its reason."""
    show(
        f"Left alone, {counted(len(plan.conflicts), 'correction')}:",
        [str(conflict) for conflict in plan.conflicts],
    )


def apply(client: LabelStudio, audit: Audit, source: int, folder: Path, stages: Stages) -> None:
    """Read the decisions and write the corrections, once no other process does."""
    from ntk_labelqa.labelstudio.corrections.journal import journal_path, open_journal

    with open_journal(journal_path(folder), stages.note) as journal:
        review, table = read(client, audit, source, folder, stages)
        read_warnings(client, audit, source, folder, stages)
        check_review_project(client, audit, source, folder, review)
        write_corrections(client, audit, table, source, folder, journal, stages)


def write_corrections(
    client: LabelStudio,
    audit: Audit,
    table: pd.DataFrame,
    source: int,
    folder: Path,
    journal: Journal,
    stages: Stages,
) -> None:
    """Apply; raises PartialDeliveryError unless every correction is there in the end."""
    from ntk_labelqa.labelstudio.corrections.apply import apply_corrections, plan_now
    from ntk_labelqa.labelstudio.corrections.authors import journals_beside

    with stages.stage("Comparing with the source project"):
        plan, _ = plan_now(client, audit, table, source, journal.last, journals_beside(folder))
    with stages.stage("Writing the corrections") as tick:
        applied = apply_corrections(client, plan, journal, progress=tick)
    say_reconciled(applied.reconciled, folder)
    show_conflicts(applied)
    say(f"\n{counted(applied.written, 'correction')} written to project {source}, {applied.there} were there already.")
    say(f"Journal: {journal.path}. To take them back: ntk-labelqa decisions {folder} --undo")
    run_log.did(
        written=applied.written,
        already_there=applied.there,
        left_alone=len(applied.conflicts),
        failed=len(applied.failed) + applied.left,
    )
    missing = len(applied.conflicts) + len(applied.failed) + applied.left
    if applied.failed and not applied.written and not applied.there:
        raise applied.failed[0][1]
    if missing:
        raise PartialDeliveryError(
            f"{missing} of {missing + applied.written + applied.there} corrections were not written.",
            why="; ".join(
                [
                    *([f"{len(applied.conflicts)} were left alone"] if applied.conflicts else []),
                    *(str(error) for _, error in applied.failed[:1]),
                ]
            ),
            remedy="Audit and push again to have changed labels reviewed again; run the same command again for the "
            "others: it writes only what is missing.",
        )


def take_back(client: LabelStudio, folder: Path, stages: Stages) -> None:
    """Undo; raises PartialDeliveryError if a correction had to stay."""
    from ntk_labelqa.labelstudio.corrections.journal import journal_path, open_journal
    from ntk_labelqa.labelstudio.corrections.undo import undo_corrections

    path = journal_path(folder)
    if not path.exists():
        say(f"Nothing was applied: there is no journal {path}.")
        return
    with open_journal(path, stages.note) as journal, stages.stage("Taking the corrections back") as tick:
        undone = undo_corrections(client, journal, progress=tick)
    show("These stay, since they are no longer as they were written:", undone.kept)
    say(f"{counted(undone.deleted, 'correction')} taken back, {undone.gone} were gone already.")
    if undone.open:
        say(
            f"{counted(undone.open, 'correction')} that an earlier run had begun cannot be seen. The journal keeps "
            "them: should one appear later, this command takes it back."
        )
    run_log.did(
        taken_back=undone.deleted,
        already_gone=undone.gone,
        left_alone=len(undone.kept),
        failed=len(undone.failed) + undone.late,
    )
    left = len(undone.kept) + len(undone.failed) + undone.late
    if left:
        late = [f"{undone.late} may still be on their way to the server"] if undone.late else []
        raise PartialDeliveryError(
            f"{left} corrections could not be taken back.",
            why="; ".join([*late, *(str(error) for error in undone.failed[:1])]),
            remedy="Look at those that stay in Label Studio; run the same command again for the others.",
        )
