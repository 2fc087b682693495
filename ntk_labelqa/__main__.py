"""``python -m ntk_labelqa`` is the ``ntk-labelqa`` command."""

from ntk_labelqa.cli.entry import main

if __name__ == "__main__":
    main()
