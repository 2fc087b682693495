"""Runs a command for as long as its starter lives: ``python guard.py FOLDER COMMAND…``.

Standard input is a pipe that the starter holds. It closes when the starter is gone, by whatever means; then the command
is ended and FOLDER removed, which nobody else is left to do.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(folder: str, command: Sequence[str]) -> int:
    """Run *command* and return its exit code."""
    # The signal reaches the whole process group: the command ends by it, and this process because the command did.
    signal.signal(signal.SIGTERM, lambda *_: None)
    orphaned = threading.Event()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:

        def end_with_starter() -> None:
            os.read(sys.stdin.fileno(), 1)
            orphaned.set()
            process.kill()

        threading.Thread(target=end_with_starter, daemon=True).start()
        code = process.wait()
    if orphaned.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
