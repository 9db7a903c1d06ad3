"""A store with events and pictures, and what the web server shows of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from anpr_stream.config.delivery import Http
from anpr_stream.metrics import CLIPS_STORED
from anpr_stream.plates.matching import Confusions
from anpr_stream.service.clips import ClipKeeper
from anpr_stream.service.http import News, Site, web_application
from anpr_stream.service.recorder import Recorder, Rules
from anpr_stream.service.web_server import WebServer
from anpr_stream.service.writer import Writer
from anpr_stream.store.privacy import keyed_hash
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Clip
from tests.service.fakes import FakeClock, event
from tests.store.pictures import event_with_picture

KEY = b"0123456789abcdef"


class House:
    """A store with some events, and a site over it."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        self.news = News()
        self.snapshots = SnapshotFolder(folder / "snapshots", 80)
        self.recorder = Recorder(writer, self.snapshots, Rules(), FakeClock(), lambda entry: self.news.tell())
        self._writer = writer
        self.site = Site(
            folder=folder,
            snapshots=self.snapshots,
            status=lambda: {"summary": "fine"},
            faults=lambda: self.faults,
            is_ready=lambda: self.is_ready,
            news=self.news,
            hashed=lambda: lambda text: keyed_hash(KEY, text),
            confusions=Confusions(),
            change=writer.submit,
            is_plain=lambda: self.is_plain,
            clock=FakeClock(),
            tokens={},
        )
        self.faults: list[str] = []
        self.is_ready = self.is_plain = True
        self.record(event_with_picture(), event("v2", text="XY999", camera="yard", lists=()))

    def keep_clip(self, visit_id: str, data: bytes) -> None:
        """Return when the clip of a visit is stored."""
        stored = CLIPS_STORED.labels("gate")._value
        before = stored.get()
        clip = Clip(visit_id, "gate", 1_700_000_000.0, data)
        ClipKeeper(self.snapshots, self.recorder, self._writer, FakeClock()).write(clip)
        done = threading.Event()
        self.recorder.afterwards(
            lambda: self._writer.submit(lambda db: None).add_done_callback(lambda _: done.set())
        )
        assert done.wait(60)
        assert stored.get() == before + 1

    def record(self, *events: Any) -> None:
        """Return when the events are accepted."""
        accepted = threading.Semaphore(0)
        self.recorder._on_accepted = lambda entry: (self.news.tell(), accepted.release())  # type: ignore[assignment,func-returns-value]
        for one in events:
            self.recorder.write(one)
        for _ in events:
            assert accepted.acquire(timeout=60)


@contextmanager
def serving(house: House, **change: Any) -> Iterator[httpx.Client]:
    site = replace(house.site, **change)
    with WebServer(Http(port=0), web_application(site)) as server, ExitStack() as stack:
        stack.callback(house.news.end)
        yield stack.enter_context(httpx.Client(base_url=server.address, timeout=60, trust_env=False))
