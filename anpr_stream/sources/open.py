"""Opens whatever a source's text names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.interfaces import Clock, Source
from anpr_stream.sources.clip_ring import ClipRing
from anpr_stream.sources.clock import SystemClock
from anpr_stream.sources.locate import Address, Kind, check_file, locate
from anpr_stream.sources.pair import Demand, LargeStream, PairedSource
from anpr_stream.sources.pictures import PictureSource, load_picture
from anpr_stream.sources.recording import RecordingSource
from anpr_stream.sources.session import EndOfStream, Session
from anpr_stream.sources.supervise import LiveSource, Watchdog
from anpr_stream.types import SourceInfo

PROBE_STEP_S = 0.1


def open_source(
    url_or_path: str,
    settings: SourceSettings,
    name: str,
    clock: Clock | None = None,
    ring: ClipRing | None = None,
) -> Source:
    """Open a camera, recording, picture, or a folder or pattern of either.

    Args:
        url_or_path: `rtsp://`, `rtsps://`, `http://`, `https://`, `/dev/video0`, `usb:0`, `test:`, a
            file, a folder or a pattern like `drive/*.mp4`.
        settings: how it is opened.
        name: of the camera, stands in its frames and metrics.
        clock: for arrival times of live sources; the machine's own by default.
        ring: gets the encoded video of a live camera, of a pair that of the large stream.

    Raises:
        SourceError: nothing is there, the text means nothing, or GStreamer is missing. A camera that
            does not answer is no error: the source goes on trying.
    """
    address = locate(url_or_path, settings)
    if settings.main_url is not None and not address.is_live:
        raise SourceError(f"{address.shown} is no live camera, so it has no main_url", "source-url")
    if address.kind is Kind.PICTURES:
        return PictureSource(name, address.paths, settings)
    _need_gstreamer()
    if address.is_live:
        return _open_live(address, settings, name, clock or SystemClock(), ring)
    return RecordingSource(name, address.paths, settings, lambda path: _play(_clip(path), settings))


def _open_live(
    address: Address, settings: SourceSettings, name: str, clock: Clock, ring: ClipRing | None
) -> Source:
    if settings.main_url is None:
        return LiveSource(
            name, address.shown, settings, lambda: _play(address, settings, ring), clock, ring=ring
        )
    source = LiveSource(name, address.shown, settings, lambda: _play(address, settings), clock)
    large = locate(settings.main_url.get_secret_value(), settings)
    if not large.is_live:
        raise SourceError(f"main_url {large.shown} is no live camera", "source-url")
    own = settings.model_copy(update={"late_limit_s": float("inf")})
    demand = Demand(clock)
    gated = LiveSource(
        f"{name}/main",
        large.shown,
        own,
        lambda: _play_gated(large, own, demand.is_on, ring),
        clock,
        ring=ring,
    )
    return PairedSource(source, LargeStream(gated, demand), settings.pair_limit_s)


def probe(url_or_path: str, settings: SourceSettings) -> SourceInfo:
    """Open a source, wait for its first picture and say what it is.

    Raises:
        SourceError: it cannot be opened, or gives no picture within `connect_limit_s`.
    """
    address = locate(url_or_path, settings)
    if address.kind is Kind.PICTURES:
        return _probe_pictures(address, settings)
    _need_gstreamer()
    session = _play(address, settings)
    try:
        return _first(session, address, settings)
    except EndOfStream:
        raise SourceError(f"{address.shown} holds no picture", "source-no-video") from None
    finally:
        session.close()


def _first(session: Session, address: Address, settings: SourceSettings) -> SourceInfo:
    watchdog = Watchdog(address.shown, settings)
    while (picture := session.pull(PROBE_STEP_S)) is None:
        watchdog.waited(PROBE_STEP_S)
    info = session.info()
    duration_s = None if info.duration_s is None else info.duration_s * _clips_like_first(address)
    frames = round(duration_s * info.fps) if duration_s and info.fps else None
    return SourceInfo(
        picture.width,
        picture.height,
        info.fps,
        info.codec,
        info.decoder,
        duration_s,
        frames,
        info.created_utc_s,
    )


def _clips_like_first(address: Address) -> float:
    """How many clips of the first one's size the clips make up: opening hundreds would take long."""
    sizes = [path.stat().st_size for path in address.paths]
    return sum(sizes) / max(1, sizes[0])


def _probe_pictures(address: Address, settings: SourceSettings) -> SourceInfo:
    height, width = load_picture(address.paths[0], settings.rotate).shape[:2]
    return SourceInfo(width, height, 0.0, "picture", "OpenCV", frames=len(address.paths))


def _clip(path: Path) -> Address:
    return Address(Kind.CLIPS, str(path), paths=(check_file(path),))


def _play(address: Address, settings: SourceSettings, ring: ClipRing | None = None) -> Session:
    from anpr_stream.sources.gst_player import Playback

    return Playback(address, settings, ring)


def _play_gated(
    address: Address, settings: SourceSettings, is_wanted: Callable[[], bool], ring: ClipRing | None
) -> Session:
    from anpr_stream.sources.gst_gate import GatedPlayer

    return GatedPlayer(address, settings, is_wanted, ring)


def _need_gstreamer() -> None:
    """Import GStreamer now, so that its absence is an error at once.

    Raises:
        SourceError: it is missing; names the packages.
    """
    import anpr_stream.sources.gst_player  # noqa: F401
