"""The machine that the page is of."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from benchmarks.gpu.common import head, options, row, said


def main() -> None:
    """Print device and versions."""
    asked = options(__doc__)
    import jax
    import psutil

    from ntk_labelqa.memory import in_units
    from ntk_labelqa.runtime import device, own_version, versions

    here, client = jax.devices()[0], jax.devices()[0].client
    head("what", "")
    row("device", device())
    row("its memory that jax takes", in_units((here.memory_stats() or {}).get("bytes_limit", 0)))
    row("platform", client.platform_version.strip().replace("\n", ", "))
    row("processor", f"{len(os.sched_getaffinity(0))} cores, {in_units(psutil.virtual_memory().total)} of memory")
    row("versions", ", ".join(f"{name} {number}" for name, number in versions().items() if name != "ntk-labelqa"))
    row("ntk-labelqa", own_version())
    row("time", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    if asked.small:
        said("**Made with `--small`: tiny sizes, to see that all runs. Its figures say nothing of speed.**")
    elif here.platform == "cpu":
        said("**jax sees no GPU here.** The sections are not made for a processor: use `--small`.")
        sys.exit(1)


if __name__ == "__main__":
    main()
