"""Plates as text: formats of countries, normalising, and matching against lists."""
