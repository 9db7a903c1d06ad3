"""The daemon: systemd, HTTP, status socket, reload."""
