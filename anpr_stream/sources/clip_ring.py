"""The last seconds of a live camera's encoded video, in memory, from which clips are cut."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from threading import Lock

from anpr_stream.config.clips import ClipSettings
from anpr_stream.metrics import CLIP_PACKETS_DROPPED

SLACK_S = 5.0
"""Kept beyond the longest clip: one may have to wait while another is written."""
BACK_S = 1.0
"""Time that goes back by more has begun anew; by less it is the order in which pictures are decoded."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One picture, encoded.

    Attributes:
        form: codec and its parameters, as GStreamer writes them.
        time_s: when it is shown, in the stream time of the source's frames.
        is_key: whether it can be decoded by itself.
        data: the bytes.
    """

    form: str
    time_s: float
    is_key: bool
    data: bytes = field(repr=False)


class _Group:
    """A key frame and the packets that need it, in the order in which they are decoded."""

    __slots__ = ("packets", "size", "stretch")

    def __init__(self, stretch: int) -> None:
        self.stretch = stretch
        self.packets: list[Packet] = []
        self.size = 0

    @property
    def begin_s(self) -> float:
        return self.packets[0].time_s

    @property
    def end_s(self) -> float:
        return self.packets[-1].time_s


class ClipRing:
    """Keeps packets by whole groups, bounded in seconds and in bytes; may be used from any thread.

    A stretch is what came without a break: over one connection, in one form, with times that grow.
    """

    def __init__(self, camera: str, settings: ClipSettings) -> None:
        self.settings = settings
        self.refusal = ""
        """Why a connection gives no clips, empty where it does."""
        self._keep_s = settings.most_s + SLACK_S
        self._most_bytes = settings.most_mb * 1e6
        self._camera = camera
        self._lock = Lock()
        self._groups: deque[_Group] = deque()
        self._size = 0
        self._stretch = 0
        self._form = ""
        self._offset_s = self._shift_s = 0.0
        self._newest_s = float("-inf")
        self._is_connected = False

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self._size

    def begin(self, offset_s: float) -> None:
        """Say that a connection begins, whose running time 0 is this stream time."""
        with self._lock:
            self._stretch += 1
            self._offset_s = self._shift_s = offset_s
            self._newest_s = float("-inf")
            self._is_connected = True
            self.refusal = ""

    def begin_again(self) -> None:
        """Say that the connection is made anew and its time begins again, before it gave a picture."""
        with self._lock:
            self._groups.clear()
            self._size = 0
        self.begin(self._offset_s)

    def refuse(self, why: str) -> None:
        """Say that nothing will come over this connection, and why."""
        self.refusal = why
        self.end()

    def end(self) -> None:
        """Say that the connection is over."""
        with self._lock:
            self._is_connected = False

    def put(self, form: str, running_s: float, is_key: bool, data: bytes) -> None:
        """Keep a packet, given in the order in which they are decoded; let old ones go."""
        with self._lock:
            packet = Packet(form, self._time_s(running_s, form), is_key, data)
            self._newest_s = max(self._newest_s, packet.time_s)
            if is_key:
                self._groups.append(_Group(self._stretch))
            elif not self._groups or self._groups[-1].stretch != self._stretch:
                self._count("no_key_frame", 1)
                return
            group = self._groups[-1]
            group.packets.append(packet)
            group.size += len(data)
            self._size += len(data)
            self._let_go()

    def lost(self, reason: str, count: int) -> None:
        """Say that packets before the next one were lost: what needs them is of no use."""
        with self._lock:
            self._stretch += 1
            self._count(reason, count)

    def is_due(self, end_s: float) -> bool:
        """Tell whether nothing more comes for a clip that ends at this time."""
        with self._lock:
            return not self._is_connected or self._newest_s >= end_s

    def cut(self, begin_s: float, end_s: float, seen_s: float) -> list[Packet]:
        """Return what there is of a time around a moment, which may be nothing.

        It begins at the key frame before the time, or after the last break before the moment, and ends with
        the time or at the next break.
        """
        with self._lock:
            groups = [group for group in self._groups if group.end_s >= begin_s and group.begin_s <= end_s]
            around = [group for group in groups if group.begin_s <= seen_s][-1:] or groups[:1]
            whole = [group for group in groups if group.stretch == around[0].stretch]
            packets = [packet for group in whole for packet in group.packets]
        # One that is shown later may be needed by those behind it.
        while packets and packets[-1].time_s > end_s:
            packets.pop()
        return packets

    def _time_s(self, running_s: float, form: str) -> float:
        """Place a packet in stream time as `StreamTime` does a frame; a break begins a stretch."""
        time_s = running_s + self._shift_s
        back_s = self._newest_s - time_s
        if back_s > BACK_S:
            self._shift_s += back_s
            time_s = self._newest_s
        if back_s > BACK_S or form != self._form:
            self._stretch += 1
        self._form = form
        return time_s

    def _let_go(self) -> None:
        while len(self._groups) > 1:
            is_over = self._size > self._most_bytes
            if not is_over and self._groups[1].begin_s > self._newest_s - self._keep_s:
                return
            self._drop_oldest(is_over)
        if self._size > self._most_bytes:
            self._drop_oldest(is_over=True)
            self._stretch += 1

    def _drop_oldest(self, is_over: bool) -> None:
        group = self._groups.popleft()
        self._size -= group.size
        if is_over:
            self._count("most_mb", len(group.packets))

    def _count(self, reason: str, count: int) -> None:
        CLIP_PACKETS_DROPPED.labels(self._camera, reason).inc(count)
