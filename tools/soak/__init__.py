"""The daemon for a long time, with all that may go wrong: `python -m tools.soak --help`."""
