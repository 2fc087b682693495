"""``python -m ntk_labelqa`` is the ``ntk-labelqa`` command."""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]  # Python puts the current folder there, where a file may have the name of a library

from ntk_labelqa.cli.entry import main

if __name__ == "__main__":
    main()
