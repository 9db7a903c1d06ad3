"""Where the program begins: `anpr-stream` and `python -m anpr_stream`."""

import signal


def main() -> None:
    """Load the command line and run it.

    Loading takes a second or two. Until then there is nothing to end in good order: Ctrl-C just ends it.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from anpr_stream.cli import main as run

    signal.signal(signal.SIGINT, before)
    run()


if __name__ == "__main__":
    main()
