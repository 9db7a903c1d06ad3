import json
from pathlib import Path

from anpr_stream.inference.models import shipped_models
from anpr_stream.outputs.video import find_encoder
from tests.cli.command import Command


def test_the_doctor_names_engine_and_gstreamer(anpr_stream: Command, stubs: Path) -> None:
    answer = anpr_stream("doctor", "-c", stubs)
    assert answer.exit_code == 0, answer.out
    assert "gstreamer: GStreamer 1." in answer.out
    assert "stub-detector.onnx: onnxruntime fp32 cpu" in answer.out


def test_the_doctor_notes_what_only_some_need(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(f"{stubs.read_text()}\nsource: {{decoder: jpegdec}}\n")
    answer = anpr_stream("doctor", "-c", config)
    assert answer.exit_code == 0, answer.out
    assert "note    H.265 cameras: no decoder for H.265 (jpegdec" in answer.out
    answer = anpr_stream("doctor", "-c", stubs)
    assert "ok      H.264 cameras: " in answer.out
    assert f"ok      annotated video: {find_encoder()}" in answer.out


def test_the_doctor_looks_at_a_source(anpr_stream: Command, clip: Path, stubs: Path) -> None:
    answer = anpr_stream("doctor", clip, "-c", stubs)
    assert answer.exit_code == 0, answer.out
    assert "source: 640x360" in answer.out
    assert "H.264" in answer.out
    assert "45 in 45 frames, 32 to 32 px high" in answer.out


def test_the_doctor_says_what_is_wrong(anpr_stream: Command, stubs: Path, tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(stubs.read_text().replace("stub-reader", "no-reader"))
    answer = anpr_stream("doctor", "/no/such/clip.mp4", "-c", config)
    assert answer.exit_code == 1
    missing = [line for line in answer.out.splitlines() if line.startswith("missing")]
    assert len(missing) == 2
    assert "no-reader.onnx" in missing[0]


def test_the_networks_that_ship_are_listed(anpr_stream: Command) -> None:
    answer = anpr_stream("models", "--json")
    assert answer.exit_code == 0, answer.out
    rows = json.loads(answer.out)
    assert [row["name"] for row in rows] == [entry.path.stem for entry in shipped_models()]
    assert all(row["kind"] in ("detector", "reader", "characters") for row in rows)
    table = anpr_stream("models")
    assert all(row["sha256"] in table.out for row in rows)


def test_a_recording_is_timed(anpr_stream: Command, clip: Path, stubs: Path) -> None:
    answer = anpr_stream("bench", clip, "-c", stubs, "--json")
    assert answer.exit_code == 0, answer.err
    speed = json.loads(answer.out)
    assert speed["frames"] == 45
    assert speed["engines"] == "onnxruntime fp32 cpu"
    assert min(speed["whole_fps"], speed["decode_fps"], speed["detect_ms"], speed["read_ms"]) > 0
    assert "of the slowest stage alone" in anpr_stream("bench", clip, "-c", stubs).out


def test_a_camera_is_not_timed(anpr_stream: Command, stubs: Path) -> None:
    answer = anpr_stream("bench", "rtsp://127.0.0.1:1/x", "-c", stubs)
    assert answer.is_one_line_error(2, "bench times recordings")
