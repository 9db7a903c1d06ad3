"""Live cameras without an encoder: pictures over HTTP (multipart JPEG), which may die, hang and come back."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from anpr_stream.types import Image

BOUNDARY = "frame"


class MjpegServer(ThreadingHTTPServer):
    """Serves the same pictures over and over on `/NAME` for any name.

    Attributes:
        dead: names whose connections are refused or cut.
        hung: names whose connections stay open while nothing comes.
        sent: pictures sent by name; `progress` is notified of each.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, pictures: Sequence[Image], fps: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        self.pause_s = 1 / fps
        self.dead: set[str] = set()
        self.hung: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.progress = threading.Condition()
        self.is_closing = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, *_: Any) -> None:
        """A player that leaves is no error."""

    def __exit__(self, *_: object) -> None:
        self.is_closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: MjpegServer

    def do_GET(self) -> None:
        name = self.path.strip("/")
        if name in self.server.dead:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.end_headers()
        began_s, index = time.monotonic(), 0
        while name not in self.server.dead:
            if name not in self.server.hung:
                self._send(name, self.server.jpegs[index % len(self.server.jpegs)])
            index += 1
            wait_s = began_s + index * self.server.pause_s - time.monotonic()
            if self.server.is_closing.wait(max(0.0, wait_s)):
                return

    def _send(self, name: str, jpeg: bytes) -> None:
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        self.wfile.write(head.encode() + jpeg + b"\r\n")
        with self.server.progress:
            self.server.sent[name] += 1
            self.server.progress.notify_all()

    def log_message(self, *_: Any) -> None:
        pass
