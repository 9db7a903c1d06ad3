"""Recorded clips, played as one drive: every frame (or every Nth), as fast as it is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import AnprError, SourceError, program_fault
from anpr_stream.sources.meter import MeteredSource
from anpr_stream.sources.playlist import LEAST_STEP_S, Placement, StreamTime, Timeline
from anpr_stream.sources.session import EndOfStream, Picture, Session, StreamInfo
from anpr_stream.types import Frame, SourceState

log = logging.getLogger(__name__)

POLL_S = 0.1
"""How soon a recording notices `close` while its decoder gives nothing."""
CUT_SHORT_S = 1.0
"""A clip that ends this much before its header says is counted as cut off."""
GUESSED = "times come from the file's date less its duration; --start-time says better"


class RecordingSource(MeteredSource):
    """One clip, or several in order; a `Source`.

    The same clips give the same frames each time. A clip that cannot be played is skipped and counted
    (`dropped["unplayable_clip"]`), unless it is the only one; the frames that a cut-off clip lacks are
    counted too (`dropped["cut_off"]`).
    """

    def __init__(
        self, name: str, clips: tuple[Path, ...], settings: SourceSettings, play: Callable[[Path], Session]
    ) -> None:
        super().__init__(name)
        self._clips = clips
        self._settings = settings
        self._play = play
        self._timeline = Timeline(settings.jump_s)
        self._shift_s: float | None = None
        self._index = 0
        self._breaks = 0
        self._note = ""

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of all clips; see `Source`."""
        failed: list[AnprError] = []
        for clip in self._clips:
            try:
                yield from self._clip(clip)
            except Exception as error:  # noqa: BLE001 - told; the other clips are still played
                failed.append(_told(clip, error))
                self._skip(failed[-1])
            if self._closed.is_set():
                return
        if len(failed) == len(self._clips):
            self._meter.change(SourceState.FAILED, failed[0].message)
            raise failed[0]
        self._meter.change(SourceState.ENDED, self._note)

    def _skip(self, error: AnprError) -> None:
        log.warning("%s", error)
        self._note = error.message
        self._meter.dropped("unplayable_clip")

    def _clip(self, clip: Path) -> Iterator[Frame]:
        session = self._play(clip)
        try:
            yield from self._session_frames(clip, session)
        finally:
            session.close()

    def _session_frames(self, clip: Path, session: Session) -> Iterator[Frame]:
        placement: Placement | None = None
        stream_time = StreamTime(self._settings.jump_s)
        last_s: float | None = None
        interval_s = LEAST_STEP_S
        try:
            while not self._closed.is_set():
                picture = session.pull(POLL_S)
                if picture is None:
                    continue
                placement = placement or self._begin(clip, session.info())
                time_s, is_break = stream_time.next(picture.running_s)
                if last_s is not None and not is_break:
                    interval_s = time_s - last_s
                last_s = time_s
                self._breaks += is_break
                if self._index % self._settings.every == 0:
                    yield self._frame(picture, placement, last_s)
                self._index += 1
            return
        except EndOfStream:
            pass
        except Exception as error:
            if last_s is None:
                raise
            self._note = f"{_told(clip, error).message}; played up to there"
        if last_s is None:
            raise SourceError(f"{clip} holds no picture", "source-no-video")
        self._end(clip, session.info(), last_s, interval_s)

    def _frame(self, picture: Picture, placement: Placement, time_s: float) -> Frame:
        self._meter.frame()
        return picture.frame(
            self._name,
            self._index,
            placement.pts_s + time_s,
            placement.utc_s + time_s,
            placement.segment + self._breaks,
        )

    def _begin(self, clip: Path, info: StreamInfo) -> Placement:
        guess_utc_s = clip.stat().st_mtime - (info.duration_s or 0.0)
        created_utc_s = info.created_utc_s
        if self._shift_s is None:
            first_utc_s = guess_utc_s if created_utc_s is None else created_utc_s
            self._shift_s = self._start_utc_s(first_utc_s, is_guess=created_utc_s is None) - first_utc_s
        shifted = None if created_utc_s is None else created_utc_s + self._shift_s
        placement = self._timeline.place(shifted, guess_utc_s + self._shift_s)
        log.info("%s: %s, %s by %s", self._name, clip, info.codec, info.decoder)
        self._meter.opened(info.decoder, info.fps)
        self._meter.change(SourceState.RUNNING, self._note)
        return placement

    def _start_utc_s(self, first_utc_s: float, *, is_guess: bool) -> float:
        """When the first frame was taken: as told, else as the file says, else as its date suggests."""
        if self._settings.start_utc_s is not None:
            return self._settings.start_utc_s
        if is_guess:
            self._note = GUESSED
            log.info("%s: %s", self._name, GUESSED)
        return first_utc_s

    def _end(self, clip: Path, info: StreamInfo, last_s: float, interval_s: float) -> None:
        """End a clip after its last picture, which lasts as long as the one before it if none tells."""
        played_s = last_s + (1 / info.fps if info.fps else interval_s)
        told_s = info.duration_s if info.video_end_s is None else info.video_end_s
        missing_s = (told_s or 0.0) - max(played_s, info.sound_s)
        if missing_s > CUT_SHORT_S:
            self._note = f"{clip} is cut off: it ends {missing_s:.1f} s before its header says"
            log.warning("%s", self._note)
            self._meter.dropped("cut_off", max(1, round(missing_s * info.fps)))
        self._timeline.end(played_s)


def _told(clip: Path, error: Exception) -> AnprError:
    """Return what is told of a clip's error, be it one that nobody expected."""
    if isinstance(error, AnprError):
        return error
    log.error("%s", clip, exc_info=error)
    return program_fault(str(clip), error)
