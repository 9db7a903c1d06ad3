"""How fast this machine, the networks on it and the pipeline are: `python -m tools.benchmark`."""
