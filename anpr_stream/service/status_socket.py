"""`anpr-stream status` asks here: a Unix socket that answers each caller with one JSON document."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from anpr_stream.errors import AddressError, UsageError, reason_of

LOG = logging.getLogger(__name__)
CALLER_LIMIT_S = 5.0


class StatusSocket:
    """Serves the status to users of our group; a context manager."""

    def __init__(self, path: Path, status: Callable[[], dict[str, Any]]) -> None:
        """Listen.

        Args:
            path: of the socket; one that is left over from a killed daemon is replaced.
            status: called for each caller, in the socket's thread.

        Raises:
            AddressError: the socket cannot be made.
        """
        self._path = path
        self._status = status
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
            path.chmod(0o660)
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise AddressError(f"status_socket {path}: {error}", "status-socket") from error
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="anpr-status", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and remove the socket; may be called twice."""
        if self._is_closing:
            return
        self._is_closing = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> StatusSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._is_closing:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                continue
            with caller:
                self._answer(caller)

    def _answer(self, caller: socket.socket) -> None:
        caller.settimeout(CALLER_LIMIT_S)
        try:
            caller.sendall(json.dumps(self._status()).encode())
        except OSError as error:
            LOG.debug("a caller of the status socket went away: %s", error)
        except Exception:
            # A status that cannot be made must not end the socket's thread.
            LOG.exception("the status cannot be told")


def ask_status(path: Path) -> dict[str, Any]:
    """Return the status of the daemon behind a socket.

    Raises:
        UsageError: no daemon answers there.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as daemon:
            daemon.settimeout(CALLER_LIMIT_S)
            daemon.connect(os.fspath(path))
            answer: dict[str, Any] = json.loads(b"".join(iter(lambda: daemon.recv(65536), b"")))
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise UsageError(f"{path}: no daemon answers ({reason}); is 'anpr-stream serve' running?") from error
    return answer
