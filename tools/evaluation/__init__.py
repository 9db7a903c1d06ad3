"""Figures of the networks on labelled data: pure functions over what was found and what is true."""
