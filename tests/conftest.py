"""What every test process starts with."""

import os
import signal

# A shell that runs the tests in the background has them ignore Ctrl-C, and every program they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is printed is compared by what it says; how it is wrapped has tests of its own.
os.environ["COLUMNS"] = "200"
