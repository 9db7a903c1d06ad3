"""Clips around visits: what time each one spans, and when it is cut."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Condition, Thread

from anpr_stream.config.clips import ClipSettings
from anpr_stream.errors import AnprError
from anpr_stream.metrics import CLIPS_DROPPED, CLIPS_SHORT
from anpr_stream.sources.clip_ring import ClipRing, Packet
from anpr_stream.types import Clip, Event, EventKind

log = logging.getLogger(__name__)

POLL_S = 0.25
"""How soon it is noticed that a clip's last packet has come."""
NEAR_S = 0.5
"""A clip whose begin or end lacks less than this is whole."""


@dataclass(slots=True)
class _Order:
    """A clip to be made, in stream time; `is_taken` while the visit goes on after its clip."""

    event: Event
    ring: ClipRing
    is_taken: bool = False

    @property
    def begin_s(self) -> float:
        return self.event.first_seen.pts_s - self.ring.settings.before_s

    @property
    def end_s(self) -> float:
        longest_s = self.begin_s + self.ring.settings.most_s
        if self.event.kind is not EventKind.FINAL:
            return longest_s
        return min(longest_s, self.event.last_seen.pts_s + self.ring.settings.after_s)


class ClipCutter:
    """Cuts a clip for each visit out of its camera's ring, in a thread of its own.

    What waits is only which time each clip spans; the video stays in the ring. So where clips are written
    too slowly, the ring lets go of them, and nothing else waits.
    """

    def __init__(self, send: Callable[[Clip], None]) -> None:
        """Start the thread.

        Args:
            send: takes the clips, in this thread; may wait for the disk.
        """
        self._send = send
        self._rings: dict[str, ClipRing] = {}
        self._orders: dict[str, _Order] = {}
        self._changed = Condition()
        self._is_busy = self._is_closing = False
        self._thread = Thread(target=self._run, name="anpr-clips", daemon=True)
        self._thread.start()

    def begin(self, camera: str, settings: ClipSettings, *, is_live: bool) -> ClipRing | None:
        """Return the ring of a new life of a camera, whose stream time begins anew; None: it has no clips."""
        wants = settings.enabled and is_live
        with self._changed:
            self._rings.pop(camera, None)
            if wants:
                self._rings[camera] = ClipRing(camera, settings)
            return self._rings.get(camera)

    def forget(self, camera: str) -> None:
        """Say that a camera is gone; clips of its last visits are still made."""
        with self._changed:
            self._rings.pop(camera, None)

    def follow(self, event: Event) -> None:
        """Take note of an event; never waits."""
        event = replace(event, crop=None)  # its frame would stay in memory
        with self._changed:
            order = self._orders.get(event.visit_id)
            if order is not None and not order.is_taken:
                order.event = event
            elif order is None and event.camera in self._rings:
                self._orders[event.visit_id] = _Order(event, self._rings[event.camera])
            elif event.kind is EventKind.FINAL:
                self._orders.pop(event.visit_id, None)
            self._changed.notify_all()

    def settle(self, limit_s: float | None) -> None:
        """Wait until all clips are made that have been asked for, but not longer than this."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_busy and not self._waiting(), limit_s)

    def close(self) -> None:
        """End the thread after the clip that it makes; may be called twice."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (order := self._next()) is not None:
            try:
                self._make(order)
            except AnprError as error:
                log.warning("%s: no clip of visit %s: %s", order.event.camera, order.event.visit_id, error)
                CLIPS_DROPPED.labels(order.event.camera, "damaged").inc()
            except Exception:
                # One clip that cannot be made must not end all others.
                log.exception("%s: no clip of visit %s", order.event.camera, order.event.visit_id)
                CLIPS_DROPPED.labels(order.event.camera, "error").inc()

    def _next(self) -> _Order | None:
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            while not self._is_closing:
                for order in self._waiting():
                    if order.ring.is_due(order.end_s):
                        return self._take(order)
                self._changed.wait(POLL_S if self._waiting() else None)
            return None

    def _waiting(self) -> list[_Order]:
        return [order for order in self._orders.values() if not order.is_taken]

    def _take(self, order: _Order) -> _Order:
        order.is_taken = self._is_busy = True
        if order.event.kind is EventKind.FINAL:
            del self._orders[order.event.visit_id]
        return order

    def _make(self, order: _Order) -> None:
        event = order.event
        packets = order.ring.cut(order.begin_s, order.end_s, event.first_seen.pts_s)
        if not packets:
            CLIPS_DROPPED.labels(event.camera, "not_in_memory").inc()
            return
        if _is_short(packets, order):
            CLIPS_SHORT.labels(event.camera).inc()
        # Here, since it needs GStreamer, which a program without video may lack.
        from anpr_stream.sources.gst_mux import mux

        self._send(Clip(event.visit_id, event.camera, event.first_seen.utc_s, mux(packets)))


def _is_short(packets: list[Packet], order: _Order) -> bool:
    return packets[0].time_s > order.begin_s + NEAR_S or packets[-1].time_s < order.end_s - NEAR_S
