"""``doctor --bundle``: what a bug report needs, in a file that holds nothing of the user's data and no secret.

Nothing is taken because it looks harmless: what is not known to be is left out, or told of without its value.
"""

from __future__ import annotations

import builtins
import io
import json
import locale
import os
import platform
import re
import sys
import zipfile
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

from ntk_labelqa.cli.crash_log import ELSEWHERE
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.runtime import own_version
from ntk_labelqa.shown import without_secrets

NUMBER, WORDS, LOCALE = r"\d{1,6}", r"[a-z0-9_,]{1,40}", r"[A-Za-z]{1,3}(_[A-Z]{2})?(\.[A-Za-z0-9-]{1,12})?|POSIX"
HARMLESS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), NUMBER),
    **dict.fromkeys(("COLUMNS", "KEEP_DAYS", "LABELQA_ITEMS", "PYTHONUTF8", "PYTHONUNBUFFERED"), NUMBER),
    **dict.fromkeys(("JAX_PLATFORMS", "JAX_ENABLE_X64", "LABELQA_LOG", "CUDA_VISIBLE_DEVICES"), WORDS),
    "XLA_PYTHON_CLIENT_PREALLOCATE": WORDS,
    "XLA_PYTHON_CLIENT_MEM_FRACTION": r"0?\.\d{1,4}",
    **dict.fromkeys(("LANG", "LC_ALL", "LC_CTYPE"), LOCALE),
}
"""Variables whose values are shown, where they look as they should."""
NAMED = re.compile(
    r"(?i)_?(NTK_)?LABEL(_STUDIO|QA)_\w*|_NTK_LABELQA\w*|(HF|JAX|XLA|CUDA|NVIDIA|TF|OMP|OPENBLAS|MKL|NUMEXPR|LC|SSL|UV|"
    r"PIP)_\w*|PYTHON[A-Z0-9]*|LANG|TZ|TERM|COLUMNS|KEEP_DAYS|TMPDIR|VIRTUAL_ENV|CONDA_PREFIX|\w+_PROXY|REQUESTS_CA_BUNDLE"
)
"""Variables that are told of when they are set; of others not even the name."""
CACHES = ("media", "embeddings.sqlite", "models", "factors", "pulls", "push")
CHOICES = ("auto", "all", "none", "center", "standardize", "float32", "float64", "precomputed")
OPTIONS = ("architecture", "preparation", "encoder", "landmarks", "dtype")
COUNTS = (
    "items",
    "annotations",
    "classes",
    "issues",
    "error_rate",
    "error_rate_low",
    "error_rate_high",
    "ridge",
    "bde",
)
README = """What `ntk-labelqa doctor --bundle` collected for a bug report. Look at it before you send it.

It is meant to hold no key, password, address, e-mail address, path, name of a person or project, label or text:
of variables the names, of crashes the places in the code, of audits the figures. If you find one, leave it out, and
tell us.
"""


def write_bundle(target: Path, checks: Mapping[str, Mapping[str, str]], audit: Path | None) -> dict[str, str]:
    """Write the bundle, which only the user may read, and return what each file in it holds.

    Args:
        target: the file, whole or not there at all.
        checks: the results of ``doctor``, by name, in words that others may read.
        audit: folder of an audit whose figures are to be in it.

    Raises LabelQAError where there is no audit or the file cannot be written.
    """
    from ntk_labelqa.cli.crash_log import last_crashes
    from ntk_labelqa.files import write_whole
    from ntk_labelqa.paths import real_place

    parts: dict[str, Any] = {
        "checks.json": checks,
        "packages.json": packages(),
        "system.json": system(),
        "environment.json": environment(),
        "caches.json": caches(),
    }
    if crashes := last_crashes():
        known = known_modules()
        parts["crashes.json"] = [crash_of(one, known) for one in crashes]
    if audit is not None:
        parts["audit.json"] = _audit_of(audit)
    texts = {"README.txt": README, **{name: json.dumps(part, indent=2) + "\n" for name, part in parts.items()}}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in texts.items():
            bundle.writestr(name, without_secrets(text))
    write_whole(real_place(target), content.getvalue(), private=True)
    return {name: HOLDS[name] for name in texts}


HOLDS = {
    "README.txt": "what this is",
    "checks.json": "the table above, without addresses and paths",
    "packages.json": "versions of this package and of those it uses",
    "system.json": "system, Python, processors, memory, devices",
    "environment.json": "names of variables that are set, and values of harmless ones",
    "caches.json": "how large the caches are",
    "crashes.json": "where in the code the last crashes were, without their messages",
    "audit.json": "versions, options, times and figures of the audit",
}


def packages() -> dict[str, str]:
    """Versions of this package and of all that it uses, directly or not, as far as they are installed."""
    found: dict[str, str] = {}
    waiting = ["ntk-labelqa"]
    while waiting:
        name = _normal(waiting.pop())
        if name in found:
            continue
        try:
            one = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = one.version
        waiting += [named[0] for need in one.requires or () if (named := re.match(r"[A-Za-z0-9._-]+", need))]
    return dict(sorted(found.items()))


def _normal(name: str) -> str:
    """*name* as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def known_modules() -> set[str]:
    """Names of this package, of those it uses, and of Python's own modules."""
    ours = packages()
    installed = packages_distributions().items()
    found = {top for top, names in installed if any(_normal(name) in ours for name in names)}
    return found | set(sys.stdlib_module_names) | {"ntk_labelqa", *vars(builtins)}


