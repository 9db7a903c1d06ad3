"""What an option does not take ends in a line that names it, before any work."""

from argparse import ArgumentTypeError
from importlib import import_module
from pathlib import Path

import pytest

from tests.tools.command_line import check_names_wrong_option
from tools.options import ToolParser, one_of, plot, positive, several, share, size, whole

RENDER = "--count 1 --seed 1 --out out"
CLIP = "tools.render_clip --out clip.mp4"
SCENES = f"tools.render_scenes {RENDER} --pictures pictures"


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (whole(), "0", 0),
        (whole(1, 100), "100", 100),
        (share, "1", 1.0),
        (positive, "1e-3", 0.001),
        (size, "1280x720", (1280, 720)),
        (several(whole(1)), "1,2", (1, 2)),
        (one_of(("a", "b")), "b", "b"),
        (plot, "a.PNG", Path("a.PNG")),
    ],
)
def test_what_fits_is_taken(parser, text, value):
    assert parser(text) == value


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (whole(), "-1"),
        (whole(), "1.5"),
        (whole(), str(2**64)),
        (share, "1.01"),
        (share, "nan"),
        (positive, "0"),
        (positive, "inf"),
        (size, "1280"),
        (size, "0x0"),
        (size, "1280x"),
        (several(whole(1)), "1,,2"),
        (one_of(("a", "b")), "c"),
        (plot, "plot"),
    ],
)
def test_what_does_not_fit_is_told_as_it_was_typed(parser, text):
    with pytest.raises(ArgumentTypeError, match="|".join(text.split(","))):
        parser(text)


@pytest.mark.parametrize(
    "line",
    [
        "tools.benchmark.__main__ --parts pipeline",
        "tools.benchmark.__main__ --threads x",
        "tools.benchmark.__main__ --budget-s -1",
        "tools.benchmark.__main__ --seconds 0",
        "tools.calibrate_fusion --data data --limit 0",
        "tools.convert_labels csv a.csv jsonl b.jsonl --val 20",
        "tools.evaluate characters --data data --precision half",
        "tools.evaluate detection --data data --backend tpu",
        "tools.evaluate detection --data data --input-px 0",
        "tools.evaluate detection --data data --coarse-px -1",
        "tools.evaluate detection --data data --threshold 5",
        "tools.evaluate reading --data data --margins a",
        "tools.evaluate reading --data data --reliability plot",
        "tools.gpu.check --seconds 0",
        "tools.kmeans_anchors --data data --count 0",
        "tools.kmeans_anchors --data data --width 0",
        "tools.kmeans_anchors --data data --plot plot.xyz",
        "tools.load --cameras 0",
        "tools.load --loads 1 -2",
        "tools.pack_data reader data out --limit-mb 0",
        f"{CLIP} --size 1280",
        f"{CLIP} --size 0x0",
        f"{CLIP} --seconds 0",
        f"tools.render_plates {RENDER} --workers 0",
        f"tools.render_plates {RENDER} --quality 0",
        f"tools.render_plates {RENDER} --seed -1",
        f"{SCENES} --count -1",
        f"{SCENES} --workers 0",
        "tools.soak.__main__ --folder folder --cameras 0",
        "tools.splice_plates a.pack --pretrained r.pt --seed 1 --out out --count 0",
        "tools.validate_dataset data --count -1",
        "tools.watch_memory clip.mp4 --every-s 0",
    ],
)
def test_every_tool_names_the_option_that_is_wrong(line, capsys):
    check_names_wrong_option(line, capsys)


@pytest.mark.parametrize("module", ["tools.compile_kernels", "tools.manual"])
def test_whoever_asks_for_help_gets_nothing_else(module, capsys):
    with pytest.raises(SystemExit) as ended:
        import_module(module).main(["--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {module}")


def test_a_clip_without_a_frame_is_told(tmp_path, capsys):
    words = ["--out", str(tmp_path / "clip.mp4"), "--size", "64x64", "--fps", "1", "--seconds", "0.1"]
    assert import_module("tools.render_clip").main(words) == 2
    assert "no frame; ask for more --seconds" in capsys.readouterr().err


def test_more_than_all_pictures_for_val_and_test_is_refused(tmp_path, capsys):
    words = ["csv", "a.csv", "jsonl", str(tmp_path / "b.jsonl"), "--val", "0.6", "--test", "0.5"]
    assert import_module("tools.convert_labels").main(words) == 2
    assert "--val and --test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("--seed", {"default": 0}, "the same number gives the same result (default: 0)"),
        ("--seed", {"required": True}, "the same number gives the same result"),
        ("--loads", {"nargs": "+", "default": [0.5, 1.0]}, "default: 0.5 1.0"),
        (
            "--size",
            {"type": size, "default": (1280, 720), "help": "in pixels"},
            "in pixels (default: 1280x720)",
        ),
        ("--split", {"help": "default: val"}, "default: val"),
        ("--only", {"action": "append", "default": [], "help": "10 %% of them"}, "10 % of them"),
        ("--calm", {"action": "store_true", "help": "let nothing fail"}, "let nothing fail"),
    ],
)
def test_help_tells_meaning_and_default(name, options, says):
    parser = ToolParser("tool", "What it does.")
    parser.add_argument(name, **options)
    for _ in range(2):
        told = " ".join(parser.format_help().split("exit", 1)[1].split())
        assert told.endswith(says)
