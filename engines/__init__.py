"""Shipped networks and their model cards."""
