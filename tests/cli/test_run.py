import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import cv2
import pytest

from tests.cli.command import PROGRAM, ROOT, Command, in_own_process
from tests.stubs import TEXT, write_clip


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def frames_in(path: Path) -> int:
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.read()[0]:
        count += 1
    return count


def test_a_recording_gives_one_visit_on_standard_output(
    anpr_stream: Command, clip: Path, stubs: Path
) -> None:
    answer = anpr_stream("run", clip, "-c", stubs)
    assert answer.exit_code == 0, answer.err
    found = events(answer.out)
    assert [event["kind"] for event in found] == ["new", "final"]
    assert {event["text"] for event in found} == {TEXT}
    assert found[0]["camera"] == "gate"
    assert found[0]["visit_id"] == found[1]["visit_id"]
    assert found[0]["models"].keys() == {"stub-detector", "stub-reader"}
    assert "gate: 45 frames" in answer.err


def test_the_same_recording_gives_the_same_bytes(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        assert anpr_stream("run", clip, "-c", stubs, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert (tmp_path / "one.jsonl").stat().st_size > 100


def test_an_output_file_is_replaced(anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    for _ in range(2):
        assert anpr_stream("run", clip, "-c", stubs, "-o", path).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["text"] for row in rows] == [TEXT, TEXT]


def test_a_table_is_for_people(anpr_stream: Command, clip: Path, stubs: Path) -> None:
    answer = anpr_stream("run", clip, "-c", stubs, "--format", "table")
    assert TEXT in answer.out
    assert "{" not in answer.out


def test_annotated_video_and_snapshots(anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path) -> None:
    video, folder = tmp_path / "out.mp4", tmp_path / "snapshots"
    answer = anpr_stream("run", clip, "-c", stubs, "--annotate", video, "--snapshots", folder)
    assert answer.exit_code == 0, answer.err
    assert frames_in(video) == 45
    images = events(answer.out)[-1]["images"]
    assert set(images) == {"crop", "frame"}
    for image in images.values():
        assert sha256((folder / image["path"]).read_bytes()).hexdigest() == image["sha256"]
    assert cv2.imread(str(folder / images["frame"]["path"])).shape == (360, 640, 3)


def test_several_recordings_run_one_after_the_other(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    other = write_clip(tmp_path / "gate.mp4", frames=30)
    answer = anpr_stream("run", clip, other, "-c", stubs)
    assert [event["camera"] for event in events(answer.out)] == ["gate", "gate", "gate-2", "gate-2"]


def test_clips_of_a_drive_that_were_not_played_are_told(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "1.mp4").write_text("not a video")
    shutil.copy(clip, drive / "2.mp4")
    (drive / "3.mp4").touch()
    answer = anpr_stream("run", drive, "-c", stubs)
    assert answer.exit_code == 0, answer.err
    assert "drive: 45 frames" in answer.err
    assert f"; lost: 2 unplayable_clip ({drive / '3.mp4'} is empty)" in answer.err


def test_every_nth_frame_start_time_and_longest_duration(
    anpr_stream: Command, clip: Path, stubs: Path
) -> None:
    options = ("--every", "3", "--start-time", "2026-05-01T08:00:00+0200", "--max-duration", "1")
    answer = anpr_stream("run", clip, "-c", stubs, *options)
    assert "gate: 11 frames" in answer.err
    first = events(answer.out)[0]
    assert first["first_seen"]["utc"].startswith("2026-05-01T06:00:00.")
    assert all(event["pts_s"] <= 1 for event in events(answer.out))


def test_cameras_come_from_a_settings_file(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    config = tmp_path / "cameras.yaml"
    config.write_text(stubs.read_text() + f"cameras: {{north: {{url: {clip}}}}}\n")
    assert {event["camera"] for event in events(anpr_stream("run", "-c", config).out)} == {"north"}


def test_event_files_of_the_settings_are_written_too(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    config = tmp_path / "files.yaml"
    config.write_text(stubs.read_text() + f"files: [{{path: {tmp_path}/all.csv, format: csv}}]\n")
    assert len(events(anpr_stream("run", clip, "-c", config).out)) == 2
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 3


def test_what_only_the_daemon_serves_is_said(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path
) -> None:
    config = tmp_path / "outputs.yaml"
    config.write_text(stubs.read_text() + "lists: [{name: staff}]\n")
    answer = anpr_stream("run", clip, "-c", config)
    assert answer.exit_code == 0
    assert "are for 'anpr-stream serve'" in answer.err


@pytest.mark.parametrize("command", [["run"], ["bench", "--frames", "20"], ["doctor"]])
def test_a_source_takes_the_place_of_cameras_that_lists_and_outputs_name(
    anpr_stream: Command, clip: Path, stubs: Path, tmp_path: Path, command: list[str]
) -> None:
    config = tmp_path / "gate.yaml"
    zone = "{name: ramp, polygon: [[0, 0], [1, 0], [1, 1]]}"
    config.write_text(
        stubs.read_text()
        + f"cameras: {{gate: {{url: 'rtsp://gate/1', tracking: {{places: {{zones: [{zone}]}}}}}}}}\n"
        "lists: [{name: staff, cameras: [gate], zones: [ramp]}]\n"
        "outputs: [{type: webhook, name: hook, url: 'http://127.0.0.1:1', cameras: [gate]}]\n"
    )
    answer = anpr_stream(*command, clip, "-c", config)
    assert "Traceback" not in answer.err
    assert answer.exit_code == 0 or (command == ["doctor"] and "source: 640x360" in answer.out)


def test_a_scene_without_plates_gives_nothing(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    answer = anpr_stream("run", write_clip(tmp_path / "empty.mp4", plate=False), "-c", stubs)
    assert (answer.exit_code, answer.out) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name a source"),
        (["CLIP", "--format", "xml"], "'xml' is none of table, jsonl, csv"),
        (["CLIP", "--format", "table", "-o", "x.csv"], "goes to the terminal"),
        (["CLIP", "CLIP", "--annotate", "x.mp4"], "one video shows one source"),
        (["CLIP", "--backend", "abacus"], "--backend: "),
        (["CLIP", "--reader", "eyes"], "--reader: "),
    ],
)
def test_wrong_arguments_are_told_in_one_line(
    anpr_stream: Command, clip: Path, stubs: Path, arguments: list[str], text: str
) -> None:
    filled = [str(clip) if argument == "CLIP" else argument for argument in arguments]
    assert anpr_stream("run", *filled, "-c", stubs).is_one_line_error(2, text)


def test_an_unknown_plate_format_is_told_in_one_line(anpr_stream: Command, clip: Path, stubs: Path) -> None:
    answer = anpr_stream("run", clip, "-c", stubs, "--formats", "atlantis")
    assert answer.is_one_line_error(78, "no plate format called atlantis")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_file_leaves_what_was_found_and_a_video_that_plays(
    stubs: Path, tmp_path: Path, end: signal.Signals
) -> None:
    clip = write_clip(tmp_path / "long.mp4", frames=3000)
    video, output = tmp_path / "out.mp4", tmp_path / "events.jsonl"
    arguments = ["run", clip, "-c", stubs, "--annotate", video, "-o", output]
    process = subprocess.Popen([*PROGRAM, *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: output.is_file() and output.stat().st_size > 0, process)
    process.send_signal(end)
    _, told = process.communicate(timeout=100)
    assert process.returncode == 128 + end
    assert "Traceback" not in told
    found = events(output.read_text())
    assert found[-1]["kind"] == "final"
    assert found[-1]["text"] == TEXT
    assert 0 < frames_in(video) < 3000


def test_a_reader_of_the_events_that_goes_away_is_told_in_one_line(clip: Path, stubs: Path) -> None:
    receiving, sending = os.pipe()
    os.close(receiving)
    done = in_own_process("run", clip, "-c", stubs, stdout=sending)
    os.close(sending)
    assert done.exit_code == 73
    assert "standard output: cannot write: Broken pipe" in done.err
    assert "Exception ignored" not in done.err


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not happened():
        assert process.poll() is None, process.communicate()[1]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
