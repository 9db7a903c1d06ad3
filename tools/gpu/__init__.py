"""Checks and measurements on a GPU: the parts of `tools/gpu_check.py`."""
