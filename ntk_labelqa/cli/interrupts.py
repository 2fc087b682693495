"""Ctrl-C and SIGTERM end the program in time, whatever it is doing.

Python hears of a signal between two of its own steps. Then it unwinds: half-written files are removed, a server that
was started is stopped. But one step may be the inversion of a large matrix, and a worker thread may wait for a server
that says nothing. So a second thread hears of the signal at once, and ends the process if that is still there after a
while. What is left behind then, as after SIGKILL, the next run takes away.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from ntk_labelqa.cli import run_log

INTERRUPTED, TERMINATED = 130, 143
CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
WORDS = {INTERRUPTED: "Interrupted.", TERMINATED: "Terminated."}
UNWINDING_SECONDS = 1.5
"""For unwinding, so that all ends within two seconds of the signal."""
AGAIN_SECONDS = 0.02
"""After which a signal is sent again that a callback of the interpreter has swallowed."""
_SHOW_CURSOR = b"\x1b[?25h"
"""For terminals, whose cursor a progress bar hides."""

_unwinding_seconds = UNWINDING_SECONDS
told = threading.Event()
"""Whether the user has been told that the program ends."""


def watch() -> None:
    """Watch for signals from now on; to be called once, in the main thread."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _raise_again
    hears, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(hears,), name="interrupts", daemon=True).start()


def allow(seconds: float) -> None:
    """Give unwinding more time, for a command that has much to clear up."""
    global _unwinding_seconds
    _unwinding_seconds = seconds


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)  # unwinds


def _raise_again(swallowed: sys.UnraisableHookArgs) -> None:
    """Send a signal again that was heard where no exception gets out, as in a callback of the garbage collector."""
    match swallowed.exc_value:
        case KeyboardInterrupt():
            number = signal.SIGINT
        case SystemExit(code=code) if code == TERMINATED:
            number = signal.SIGTERM
        case _:
            sys.__unraisablehook__(swallowed)
            return
    again = threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (threading.main_thread().ident, number))
    again.daemon = True
    again.start()


def _watch(hears: socket.socket) -> None:
    while (number := hears.recv(1)[0]) not in CODES:
        pass
    code = CODES[signal.Signals(number)]
    time.sleep(_unwinding_seconds)
    if not told.is_set():
        _write(f"{run_log.last_line(WORDS[code], code)}\n".encode())
    os._exit(code)


def _write(words: bytes) -> None:
    """Past the stream, which a thread that hangs may hold."""
    with suppress(OSError):  # of a stream that nobody reads
        os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + words)
