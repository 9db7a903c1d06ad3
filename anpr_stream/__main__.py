"""Run the command line with `python -m anpr_stream`."""

from anpr_stream.cli import main

if __name__ == "__main__":
    main()
