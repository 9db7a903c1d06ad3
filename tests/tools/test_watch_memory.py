import subprocess
import sys
from pathlib import Path

import pytest

from tests.stubs import write_clip, write_networks
from tools.watch_memory import Sample, growth_mib, main, repeated, watch


def line(slope_mib_s: float, noise_mib: float = 0.0) -> list[Sample]:
    return [Sample(s, 300 + slope_mib_s * s + (noise_mib if s % 2 else -noise_mib)) for s in range(1, 101)]


def test_a_line_is_flat_or_grows() -> None:
    assert growth_mib(line(0.0, noise_mib=5)) == pytest.approx(0, abs=1)
    assert growth_mib(line(1.0)) == pytest.approx(75, abs=1)


def test_the_start_does_not_count() -> None:
    start = [Sample(s, 20.0 * s) for s in range(1, 20)]
    assert growth_mib(start + [Sample(s, 400) for s in range(20, 101)]) == pytest.approx(0, abs=0.1)


def test_memory_of_a_real_process_is_seen() -> None:
    hold = "import time; x = bytearray(b'1' * 80_000_000); time.sleep(0.5)"
    samples = list(watch([sys.executable, "-c", hold], 0.02))
    assert max(sample.mib for sample in samples) > 76


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        list(watch([sys.executable, "-c", "raise SystemExit(3)"], 0.02))


def test_a_clip_is_repeated_until_there_are_enough_frames(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=10)
    (tmp_path / "many").mkdir()
    assert repeated(clip, 25, tmp_path / "many") >= 25
    assert len(list((tmp_path / "many").iterdir())) == 3


def test_a_whole_run_is_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, settings = write_clip(tmp_path / "a.mp4", frames=30), write_networks(tmp_path)
    main([str(clip), "--frames", "60", "--config", str(settings), "--plot", str(tmp_path / "m.png")])
    assert "60 frames in " in capsys.readouterr().out
    assert (tmp_path / "m.png").stat().st_size > 1000


def test_a_clip_that_cannot_be_played_is_told_in_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "no.mp4")]) == 2
    assert capsys.readouterr().err.startswith("watch_memory: ")