def crash_of(outline: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Of a crash log's *outline* what names *known* modules; of other packages, which may be the user's, nothing."""

    def told(text: object, pattern: str) -> str:
        found = re.fullmatch(pattern, text) if isinstance(text, str) else None
        return found[0] if found and found[1] in known else ELSEWHERE

    errors = [
        {
            "type": told(one.get("type"), r"(\w+)(?:\.\w+)*"),
            "frames": [told(frame, r"(\w+)(?:[/\w-]*\.\w+)?:\d+ in [\w<>]+") for frame in one.get("frames", ())],
        }
        for one in outline["errors"]
    ]
    time, version = (_matching(r"[\w:.+-]{1,40}", outline.get(name)) for name in ("time", "version"))
    return {"time": time, "version": version, "errors": errors}


def system() -> dict[str, Any]:
    """The machine, without its name."""
    import psutil

    memory = psutil.virtual_memory()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "ntk-labelqa": own_version(),
        # Not platform.platform(): that starts a program, which would get all of the environment.
        "platform": f"{platform.system()} {platform.release()} {platform.machine()} {' '.join(platform.libc_ver())}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processors": os.cpu_count(),
        "processors_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": memory.total,
        "memory_available_bytes": memory.available,
        "encoding": locale.getpreferredencoding(False),
        "encoding_of_files": sys.getfilesystemencoding(),
        "devices": _or_why_not(_devices),
    }


def _devices() -> list[str]:
    import jax

    return [f"{one.platform} {one.device_kind}" for one in jax.devices()]


def _or_why_not(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - what is broken is what a report is about
        return f"could not be looked at: {type(error).__name__}"


def environment() -> dict[str, str]:
    """The variables that concern this program: values of harmless ones, of the others that they are set."""
    set_ones = {name: value for name, value in sorted(os.environ.items()) if NAMED.fullmatch(name)}
    return {
        name: value if name in HARMLESS and re.fullmatch(HARMLESS[name], value) else "set" if value else "empty"
        for name, value in set_ones.items()
    }


def caches() -> dict[str, dict[str, int]]:
    """How many files and bytes are in each cache; empty where none is kept."""
    from ntk_labelqa.cache import lasting_root

    root = lasting_root()
    sizes: dict[str, dict[str, int]] = {}
    for folder, _, names in os.walk(root) if root else ():
        for name in names:
            first = Path(folder, name).relative_to(root or folder).parts[0]
            kind = first if first in CACHES else "label-studio" if first.startswith("label-studio-") else "other"
            size = sizes.setdefault(kind, {"files": 0, "bytes": 0})
            size["files"] += 1
            size["bytes"] += _size(Path(folder, name))
    return dict(sorted(sizes.items()))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # another process has removed it
        return 0


def _audit_of(folder: Path) -> dict[str, Any]:
    """The figures of the audit in *folder*; of one that is damaged, that it is, as that may be what is reported."""
    from ntk_labelqa.audit_folder import MANIFEST, read_manifest

    try:
        return figures_of(read_manifest(folder))
    except InvalidInputError:
        if not (folder / MANIFEST).exists():
            raise
        return {"damaged": True}


def figures_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What an audit's manifest tells of its computation: numbers, and words of ours."""
    data, summary, options = (manifest.get(name) or {} for name in ("data", "summary", "options"))
    control = data.get("control") or {}
    return {
        "format": _number(manifest.get("format")),
        "created_at": _matching(r"[\d:T+.-]{10,40}", manifest.get("created_at")),
        "versions": {
            name: _matching(r"[\w.+-]{1,40}", (manifest.get("versions") or {}).get(name)) for name in _packages_named()
        },
        "device": _matching(r"[a-z]{3,8}( \([\w ./-]{1,60}\))?(, \d{1,3} of them)?", manifest.get("device")),
        "seed": _number(manifest.get("seed")),
        "options": {name: _word(options.get(name)) for name in OPTIONS} | {"ridge": _number(options.get("ridge"))},
        "with_features": bool(options.get("features")),
        "of_a_project": data.get("project_id") is not None,
        "kind": _word(data.get("kind")),
        "control": _word(control.get("tag")),
        "classes": len(data.get("class_names") or ()),
        "left_out": sum(_number(one.get("count")) or 0 for one in data.get("left_out") or ()),
        "notes": len(data.get("notes") or ()),
        "timings": _numbers(manifest.get("timings")),
        "summary": {name: _number(summary.get(name)) for name in COUNTS},
        "self_measurement": _numbers(summary.get("self_measurement")),
    }


def _packages_named() -> tuple[str, ...]:
    from ntk_labelqa.runtime import NEEDED, OPTIONAL

    return ("python", *NEEDED, *OPTIONAL)


def _word(value: object) -> object:
    """*value* if it is a number or a name that this package gives; a word instead where it is the user's own."""
    from ntk_labelqa.encoders.models import KNOWN
    from ntk_labelqa.encoders.registry import BUILT_IN
    from ntk_labelqa.kernels.architectures import NAMES
    from ntk_labelqa.label_types.registry import CONTROLS, REGIONS, WHOLE

    tags = {tag for region in REGIONS for tag in region.tags}
    kinds = {*WHOLE, *(region.kind for region in REGIONS)}
    if value in {*BUILT_IN, *(model.name for model in KNOWN), *NAMES, *CONTROLS, *tags, *kinds, *CHOICES, None}:
        return value
    number = _number(value)
    return "of the user's own" if number is None else number


def _number(value: object) -> int | float | None:
    return value if isinstance(value, int | float) else None


def _numbers(value: object) -> Any:
    """The numbers in *value*, below names such as ours."""
    if not isinstance(value, Mapping):
        return _number(value)
    named = {name: _numbers(one) for name, one in value.items() if re.fullmatch(r"[A-Za-z][a-z_ -]{1,60}", str(name))}
    return {name: one for name, one in named.items() if one is not None}


def _matching(pattern: str, value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else None
