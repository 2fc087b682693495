"""``ntk-labelqa encoders``: what items can be compared by, what is on this machine, and which suits the labels best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.options import OUT_FILE, quiet_option, read_source, sample_options, source_options, use_device
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    from ntk_labelqa.dataset import ItemKind
    from ntk_labelqa.diagnostics.encoder_comparison import EncoderFits

ITEMS: dict[ItemKind, str] = {
    "image": "images",
    "crop": "shapes in images",
    "text": "texts",
    "span": "spans",
    "row": "table rows",
    "audio": "sounds",
    "video": "videos",
    "series": "time series",
    "audio_segment": "segments of sounds",
    "series_segment": "segments of time series",
    "pdf": "PDFs",
    "other": "anything with task data",
}
BUILT_IN = {
    "pixels": "the pixels themselves, 32 a side: for scans, glyphs, icons; weak on photos",
    "text": "words and pairs of words (TF-IDF, latent semantic analysis)",
    "sound": "loudness of bands of pitch over time (log-mel), and how it changes",
    "frames": "eight frames of a video, 32 pixels a side: their mean, and where they change",
    "series": "the course of each channel, and its power spectrum",
    "pdf": "words of the pages, as of texts; scans without a text have none",
    "fields": "numbers, categories and short texts of the task data",
    "vector[:KEY]": "vectors that lie ready in the task data",
}
OTHERS = {
    "onnx:PATH": "a model in ONNX: a file, or a folder with its settings",
    "hf:ORG/NAME": "any model of the Hugging Face Hub in ONNX or, with the extra torch, in safetensors",
    "embeddings:FOLDER": "the same, from a folder of your own",
}


@click.group(invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")
@click.pass_context
def encoders(context: click.Context) -> None:
    """List what items can be compared by (--encoder NAME), and what is on this machine."""
    if context.invoked_subcommand is not None:
        return
    from ntk_labelqa.encoders import hub, registry
    from ntk_labelqa.encoders.encoder import kinds_read
    from ntk_labelqa.encoders.models import KNOWN, can_run, is_ready
    from ntk_labelqa.terminal import aligned, wrapped

    rows = []
    for name, about in BUILT_IN.items():
        extra = registry.EXTRAS.get(name)
        state = "built in" if extra is None or extra.is_there else f"after pip install 'ntk-labelqa[{extra.name}]'"
        rows.append(_row(name, _items(registry.BUILT_IN[name.partition("[")[0]]("").kinds), state, about))
    for model in KNOWN:
        missing = "not fetched yet" if can_run() else "needs the extra 'embeddings'"
        state = "on this machine" if is_ready(model) else missing
        facts = f"{model.size / 1e6:,.0f} MB, {model.licence}, {state}"
        about = f"{model.about} ({model.repository} at {model.revision[:8]})"
        rows.append(_row(model.name, _items(kinds_read(model.kinds)), facts, about))
    for name in hub.fetched():
        rows.append(_row(name, "", "on this machine", "fetched from the Hub"))
    for name, point in registry.offers().items():
        rows.append(_row(name, "", "installed", f"of the package {point.dist.name if point.dist else point.module}"))
    for name, about in OTHERS.items():
        rows.append(_row(name, "images or texts", "", about))
    click.echo("\n".join(aligned(rows)))
    click.echo()
    click.echo(wrapped("ntk-labelqa encoders fetch NAME: brings a model here; nothing is downloaded otherwise", "    "))
    click.echo(wrapped("ntk-labelqa encoders compare SOURCE: ranks them by what they make of your labels", "    "))


def _row(name: str, items: str, facts: str, about: str) -> tuple[str, str]:
    """Two lines on an encoder."""
    return name, f"{'; '.join(part for part in (items, facts) if part)}\n{about}"


@encoders.command()
@click.argument("name")
@quiet_option
def fetch(name: str, quiet: bool) -> None:
    """Download the model NAME (dinov2, clip, minilm, e5, or hf:ORG/NAME) and check it. Audits then need no network."""
    from ntk_labelqa.cache import VARIABLE, lasting_root
    from ntk_labelqa.encoders import hub
    from ntk_labelqa.encoders.models import KNOWN
    from ntk_labelqa.encoders.registry import check
    from ntk_labelqa.errors import LabelQAError, UsageError

    check(name)
    if lasting_root() is None:
        raise LabelQAError(
            "There is no folder to keep models in.",
            why="This user has no home folder, or may not write to it.",
            remedy=f"Name one in {VARIABLE}.",
        )
    model = hub.wanted(name)
    if model is None:
        names = ", ".join(known.name for known in KNOWN)
        raise UsageError(f"{name!r} is no model that is fetched.", remedy=f"Take one of {names}, or hf:ORG/NAME.")
    with Stages(quiet=quiet).stage(f"Fetching {model.repository}"):
        folder = hub.fetch(model)
        hub.open_fetched(model)  # to hear now, and not at the next audit, that it cannot be used
    click.echo(f"{name} is here: {folder}")


@encoders.command()
@source_options
@click.option(
    "--encoder",
    "names",
    multiple=True,
    metavar="NAME",
    help="An encoder to compare. Repeatable; default: the usual one for these items, and every model on this machine.",
)
@click.option(
    "--arch", "architectures", multiple=True, metavar="NAME", help="An architecture to judge. Repeatable; default: all."
)
@click.option("--out", type=OUT_FILE, help="Also write a report, as one HTML page.")
@sample_options
@quiet_option
def compare(
    names: tuple[str, ...], architectures: tuple[str, ...], out: Path | None, quiet: bool, **given: Any
) -> None:
    """Rank encoders by how well the labels of SOURCE can be predicted from their features; nothing is trained.

    For each encoder every architecture is judged, so that both are answered: which features, and which network.
    """
    use_device(given["device"])
    from ntk_labelqa.encoders.registry import check

    for name in names:
        check(name)
    stages = Stages(quiet=quiet)
    dataset = read_source({**given, "features": None, "encoder": None, "download": False}, stages)

    from ntk_labelqa.diagnostics.encoder_comparison import compare_encoders
    from ntk_labelqa.encoders.choose import usual_encoder
    from ntk_labelqa.encoders.encoder import kinds_read
    from ntk_labelqa.encoders.models import KNOWN, is_ready
    from ntk_labelqa.kernels.architectures import NAMES

    usual = usual_encoder(dataset)
    ready = [model.name for model in KNOWN if dataset.kind in kinds_read(model.kinds) and is_ready(model)]
    with stages.stage("Comparing the encoders") as tick:
        found = compare_encoders(
            dataset,
            names or [*([usual] if usual else []), *ready],
            architectures=architectures or NAMES,
            sample=given["sample"],
            budget=given["budget"],
            preparation=given["preparation"],
            seed=given["seed"],
            progress=tick,
        )
    run_log.did(items=len(found.dataset), encoders=len(found.encoders))
    click.echo(as_text(found))
    if out is not None:
        from ntk_labelqa.cli.architectures import shown_items
        from ntk_labelqa.files import write_whole
        from ntk_labelqa.paths import real_place
        from ntk_labelqa.report.architectures import render_architectures

        source, best = dataset.provenance, found.encoders[0]
        page = render_architectures(
            best.fits,
            title=source.project_title or Path(source.source).name,
            notes=found.dataset.provenance.notes,
            items=shown_items(found.dataset, best.fits),
            encoders=found,
        )
        write_whole(real_place(out), page)
        click.echo(f"\nReport: {out}")


def as_text(found: EncoderFits) -> str:
    """A row an encoder, the best first, with its best architecture; and what to take."""
    from ntk_labelqa.report import formats
    from ntk_labelqa.terminal import aligned, wrapped

    rows = [("encoder", "right", "95 % interval", "log loss", "with architecture")]
    for one in found.encoders:
        figures = one.best.figures
        interval = formats.span(figures["accuracy_low"], figures["accuracy_high"])
        share, loss = formats.share(figures["accuracy"]), formats.figure(figures["log_loss"])
        rows.append((one.name, share, interval, loss, one.best.name))
    gone = [f"left out: {name}. {why}" for name, why in found.left_out.items()]
    return "\n".join([*aligned(rows), *map(wrapped, [*gone, "", advice(found)])])


def advice(found: EncoderFits) -> str:
    """Which encoder to take, in a sentence."""
    best, *others = found.encoders
    level = [one.name for one in others if not found.is_surely_better(best.name, one.name)]
    doubt = f" {', '.join(level)} cannot be distinguished from it." if level else ""
    return f"Take --encoder {best.name} --arch {best.best.name}.{doubt}"


def _items(kinds: Any) -> str:
    return ", ".join(words for kind, words in ITEMS.items() if kind in kinds)
