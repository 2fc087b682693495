"""One audit of what :func:`benchmarks.any_size.make` has made, in this process, as the command line starts one.

python -m benchmarks.gpu.one_audit FOLDER ARCHITECTURE LANDMARKS rows|images
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

from ntk_labelqa.cli.options import use_device


def main() -> None:
    """Print seconds by stage and what was found, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("architecture")
    parser.add_argument("landmarks")
    parser.add_argument("form", choices=["rows", "images"])
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    use_device("auto")  # before jax is imported
    from benchmarks.any_size import audited, made
    from benchmarks.gpu.common import as_an_accelerator
    from ntk_labelqa.memory import in_units
    from ntk_labelqa.options import AuditOptions
    from ntk_labelqa.progress import Stages

    as_an_accelerator(asked.small)
    features, given, wrong = made(asked.folder)
    if asked.form == "images":
        side = round(features.shape[1] ** 0.5)
        features = features.reshape(-1, side, side)
    landmarks = asked.landmarks if asked.landmarks == "auto" else int(asked.landmarks)
    stages = Stages(quiet=True)
    start = time.perf_counter()
    fitted, audit = audited(features, given, AuditOptions(architecture=asked.architecture, landmarks=landmarks), stages)
    seconds = time.perf_counter() - start
    flagged = audit.findings["is_label_issue"].to_numpy()
    found = {
        "stages": stages.seconds,
        "seconds": seconds,
        "landmarks": str(fitted.landmarks),
        "flagged": int(flagged.sum()),
        "right": int((flagged & wrong).sum()),
        "wrong": int(wrong.sum()),
        "peak": in_units(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
