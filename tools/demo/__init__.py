"""Two clips with known plates, and what to make of a run over them: see `tools/demo.sh`."""
