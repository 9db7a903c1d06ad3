"""Shipped configuration: the manual, examples, plate formats, the systemd unit."""
