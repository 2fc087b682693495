"""What every test process starts with."""

import os
import signal
import sys

# A shell that runs the tests in the background has them ignore Ctrl-C, and every program they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is printed is compared by what it says; how it is wrapped has tests of its own.
os.environ["COLUMNS"] = "200"

# Each worker has a core: threads of linear algebra that wait for each other's core take ten times as long. To be set
# before NumPy is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    assert "numpy" not in sys.modules
    os.environ.setdefault("OMP_NUM_THREADS", "1")

LONGEST_ID = 80


def pytest_make_parametrize_id(config: object, val: object, argname: str) -> str | None:
    """Short names of tests, which each worker has to call alike: what is packed has the time in it."""
    return argname if isinstance(val, bytes | str) and len(val) > LONGEST_ID else None
