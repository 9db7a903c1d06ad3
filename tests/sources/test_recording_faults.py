"""Recordings that are damaged, foreign or several: told in one line, and the rest is played."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import AnprError, SourceError
from anpr_stream.sources import open_source, probe, recording
from anpr_stream.sources.gst_player import Playback
from anpr_stream.sources.locate import locate
from anpr_stream.sources.session import EndOfStream, Picture, Session, StreamInfo
from anpr_stream.types import Frame, SourceState, SourceStatus
from tests.media import FPS, number_in, render, stamp, tag_date, wait_for_end

PLAIN = SourceSettings()


def fault(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        list(open_source(str(path), PLAIN, "cam").frames())
    assert "\n" not in caught.value.message
    return caught.value


def cut(clip: Path, keep: float) -> Path:
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * keep)])
    return clip


def write_text(path: Path) -> None:
    path.write_text("this is a text file, whatever its name says\n" * 99)


def write_noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 99)


def write_sound(path: Path) -> None:
    from anpr_stream.sources.gst_runtime import Gst

    sound = f'audiotestsrc num-buffers=20 ! audioconvert ! avenc_aac ! mp4mux ! filesink location="{path}"'
    pipeline = Gst.parse_launch(sound)
    pipeline.set_state(Gst.State.PLAYING)
    wait_for_end(pipeline)


def write_headless(path: Path) -> None:
    """An mp4 whose index would have come last and never did."""
    render(path.with_suffix(".mov"), frames=20).rename(path)
    cut(path, 0.7)


def write_foreign(path: Path) -> None:
    """A container that is well known around a codec that nobody knows."""
    clip = render(path.with_suffix(".avi"), "mjpeg", frames=5)
    clip.write_bytes(clip.read_bytes().replace(b"MJPG", b"ZZZZ"))
    clip.rename(path)


@pytest.mark.parametrize(
    ("write", "slug", "words"),
    [
        (Path.touch, "source-empty", "is empty"),
        (write_text, "source-not-video", "is no video"),
        (write_noise, "source-not-video", "is no video"),
        (write_sound, "source-no-video", "has no video track (it holds audio/mpeg)"),
        (write_headless, "source-damaged", "was the recording cut off before it was closed?"),
        (write_foreign, "source-codec", "gstreamer1.0-libav"),
    ],
    ids=["empty", "text", "noise", "sound only", "no index", "unknown codec"],
)
def test_what_cannot_be_played_says_why(
    tmp_path: Path, write: Callable[[Path], None], slug: str, words: str
) -> None:
    path = tmp_path / "clip.mp4"
    write(path)
    error = fault(path)
    assert error.reason_slug == slug
    assert error.message.startswith(str(path))
    assert words in error.message


@pytest.mark.parametrize("attempt", range(10))
def test_sound_only_is_told_whenever_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    """Nobody reads the file for a moment while a demuxer takes over, and before its error comes."""
    monkeypatch.setattr(recording, "POLL_S", 0.0005)
    path = tmp_path / f"clip{attempt}.mp4"
    write_sound(path)
    assert fault(path).reason_slug == "source-no-video"


@pytest.mark.parametrize("attempt", range(10))
def test_a_broken_index_never_hangs(tmp_path: Path, attempt: int) -> None:
    """parsebin swallows the error now and then; whether it does is a race."""
    path = tmp_path / f"clip{attempt}.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\xff\xffmdat" + bytes(900))
    assert fault(path).reason_slug in ("source-damaged", "source-not-video", "source-no-video")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_a_cut_off_clip_is_played_up_to_there(tmp_path: Path, suffix: str) -> None:
    clip = cut(render(tmp_path / f"clip{suffix}", "mjpeg" if suffix == ".avi" else "h264", frames=60), 0.6)
    source = open_source(str(clip), PLAIN, "cam")
    numbers = [number_in(frame) for frame in source.frames()]
    assert numbers == list(range(len(numbers)))
    assert 10 < len(numbers) < 50
    assert source.status().state is SourceState.ENDED
    if suffix in (".mp4", ".mkv"):  # the others' headers do not say how long they should be
        assert "is cut off" in source.status().reason
        assert source.status().dropped["cut_off"] == pytest.approx(60 - len(numbers), abs=2)


def test_damage_in_the_middle_does_not_end_a_clip(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.ts", frames=60)
    data = bytearray(clip.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    clip.write_bytes(data)
    frames = list(open_source(str(clip), PLAIN, "cam").frames())
    assert len(frames) > 45
    assert frames[-1].pts_s > 5


def drive(folder: Path, **settings: object) -> list[Frame]:
    source = open_source(str(folder), SourceSettings(**settings), "cam")  # type: ignore[arg-type]
    return list(source.frames())


def test_a_folder_is_one_drive(tmp_path: Path) -> None:
    for order, name in enumerate(["clip2.avi", "clip10.avi", "clip11.avi"]):
        render(tmp_path / name, "mjpeg", frames=10, first=10 * order)
    frames = drive(tmp_path)
    assert [number_in(frame) for frame in frames] == list(range(30))
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.pts_s for frame in frames] == pytest.approx(
        [number / FPS for number in range(30)], abs=0.01
    )
    assert {frame.segment for frame in frames} == {0}
    start_s = frames[0].utc_s - frames[0].pts_s
    assert all(frame.utc_s - frame.pts_s == pytest.approx(start_s) for frame in frames)


def test_probe_estimates_a_whole_drive(tmp_path: Path) -> None:
    for order, frames in enumerate((10, 20, 10)):
        render(tmp_path / f"{order}.avi", "mjpeg", frames=frames)
    info = probe(str(tmp_path), PLAIN)
    assert info.frames == pytest.approx(40, abs=6)
    assert info.duration_s == pytest.approx(4.0, abs=0.6)


def test_every_nth_counts_over_the_whole_drive(tmp_path: Path) -> None:
    for order in range(3):
        render(tmp_path / f"{order}.avi", "mjpeg", frames=5, first=5 * order)
    assert [number_in(frame) for frame in drive(tmp_path, every=4)] == [0, 4, 8, 12]


def test_times_rise_from_clip_to_clip_at_a_variable_rate(tmp_path: Path) -> None:
    for order in range(3):
        render(tmp_path / f"{order}.mkv", fps=0, times_s=[0.0, 0.1, 0.15], first=3 * order)
    frames = drive(tmp_path)
    assert [number_in(frame) for frame in frames] == list(range(9))
    steps_s = [later.pts_s - sooner.pts_s for sooner, later in pairwise(frames)]
    assert steps_s == pytest.approx([0.1, 0.05] + 2 * [0.05, 0.1, 0.05], abs=0.002)


def test_times_rise_over_clips_of_single_pictures(tmp_path: Path) -> None:
    for order in range(3):
        render(tmp_path / f"{order}.mkv", fps=0, times_s=[0.0])
    times_s = [frame.pts_s for frame in drive(tmp_path)]
    assert times_s == sorted(set(times_s))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_sound_that_outlasts_the_pictures_is_no_cut(tmp_path: Path, suffix: str) -> None:
    source = open_source(str(render(tmp_path / f"clip{suffix}", frames=10, sound=True)), PLAIN, "cam")
    assert len(list(source.frames())) == 10
    assert source.status().dropped == {}


def test_a_gap_between_clips_cuts_the_drive(tmp_path: Path) -> None:
    day_s = 1_700_000_000
    for name, after_s in (("1.mp4", 0), ("2.mp4", 1), ("3.mp4", 5), ("4.mp4", 4000)):
        stamp(render(tmp_path / name, frames=10), day_s + after_s)
    frames = drive(tmp_path)
    firsts = frames[::10]
    assert [frame.segment for frame in firsts] == [0, 0, 0, 1]
    assert [frame.utc_s - day_s for frame in firsts] == pytest.approx([0, 1, 5, 4000], abs=0.3)
    assert [frame.pts_s for frame in firsts] == pytest.approx([0, 1, 5, 4000], abs=0.3)


def test_a_told_start_moves_the_whole_drive(tmp_path: Path) -> None:
    for name, after_s in (("1.mp4", 0), ("2.mp4", 100)):
        stamp(render(tmp_path / name, frames=10), 1_700_000_000 + after_s)
    frames = drive(tmp_path, start_time="2024-05-01T12:00:00+02:00")
    assert frames[0].utc_s == pytest.approx(1_714_557_600, abs=0.3)
    assert frames[10].utc_s - frames[0].utc_s == pytest.approx(100, abs=0.3)


def test_a_bad_clip_in_a_drive_is_skipped_and_counted(tmp_path: Path) -> None:
    render(tmp_path / "1.avi", "mjpeg", frames=5)
    write_text(tmp_path / "2.avi")
    (tmp_path / "3.avi").touch()
    render(tmp_path / "4.avi", "mjpeg", frames=5, first=5)
    source = open_source(str(tmp_path), PLAIN, "cam")
    assert [number_in(frame) for frame in source.frames()] == list(range(10))
    status = source.status()
    assert status.dropped == {"unplayable_clip": 2}
    assert status.state is SourceState.ENDED
    assert "3.avi is empty" in status.reason


@pytest.mark.parametrize(
    ("date", "utc_s"),
    [
        ("2020-05-01T10:30", 1_588_329_000.0),
        ("2020-05-01T10:30+02:00", 1_588_321_800.0),
        ("2020-05-01T10:30:07.5Z", 1_588_329_007.5),
    ],
)
def test_a_date_tag_may_leave_out_its_seconds(tmp_path: Path, date: str, utc_s: float) -> None:
    clip = tag_date(render(tmp_path / "clip.mov", frames=5), date)
    frames = list(open_source(str(clip), PLAIN, "cam").frames())
    assert len(frames) == 5
    assert frames[0].utc_s - frames[0].pts_s == pytest.approx(utc_s, abs=0.001)


class Faulty:
    """A session that meets a fault of the program after so many pictures."""

    def __init__(self, session: Session, pictures: int) -> None:
        self._session = session
        self._left = pictures

    def pull(self, limit_s: float) -> Picture | None:
        picture = self._session.pull(limit_s)
        self._left -= picture is not None
        if self._left < 0:
            raise ZeroDivisionError("nobody thought of that")
        return picture

    def info(self) -> StreamInfo:
        return self._session.info()

    def close(self) -> None:
        self._session.close()


def drive_with_a_fault(folder: Path, pictures: int) -> tuple[list[int], SourceStatus]:
    """Play three clips of which the second meets a fault; return the numbers seen and the last status."""
    clips = [render(folder / f"{order}.avi", "mjpeg", frames=5, first=5 * order) for order in range(3)]

    def play(clip: Path) -> Session:
        session = Playback(locate(str(clip), PLAIN), PLAIN)
        return Faulty(session, pictures) if clip == clips[1] else session

    source = recording.RecordingSource("cam", tuple(clips), PLAIN, play)
    frames = list(source.frames())
    times_s = [frame.pts_s for frame in frames]
    assert times_s == sorted(set(times_s))
    return [number_in(frame) for frame in frames], source.status()


def test_a_fault_of_the_program_costs_one_clip_of_a_drive(tmp_path: Path) -> None:
    numbers, status = drive_with_a_fault(tmp_path, pictures=0)
    assert numbers == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert status.dropped == {"unplayable_clip": 1}
    assert "1.avi: fault of the program: ZeroDivisionError" in status.reason


def test_a_fault_of_the_program_in_mid_clip_keeps_what_came_before(tmp_path: Path) -> None:
    numbers, status = drive_with_a_fault(tmp_path, pictures=3)
    assert numbers == [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14]
    assert status.state is SourceState.ENDED


def test_a_lone_clip_with_a_fault_of_the_program_fails(tmp_path: Path) -> None:
    clip = render(tmp_path / "clip.avi", "mjpeg", frames=5)
    source = recording.RecordingSource(
        "cam", (clip,), PLAIN, lambda path: Faulty(Playback(locate(str(path), PLAIN), PLAIN), 0)
    )
    with pytest.raises(AnprError, match="fault of the program") as caught:
        list(source.frames())
    assert caught.value.reason_slug == "internal"


def test_a_drive_of_bad_clips_fails(tmp_path: Path) -> None:
    write_text(tmp_path / "1.avi")
    write_noise(tmp_path / "2.avi")
    source = open_source(str(tmp_path), PLAIN, "cam")
    with pytest.raises(SourceError, match=r"1\.avi is no video"):
        list(source.frames())
    assert source.status().state is SourceState.FAILED
    assert "1.avi is no video" in source.status().reason


@pytest.mark.parametrize("keep", [0.04, 0.1, 0.15])
def test_a_header_without_pictures_is_told(tmp_path: Path, keep: float) -> None:
    assert fault(cut(render(tmp_path / "clip.mkv", frames=20), keep)).reason_slug == "source-damaged"


def test_a_video_that_ends_before_its_first_picture_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anpr_stream.sources.gst_player import Player

    def end(*_: object) -> None:
        raise EndOfStream

    clip = render(tmp_path / "clip.mkv", frames=3)
    monkeypatch.setattr(Player, "pull", end)
    assert "holds no picture" in fault(clip).message
    with pytest.raises(SourceError, match=r"clip\.mkv holds no picture"):
        probe(str(clip), PLAIN)


def test_probe_says_why_not(tmp_path: Path) -> None:
    write_text(tmp_path / "clip.mp4")
    with pytest.raises(SourceError, match=r"clip\.mp4 is no video"):
        probe(str(tmp_path / "clip.mp4"), PLAIN)


def test_without_gstreamer_the_packages_are_named(tmp_path: Path) -> None:
    """In a process of its own, where PyGObject cannot be imported."""
    (tmp_path / "gi").mkdir()
    (tmp_path / "gi" / "__init__.py").write_text("raise ImportError('no gi here')\n")
    (tmp_path / "clip.mp4").write_bytes(b"x")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from anpr_stream.config.source import SourceSettings\n"
        "from anpr_stream.sources import open_source\n"
        f"open_source({str(tmp_path / 'clip.mp4')!r}, SourceSettings(), 'cam')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert "GStreamer for Python is missing (no gi here)" in last
    assert "sudo apt install python3-gi" in last


def test_a_missing_element_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from anpr_stream.sources import gst_runtime

    monkeypatch.setattr(gst_runtime.Gst.ElementFactory, "make", lambda *_: None)
    with pytest.raises(SourceError, match=r"videoflip is missing: .*gstreamer1\.0-plugins-good"):
        gst_runtime.make("videoflip")
