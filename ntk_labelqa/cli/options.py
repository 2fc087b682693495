"""Option bundles that several commands share, and what they are turned into."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from ntk_labelqa.arguments import SCHEDULER
from ntk_labelqa.cache import lasting_root
from ntk_labelqa.errors import UsageError
from ntk_labelqa.paths import STANDARD_INPUT
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

    from ntk_labelqa.dataset import LabeledDataset
    from ntk_labelqa.encoders.choose import Encoded
    from ntk_labelqa.options import AuditOptions

F = TypeVar("F", bound=Callable[..., Any])
GPU_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm60_plugin", "jax_rocm7_plugin")
"""What jax finds a GPU by."""


class SourcePath(click.Path):
    """A file to read; ``-`` is standard input."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """*value* as a path."""
        return STANDARD_INPUT if value == "-" else super().convert(value, param, ctx)


class OutPath(click.Path):
    """A place to write to. ``-`` is none: what is written is a folder, or no text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """*value* as a path."""
        if value == "-":
            self.fail("The result cannot go to standard output. Name a place, or ./- for one of that name.", param, ctx)
        return super().convert(value, param, ctx)


SOURCE = SourcePath(dir_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
OUT_FILE, OUT_FOLDER = OutPath(dir_okay=False, path_type=Path), OutPath(file_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


class LandmarksType(click.ParamType):
    """A positive whole number, ``all`` or ``auto``."""

    name = "M|all|auto"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["all", "auto"]:
        """*value* as a number of landmarks."""
        if value == "all":
            return "all"
        if value == "auto":
            return "auto"
        if not str(value).isdigit() or int(str(value)) == 0:
            self.fail(f"{value!r} is neither a positive whole number nor 'all' nor 'auto'.", param, ctx)
        return int(str(value))


class SchedulerType(click.ParamType):
    """``local``, or the address of a scheduler of Dask."""

    name = "local|tcp://HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """*value*, if it is one."""
        if not SCHEDULER.accepts(value):
            self.fail(f"{value!r} is neither 'local' nor an address such as tcp://host:8786.", param, ctx)
        return str(value)


def source_options(command: F) -> F:
    """Where the labels come from: an export file or a project, and how to read it."""
    for decorate in reversed(
        (
            click.argument("source", required=False, type=SOURCE),
            click.option(
                "--project",
                type=int,
                help="Label Studio project, instead of an export file, or beside it for its files. The server and "
                "the key come from LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.",
            ),
            click.option("--label-config", type=FILE, help="Labelling config of an export; inferred if not given."),
            click.option(
                "--control",
                metavar="NAME",
                help="The labelling control to audit, where there are several; NAME:OPTION for an option of a multiple "
                "choice, NAME:LEVEL for a level of a taxonomy.",
            ),
            click.option(
                "--media-root",
                type=FOLDER,
                help="Folder of the images and other files of an export, whatever their addresses.",
            ),
            click.option(
                "--allow-host",
                multiple=True,
                metavar="HOST",
                help="Host that files may be fetched from besides the Label Studio server. Repeatable.",
            ),
            click.option(
                "--max-unreadable",
                type=click.FloatRange(0, 1),
                default=0.05,
                show_default=True,
                help="Largest share of unreadable images, or other files, with which the audit still goes on.",
            ),
        )
    ):
        command = decorate(command)
    return command


def _encoder(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """*value* if an encoder is called that."""
    if value is not None:
        from ntk_labelqa.encoders.registry import check

        try:
            check(value)
        except UsageError as error:
            raise click.BadParameter(str(error), ctx, param) from error
    return value


def encoder_options(command: F) -> F:
    """What the items are compared by."""
    for decorate in reversed(
        (
            click.option(
                "--features",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="Precomputed features: .npz or .zarr with ids and features, or .parquet with task_id.",
            ),
            click.option(
                "--encoder",
                metavar="NAME",
                callback=_encoder,
                help="What items are compared by: pixels, text, sound, frames, series, pdf, fields or "
                "vector:KEY (of the task data); or a pretrained model, such as dinov2, clip, minilm, e5, onnx:PATH, "
                "hf:ORG/NAME or embeddings:FOLDER. Default: what fits the items. `ntk-labelqa encoders` lists them.",
            ),
            click.option("--download", is_flag=True, help="Fetch the encoder's model if it is not on this machine."),
        )
    ):
        command = decorate(command)
    return command


def prepare_encoder(given: dict[str, Any], stages: Stages) -> None:
    """Download the model of ``--encoder`` where ``--download`` says so, and see that it can be used.

    Before anything is pulled: to hear of it after 100,000 images were fetched would be late.
    """
    if given["encoder"] is None:
        if given["download"]:
            raise UsageError("--download needs a model's name.", remedy="Name it with --encoder, for example dinov2.")
        return
    if given["features"]:
        raise UsageError(
            "--features and --encoder exclude each other.",
            why="Items are compared by what the file holds, or by what the encoder makes of them.",
            remedy="Leave one out.",
        )
    from ntk_labelqa.encoders import hub, registry

    if given["download"] and (model := hub.wanted(given["encoder"])):
        with stages.stage("Fetching the model"):
            hub.fetch(model)
    registry.find(given["encoder"])


preparation_option = click.option(
    "--preparation",
    type=click.Choice(["auto", "none", "center", "standardize"]),
    default="auto",
    show_default=True,
    help="Of plain numbers: standardize brings each column to mean 0 and deviation 1; center takes off its mean, and "
    "keeps their common unit; none leaves them, so that the direction of a row is what counts; auto judges by "
    "leave-one-out error on a sample. Plain numbers are those of --features, and of the encoders fields and vector; "
    "other features stay as they are, unless this says otherwise.",
)
device_option = click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
seed_option = click.option("--seed", type=int, default=0, show_default=True)


def sample_options(command: F) -> F:
    """How architectures are judged on a sample."""
    for decorate in reversed(
        (
            preparation_option,
            click.option(
                "--sample", type=click.IntRange(min=10), default=1000, show_default=True, help="Items judged."
            ),
            click.option(
                "--budget",
                type=click.FloatRange(min=0.0),
                default=60.0,
                show_default=True,
                help="Seconds for one kernel at most.",
            ),
            device_option,
            seed_option,
        )
    ):
        command = decorate(command)
    return command


def compute_options(command: F) -> F:
    """How the audit is computed."""
    for decorate in reversed(
        (
            encoder_options,
            click.option(
                "--arch",
                default="auto",
                show_default=True,
                metavar="NAME",
                help="linear, 2-L, 10-L, CNN-1, CNN-2, CNN-3, auto, or module:attribute of a stax network.",
            ),
            preparation_option,
            click.option(
                "--landmarks",
                type=LandmarksType(),
                default="auto",
                show_default=True,
                help="Means that stand for all items in the low-rank inverse; all: exact; auto: exact up to 3,000.",
            ),
            click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True),
            click.option(
                "--scheduler",
                type=SchedulerType(),
                help="Share the low-rank inverse among workers of Dask: local, one a core of this machine; or those of "
                "a scheduler. Needs the extra distributed. Default: one process.",
            ),
            device_option,
            seed_option,
        )
    ):
        command = decorate(command)
    return command


quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress and no notes on standard error.")


def audit_options(given: dict[str, Any]) -> AuditOptions:
    """The audit's options from the values of :func:`compute_options`; also binds jax to the device asked for."""
    from ntk_labelqa.options import AuditOptions

    use_device(given["device"])
    return AuditOptions(
        architecture=given["arch"],
        preparation=given["preparation"],
        encoder=given["encoder"],
        features=str(given["features"]) if given["features"] else None,
        landmarks=given["landmarks"],
        dtype=given["dtype"],
        seed=given["seed"],
        scheduler=given["scheduler"],
        device=given["device"],
    )


def use_device(name: str) -> None:
    """Bind jax to *name* (auto leaves it its own choice). Has to come before jax is imported.

    What is compiled for a GPU is kept for the next process, where the user's environment says nothing else.
    Raises InvalidInputError where there is no such device.
    """
    if name == "cpu":  # so that no memory of a GPU is reserved
        os.environ["JAX_PLATFORMS"] = "cpu"
    if name != "cpu" and any(importlib.util.find_spec(plugin) for plugin in GPU_PLUGINS) and (root := lasting_root()):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(root / "programs"))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    if name == "gpu":
        from ntk_labelqa.runtime import first_device

        first_device(name)


def read_source(given: dict[str, Any], stages: Stages) -> LabeledDataset:
    """The data set named by the values of :func:`source_options`, images and other files fetched.

    With ``since`` among the values, only the tasks that changed since the last pull are pulled from the project.

    With ``out`` among them, an audit folder, the journals beside it say which annotations are corrections.

    With both an export and a project, the labels are those of the export, and the files come by way of the project.
    Raises UsageError where there is neither.
    """
    source, project = given["source"], given["project"]
    if given.get("since") and (project is None or source is not None):
        raise UsageError("--since is for projects: an export is read as a whole.", remedy="Leave out --since.")
    if source is None and project is None:
        raise UsageError(
            "There is nothing to audit.",
            remedy="Give an export (.json, .json.gz, - for standard input), or --project ID with LABEL_STUDIO_URL and "
            "LABEL_STUDIO_API_KEY.",
        )
    prepare_encoder(given, stages)
    client = None
    from ntk_labelqa.labelstudio.corrections.authors import journals_beside

    journals = journals_beside(given["out"]) if given.get("out") else []
    if project is not None:
        from ntk_labelqa.labelstudio.connect import connect_from_environment

        client = connect_from_environment()
    if source is not None:
        from ntk_labelqa.labelstudio.reading.export_file import read_export

        with stages.stage("Reading the export"):
            dataset = read_export(
                source, label_config=given["label_config"], control=given["control"], client=client, journals=journals
            )
    else:
        from ntk_labelqa.labelstudio.reading.incremental import since_last
        from ntk_labelqa.labelstudio.reading.pull import pull_project, whole_project

        take = since_last if given.get("since") else whole_project
        with stages.stage("Pulling the annotations") as tick:
            assert client is not None
            assert project is not None
            dataset = pull_project(
                client, project, control=given["control"], take=take, journals=journals, progress=tick
            )
    from ntk_labelqa.encoders.choose import reads_files
    from ntk_labelqa.encoders.encoder import FILES

    if given["features"] or not reads_files(dataset, given["encoder"]):
        return dataset
    with stages.stage(f"Fetching the {'files' if dataset.kind in FILES else 'images'}") as tick:
        return _with_files(dataset, given, client, max_failed=given["max_unreadable"], progress=tick)


def read_encoded(given: dict[str, Any], stages: Stages) -> Encoded:
    """The data set of :func:`read_source` as features, by the values of :func:`encoder_options` and ``seed``."""
    dataset = read_source(given, stages)

    from ntk_labelqa.encoders.choose import encode

    with stages.stage("Encoding the items") as tick:
        return encode(
            dataset,
            encoder=given["encoder"],
            features_file=given["features"],
            seed=given["seed"],
            progress=tick,
        )


def pictures_of(given: dict[str, Any]) -> Callable[[LabeledDataset], LabeledDataset] | None:
    """What fetches the images of the few items that a report shows, where features were given for comparing them all.

    Items without an image are left out of what it returns. None where images have been fetched anyway.
    """
    if not given["features"]:
        return None

    def fetched(dataset: LabeledDataset) -> LabeledDataset:
        from ntk_labelqa.labelstudio.connect import connect_from_environment

        client = connect_from_environment() if given["project"] is not None else None
        return _with_files(dataset, given, client, max_failed=1.0)

    return fetched


def _with_files(
    dataset: LabeledDataset,
    given: dict[str, Any],
    client: LabelStudio | None,
    *,
    max_failed: float,
    progress: Callable[[int, int], None] | None = None,
) -> LabeledDataset:
    from ntk_labelqa.labelstudio.media.fetch import fetch_media

    source = given["source"]
    return fetch_media(
        dataset,
        client=client,
        project_id=given["project"],
        root=given["media_root"] or _folder_of(source),
        allowed_hosts=given["allow_host"],
        max_failed=max_failed,
        progress=progress,
    )


def _folder_of(source: Path | None) -> Path | None:
    """The folder that an export's paths start from; the working folder where it comes by standard input."""
    if source is None:
        return None
    return Path() if source == STANDARD_INPUT else source.parent
