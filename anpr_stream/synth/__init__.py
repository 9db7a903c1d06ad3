"""Synthetic plates, scenes and traffic clips with exact ground truth."""
