import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.demo.report import EXPECTED, contact_sheet, finals, main, report

FOLDER = Path(EXPECTED).parent


def final(text: str | None, crop: str) -> dict:
    return {
        "kind": "final",
        "text": text,
        "reason": None if text else "too_small",
        "confidence": 0.98 if text else None,
        "images": {"crop": {"path": crop, "sha256": ""}},
    }


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    (tmp_path / "snapshots").mkdir()
    cv2.imwrite(str(tmp_path / "snapshots" / "c.jpg"), np.full((30, 100, 3), 200, np.uint8))
    street = [{"kind": "new"}, final("KOM04404", "c.jpg"), final("ZZZ", "c.jpg"), final(None, "c.jpg")]
    for name, events in (("street", street), ("night", [final("217YH", "c.jpg")])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return tmp_path


def test_known_plates_stand_beside_those_read(demo: Path) -> None:
    lines = [line.split() for line in report(demo)[1:]]
    assert ["street", "KOM04404", "KOM04404"] in lines
    assert ["street", "9883MS", "-"] in lines
    assert ["street", "ZZZ"] in lines
    assert ["night", "217YH", "217YH"] in lines


def test_the_contact_sheet_holds_every_crop(demo: Path) -> None:
    events = finals(demo / "street.jsonl")
    assert contact_sheet(demo / "snapshots", events).shape == (200, 960, 3)
    assert contact_sheet(demo / "snapshots", events * 2).shape == (400, 960, 3)
    assert contact_sheet(demo / "snapshots", []).shape == (200, 320, 3)


def test_the_report_names_what_it_wrote(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(demo)])
    assert "contact_sheet.png" in capsys.readouterr().out
    assert (demo / "contact_sheet.png").is_file()


def test_every_clip_with_known_plates_is_there_and_small() -> None:
    clips = {path.stem: path.stat().st_size for path in FOLDER.glob("*.mp4")}
    assert clips.keys() == json.loads(EXPECTED.read_text()).keys()
    assert max(clips.values()) < 700_000
