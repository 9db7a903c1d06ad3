"""What GStreamer says on its bus, in one line that names the source and says what to do."""

from __future__ import annotations

import logging
import os
from datetime import datetime, timezone
from ssl import SSLContext
from typing import Any

from anpr_stream.config.address import hide_password
from anpr_stream.config.source import SourceSettings
from anpr_stream.config.tls import trusting
from anpr_stream.errors import SourceError, reason_of
from anpr_stream.sources.gst_runtime import Gst
from anpr_stream.sources.locate import Address, Kind
from anpr_stream.sources.reach import REACHED, why_unreachable

log = logging.getLogger(__name__)

NOT_A_VIDEO = ("source-not-video", "is no video: its content is of no known kind")
DENIED = ("source-auth", "refuses user and password: are they right?")
NOT_FOUND = ("source-not-found", "has no such stream (404): is the path in the URL right?")
STILL = (
    "source-still",
    "gives one picture and ends, but a stream is wanted: what is the camera's URL for RTSP or MJPEG?",
)
FORBIDDEN = (
    "source-permission",
    "may not be opened by this user, as a rule only by the group video: sudo usermod -aG video NAME "
    "and a new log-in, or SupplementaryGroups=video in a service's unit",
)
UNPLAYABLE = (
    "source-damaged",
    "holds no stream that can be played: was the recording cut off before it was closed?",
)

STREAM = {
    Gst.StreamError.TYPE_NOT_FOUND: NOT_A_VIDEO,
    Gst.StreamError.WRONG_TYPE: NOT_A_VIDEO,
    Gst.StreamError.DEMUX: UNPLAYABLE,
    Gst.StreamError.DECRYPT: ("source-encrypted", "is encrypted, and encrypted video cannot be played"),
    Gst.StreamError.DECRYPT_NOKEY: ("source-encrypted", "is encrypted, and encrypted video cannot be played"),
}
RESOURCE = {
    Gst.ResourceError.NOT_AUTHORIZED: DENIED,
    Gst.ResourceError.BUSY: ("source-busy", "is in use by another program"),
    Gst.ResourceError.NOT_FOUND: NOT_FOUND,
}
HTTP = {401: DENIED, 403: DENIED, 404: NOT_FOUND}
NETWORK_CODES = frozenset(
    int(code)
    for code in (
        Gst.ResourceError.OPEN_READ,
        Gst.ResourceError.OPEN_WRITE,
        Gst.ResourceError.OPEN_READ_WRITE,
        Gst.ResourceError.READ,
        Gst.ResourceError.WRITE,
    )
)


class BusReader:
    """Takes a pipeline's messages and keeps what matters: the first error, tags, the HTTP status."""

    def __init__(self, bus: Any, address: Address, settings: SourceSettings) -> None:
        self._bus = bus
        self._address = address
        self._settings = settings
        self._http_status = 0
        self._error: tuple[Any, str] | None = None
        self.created_utc_s: float | None = None

    def drain(self) -> None:
        """Take all messages that are there; unread ones would pile up."""
        while (message := self._bus.pop()) is not None:
            if message.type == Gst.MessageType.ERROR and self._error is None:
                error, debug = message.parse_error()
                self._error = error, (debug or "").rsplit("\n", 1)[-1]
            elif message.type == Gst.MessageType.WARNING:
                log.debug("%s: %s", self._address.shown, message.parse_warning()[0].message)
            elif message.type == Gst.MessageType.TAG:
                self._read_tags(message.parse_tag())
            elif message.type == Gst.MessageType.ELEMENT:
                self._read_status(message.get_structure())

    @property
    def has_error(self) -> bool:
        """Whether anything went wrong so far."""
        return self._error is not None

    def fault(self) -> SourceError:
        """The first error, told for people. May ask the network why, which takes some seconds."""
        if self._error is None:
            return SourceError(f"{self._address.shown} does not start", "source-broken")
        error, detail = self._error
        slug, what = self._explain(error, detail)
        return SourceError(f"{self._address.shown} {what}", slug)

    def _explain(self, error: Any, detail: str) -> tuple[str, str]:
        known = self._known(error)
        if known:
            return known
        told = f"{error.message.rstrip('.')} ({hide_password(detail)})"
        if not self._is_network(error):
            return "source-broken", f"cannot be played: {told}"
        try:
            tls = self._tls()
        except OSError as fault:
            return "source-tls", f"cannot be checked: {self._settings.tls_ca}: {reason_of(fault)}"
        slug, what = why_unreachable(self._address.host, self._address.port, tls)
        return slug, f"{what}: {told}" if (slug, what) == REACHED else what

    def _known(self, error: Any) -> tuple[str, str] | None:
        if self._http_status in HTTP:
            return HTTP[self._http_status]
        if self._http_status >= 400:
            return "source-http", f"answers with HTTP status {self._http_status}"
        if error.matches(Gst.StreamError.quark(), error.code):
            return STREAM.get(Gst.StreamError(error.code))
        if not error.matches(Gst.ResourceError.quark(), error.code):
            return None
        if self._address.kind is Kind.USB and error.code == int(Gst.ResourceError.NOT_FOUND):
            return "source-missing", "is not there: is the camera plugged in? (v4l2-ctl --list-devices)"
        if self._address.kind is Kind.USB and not _may_open(self._address.target):
            return FORBIDDEN
        return RESOURCE.get(Gst.ResourceError(error.code))

    def _is_network(self, error: Any) -> bool:
        is_resource = error.matches(Gst.ResourceError.quark(), error.code)
        if not self._address.host:
            return False
        return (is_resource and error.code in NETWORK_CODES) or self._address.kind is Kind.HTTP

    def _tls(self) -> SSLContext | None:
        if not self._address.target.startswith(("rtsps:", "https:")):
            return None
        return trusting(self._settings.tls_ca, is_verified=self._settings.tls_verify)

    def _read_tags(self, tags: Any) -> None:
        found, date = tags.get_date_time(Gst.TAG_DATE_TIME)
        if found and self.created_utc_s is None and date.has_time():
            self.created_utc_s = _unix_s(date)

    def _read_status(self, structure: Any) -> None:
        if structure and structure.has_field("http-status-code"):
            self._http_status = structure.get_uint("http-status-code")[1]


def _may_open(device: str) -> bool:
    return os.access(device, os.R_OK | os.W_OK, effective_ids=True)


def _unix_s(date: Any) -> float:
    """Seconds since the Unix epoch of a GStreamer date with a time; its seconds may be left out."""
    minute = datetime(
        date.get_year(),
        date.get_month(),
        date.get_day(),
        date.get_hour(),
        date.get_minute(),
        tzinfo=timezone.utc,
    )
    seconds = date.get_second() + date.get_microsecond() / 1e6 if date.has_second() else 0.0
    return minute.timestamp() + seconds - 3600 * float(date.get_time_zone_offset())
