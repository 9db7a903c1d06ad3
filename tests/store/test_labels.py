"""What comes out is read by the training tools themselves."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anpr_stream.outputs.schema import event_to_dict
from anpr_stream.store.corrections import Correction
from anpr_stream.store.history import Found
from anpr_stream.store.labels import LABELS, write_labels
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import StoredImage
from tests.store.pictures import PLATE, event_with_picture
from tools.training.detector_data import load_scenes, read_labels


def visit(snapshots: SnapshotFolder, text: str | None, name: str = "v1", hide_plate: bool = False) -> Found:
    """A visit whose pictures are stored, and what a person says of it."""
    one = event_with_picture(visit_id=name)
    rows = snapshots.store(one, hide_plate, hide_others=False)
    images = {role: StoredImage(row.path, row.sha256) for role, row in rows.items()}
    payload = event_to_dict(event_with_picture(visit_id=name, images=images))
    return Found(json.dumps(payload), "unlisted", None, Correction(text))


def test_a_corrected_visit_becomes_a_picture_to_train_on(tmp_path: Path) -> None:
    snapshots = SnapshotFolder(tmp_path / "snapshots", 90)
    said = visit(snapshots, "XY12ABC")
    counts = write_labels([said, Found(said.payload, "unlisted")], snapshots, tmp_path / "data" / "gate")
    assert counts == {"written": 1}
    ((_, line),) = read_labels(tmp_path / "data")
    assert line["plates"][0]["text"] == "XY12ABC"
    (scene,) = load_scenes(tmp_path / "data", line["split"]).scenes
    assert not scene.complete
    np.testing.assert_allclose(scene.boxes, [PLATE])
    assert scene.picture.shape == (180, 320, 3)


def test_all_visits_of_a_plate_are_in_one_split_and_some_are_kept_back(tmp_path: Path) -> None:
    snapshots = SnapshotFolder(tmp_path / "snapshots", 90)
    texts = [f"AB{number}" for number in range(40)] * 2
    visits = [visit(snapshots, text, f"v{number}") for number, text in enumerate(texts)]
    write_labels(visits, snapshots, tmp_path / "gate")
    lines = [json.loads(line) for line in (tmp_path / "gate" / LABELS).read_text().splitlines()]
    splits = {line["plates"][0]["text"]: line["split"] for line in lines}
    assert all(line["split"] == splits[line["plates"][0]["text"]] for line in lines)
    assert 0 < list(splits.values()).count("val") < 15


def test_what_gives_no_picture_is_counted_by_reason(tmp_path: Path) -> None:
    snapshots = SnapshotFolder(tmp_path / "snapshots", 90)
    gone, damaged = visit(snapshots, "AB12", "gone"), visit(snapshots, "AB12", "damaged")
    snapshots.delete([json.loads(gone.payload)["images"]["frame"]["path"]])
    path = snapshots.resolve(json.loads(damaged.payload)["images"]["frame"]["path"])
    assert path is not None
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    blurred = visit(snapshots, "AB12", "blurred", hide_plate=True)
    said = [gone, damaged, blurred, visit(snapshots, None, "none")]
    counts = write_labels(said, snapshots, tmp_path / "gate")
    assert counts == {"no_plate": 1, "no_picture": 2, "damaged_picture": 1}


def test_an_export_that_fails_leaves_no_labels(tmp_path: Path) -> None:
    snapshots = SnapshotFolder(tmp_path / "snapshots", 90)

    def visits() -> Iterator[Found]:
        yield visit(snapshots, "AB12")
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        write_labels(visits(), snapshots, tmp_path / "gate")
    assert not (tmp_path / "gate" / LABELS).exists()
