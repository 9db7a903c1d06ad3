import json

import cv2
import pytest

from tools.render_clip import main

LINE = ["--seed", "3", "--size", "320x180", "--fps", "10", "--seconds", "2", "--vehicles", "2"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_video_and_truth_belong_together(tmp_path, capsys, suffix):
    out = tmp_path / f"clip{suffix}"
    main([*LINE, "--out", str(out)])
    truth = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    video = cv2.VideoCapture(str(out))
    frames = 0
    while video.read()[0]:
        frames += 1
    assert frames == len(truth) == 20
    assert [line["pts_s"] for line in truth[:3]] == [0, 0.1, 0.2]
    seen = {plate["text"] for line in truth for plate in line["plates"]}
    assert capsys.readouterr().out.split() == sorted(seen)
    assert seen


def test_a_place_that_cannot_be_written_is_named(tmp_path, capsys):
    out = tmp_path / "clip.mp4"
    out.mkdir()
    assert main([*LINE, "--out", str(out)]) == 2
    assert f"render_clip: {out}: no video can be written there" in capsys.readouterr().err
