import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anpr_stream.config.schema import Settings
from anpr_stream.errors import UsageError
from anpr_stream.testing import make_plate, make_read
from anpr_stream.types import Crop, CropQuality, Detection, Event, EventKind, Moment, Read
from tests.outputs.events import make_event
from tests.pipeline.fakes import make_frame
from tests.stubs import TEXT, write_clip, write_networks
from tools.evaluate import main
from tools.evaluation.video import Clip, Figures, Seen, TrueVisit, judge, load_clips

VISIT = TrueVisit("AB12CDE", 1.0, 3.0)


def event(
    text: str | None,
    kind: EventKind = EventKind.FINAL,
    first_s: float = 1.0,
    last_s: float = 3.0,
    visit: str = "v",
) -> Event:
    made = make_event(plate=make_plate(text) if text else None, kind=kind)
    return replace(
        made, visit_id=visit, first_seen=Moment(first_s, first_s), last_seen=Moment(last_s, last_s)
    )


def clip(*visits: TrueVisit, is_complete: bool = True) -> Clip:
    return Clip(Path("a.mp4"), 60.0, is_complete, visits)


def figures(made: Clip, *events: Event, reads: dict[int, list[tuple[Crop, Read]]] | None = None) -> Figures:
    return judge(made, Seen(list(events), reads or {}), Settings())


def track(*texts: str, pts_s: float = 2.0) -> list[tuple[Crop, Read]]:
    frame = replace(make_frame(0), pts_s=pts_s)
    quality = CropQuality(30.0, 0.8, False)
    crop = Crop(np.zeros((1, 1, 3), np.uint8), Detection((0, 0, 1, 1), 0.9), quality, frame, 1)
    return [(crop, make_read(text, confidence)) for text, confidence in map(_sure, texts)]


def _sure(text: str) -> tuple[str, float]:
    """`AB12:0.9` is a read of AB12 that is 90 % sure."""
    name, _, confidence = text.partition(":")
    return name, float(confidence or 0.9)


def test_a_right_visit_counts_as_found_and_exact_with_its_delay() -> None:
    found = figures(clip(VISIT), event("AB12CDE", EventKind.NEW, last_s=1.4), event("AB12CDE"))
    assert (found.visits, found.found, found.exact, found.false) == (1, 1, 1, [])
    assert found.delays_s == [pytest.approx(0.4)]


def test_a_visit_that_is_almost_right_is_found_but_not_exact() -> None:
    found = figures(clip(VISIT), event("AB12CDF"))
    assert (found.found, found.exact, found.delays_s) == (1, 0, [])


def test_an_unread_event_finds_a_visit_without_its_text() -> None:
    found = figures(clip(VISIT), event(None))
    assert (found.found, found.exact, found.false) == (1, 0, [])


def test_another_text_is_a_false_visit() -> None:
    found = figures(clip(VISIT), event("XYZ999"))
    assert (found.found, found.false) == (0, ["XYZ999"])


def test_the_right_text_at_the_wrong_time_is_a_false_visit() -> None:
    found = figures(clip(VISIT), event("AB12CDE", first_s=20.0, last_s=21.0))
    assert (found.found, found.false) == (0, ["AB12CDE"])


def test_a_second_visit_with_the_same_text_is_a_duplicate() -> None:
    found = figures(clip(VISIT), event("AB12CDE", visit="v1"), event("AB12CDE", visit="v2"))
    assert (found.exact, found.duplicates, found.false) == (1, 1, [])


def test_events_at_an_unreadable_visit_and_in_an_incomplete_clip_are_not_judged() -> None:
    unreadable = TrueVisit(None, 10.0, 12.0)
    found = figures(clip(VISIT, unreadable), event("ZZZ111", first_s=10.0, last_s=11.0))
    assert (found.unjudged, found.false, found.visits) == (1, [], 1)
    found = figures(clip(VISIT, is_complete=False), event("ZZZ111"))
    assert (found.unjudged, found.false) == (1, [])


def test_the_nearer_of_two_visits_gets_the_event() -> None:
    other = TrueVisit("AB12XYZ", 1.0, 3.0)
    found = figures(clip(VISIT, other), event("AB12XYZ", visit="v1"), event("AB12CDE", visit="v2"))
    assert (found.found, found.exact) == (2, 2)


def test_three_ways_to_a_text_are_compared_on_the_same_tracks() -> None:
    reads = {
        1: track("AB12CDE:0.6", "AB12CDE:0.6", "AB12CDE:0.6", "A812CDE:0.95"),
        2: track("AB12CDE:0.9", "QQQQQQQ:0.3", "QQQQQQQ:0.3"),
        3: track("ZZZ999"),
    }
    found = figures(clip(VISIT), reads=reads)
    assert found.tracks == 2
    assert found.switches == 1
    assert found.right["best single read"] == 1
    assert found.right["most frequent"] == 1
    assert found.right["fused"] >= 1


def test_figures_add_up_and_are_printed() -> None:
    total = Figures()
    for _ in range(2):
        total.add(figures(clip(VISIT), event("AB12CDE"), event("XYZ999", visit="w")))
    text = "\n".join(total.lines())
    assert "read exactly                   2" in text
    assert "2 in 2.0 minutes (1.00 a minute) XYZ999 XYZ999" in text


def test_a_folder_without_labels_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.jsonl does not exist"):
        load_clips(tmp_path)


LINE = '{"video": "a.mp4", "fps": 25, "seconds": 4, "visits": [%s]}'


@pytest.mark.parametrize(
    ("labels", "only", "message"),
    [
        (b"{no json", "a.mp4", r"labels\.jsonl:2: Invalid JSON"),
        (b"[]", "a.mp4", r"labels\.jsonl:2: Input should be an object"),
        (b'{"video": "\xe4"}', "a.mp4", "not UTF-8"),
        ((LINE % "").replace("25", "0").encode(), "a.mp4", r":2: fps: Input should be greater than 0"),
        ((LINE % '{"text": "A"}').encode(), "a.mp4", r":2: visits\.0\.first_frame: Field required"),
        ((LINE % '{"text": 5, "first_frame": 0, "last_frame": 1}').encode(), "a.mp4", r"visits\.0\.text"),
        ((LINE % "").encode(), "b.mp4", r"no clip b\.mp4 in the labels; there are a\.mp4"),
        (b"", "a.mp4", r"no clip a\.mp4"),
        (b"", "", "the labels name no clip"),
    ],
)
def test_labels_and_names_that_cannot_be_used_end_in_one_line_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: bytes, only: str, message: str
) -> None:
    (tmp_path / "labels.jsonl").write_bytes(b"\xef\xbb\xbf\r\n" + labels + b"\r\n")
    assert main(["video", "--data", str(tmp_path), *(["--only", only] if only else [])]) == 2
    text = capsys.readouterr()
    assert text.out == ""
    assert re.match(f"evaluate: .*{message}.*\n$", text.err)


def test_a_rendered_clip_goes_through_the_whole_pipeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "gate.mp4")
    visits = [{"text": TEXT, "first_frame": 0, "last_frame": 44, "legible": True}]
    line = {"video": "gate.mp4", "fps": 30.0, "seconds": 1.5, "visits": visits, "complete": True}
    (tmp_path / "labels.jsonl").write_text(json.dumps(line) + "\n")
    settings = write_networks(tmp_path)
    assert main(["video", "--data", str(tmp_path), "--config", str(settings)]) == 0
    text = capsys.readouterr().out
    assert "gate.mp4: 1 exact and 1 found of 1, 0 false" in text
    assert "right on the same 1 tracks  fused 1, best single read 1, most frequent 1" in text
