"""``python -m tests.fuzz``: odd inputs, target by target; exits with 1 where one of them is a finding.

One input alone, with its traceback: ``python -m tests.fuzz --target NAME --seed NUMBER --inputs 1``.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.runs import BYTES, Found, run
from tests.fuzz.targets import SHARES, TARGETS

HEAD = ("target", "inputs", "findings", "seconds", "slowest", "grown MiB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="of all targets together, or of the one named")
    parser.add_argument("--seconds", type=float, help="for all targets together, whatever --inputs says")
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--outcomes", action="store_true", help="say how often which error came out")
    chosen = parser.parse_args()
    _bound_memory()
    names = [chosen.target] if chosen.target else list(TARGETS)
    done = []
    for name in names:
        count = chosen.inputs if chosen.target else round(chosen.inputs * SHARES[name])
        until = time.monotonic() + chosen.seconds / len(names) if chosen.seconds else float("inf")
        with tempfile.TemporaryDirectory() as folder:
            found = run(name, TARGETS[name](Path(folder)), range(chosen.seed, chosen.seed + count), until=until)
        done.append(found)
        _say(found, outcomes=chosen.outcomes)
    print(f"{sum(found.inputs for found in done):,} inputs, {sum(len(found.findings) for found in done)} findings")
    return int(any(found.findings for found in done))


def _say(found: Found, *, outcomes: bool) -> None:
    print(
        f"{found.target}: {found.inputs:,} inputs, {len(found.findings)} findings, {found.seconds:.0f} s, slowest "
        f"{found.slowest[0]:.2f} s (input {found.slowest[1]}), grown by {found.grown / 2**20:.0f} MiB",
        flush=True,
    )
    for place, (seed, trace) in found.findings.items():
        print(f"\n--- {place}, {found.repeated[place]} times, first input {found.target} {seed}\n{trace}", flush=True)
    if outcomes:
        print(f"    {dict(found.outcomes.most_common())}", flush=True)


def _bound_memory() -> None:
    """A last line of defence for the machine; what counts is measured, see :data:`tests.fuzz.runs.BYTES`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        most = pages * resource.getpagesize() + 16 * BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    sys.exit(main())
