"""Networks with a meaning: the plate detector and the two plate readers."""
