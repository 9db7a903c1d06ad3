"""Telling systemd how we are (sd_notify(3)): a datagram to the socket that it names."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

LOG = logging.getLogger(__name__)
TAKE_WITHIN_S = 1.0
"""A systemd that takes nothing for so long must not keep cameras, reloads and the end waiting."""


class Notifier:
    """Sends states to systemd; does nothing where no systemd waits."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Find out who waits: `NOTIFY_SOCKET` says."""
        self._address = environ.get("NOTIFY_SOCKET", "")

    def send(self, *states: str) -> None:
        """Send states such as `READY=1`; one that is gone or takes nothing is only logged."""
        if not self._address:
            return
        # A leading @ stands for the zero byte of an abstract address.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.settimeout(TAKE_WITHIN_S)
                to.connect(address)
                to.sendall("\n".join(states).encode())
        except OSError as error:
            LOG.warning("systemd cannot be told %s: %s", states[0], error)
