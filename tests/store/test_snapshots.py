from __future__ import annotations

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from anpr_stream.errors import StoreError
from anpr_stream.store.snapshots import SnapshotFolder
from tests.store.pictures import NEIGHBOUR, PLATE, event_with_picture


@pytest.fixture
def snapshots(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "snapshots", 90)


def contrast(path: Path, box: tuple[float, ...]) -> float:
    x1, y1, x2, y2 = map(int, box)
    return float(np.std(cv2.imread(str(path))[y1:y2, x1:x2]))


def test_the_stored_bytes_are_the_hashed_ones(snapshots: SnapshotFolder) -> None:
    stored = snapshots.store(event_with_picture(), hide_plate=False, hide_others=False)
    assert set(stored) == {"crop", "frame"}
    for row in stored.values():
        content = (snapshots.folder / row.path).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (row.sha256, row.bytes)


def test_the_frame_is_the_one_that_was_read(snapshots: SnapshotFolder) -> None:
    event = event_with_picture()
    row = snapshots.store(event, hide_plate=False, hide_others=False)["frame"]
    assert event.crop is not None
    wanted = event.crop.frame.planes.arrays[0].astype(int)
    assert np.abs(cv2.imread(str(snapshots.folder / row.path)).astype(int) - wanted).mean() < 8


@pytest.mark.parametrize(("hide_plate", "hide_others"), [(True, True), (False, True), (True, False)])
def test_hidden_plates_cannot_be_read(snapshots: SnapshotFolder, hide_plate: bool, hide_others: bool) -> None:
    stored = snapshots.store(event_with_picture(), hide_plate, hide_others)
    path = snapshots.folder / stored["frame"].path
    assert (contrast(path, PLATE) < 30) == hide_plate
    assert (contrast(path, NEIGHBOUR) < 30) == hide_others
    assert ("crop" in stored) != hide_plate
    assert contrast(path, (0, 150, 320, 180)) > 100


def test_a_cameras_name_may_be_longer_than_a_files(snapshots: SnapshotFolder) -> None:
    names = ("東" * 100, "東" * 99 + "西")
    rows = [snapshots.store(event_with_picture(camera=name), False, False)["crop"] for name in names]
    assert len({row.path for row in rows}) == 2
    assert all(snapshots.resolve(row.path) for row in rows)


def test_an_event_without_a_crop_stores_nothing(snapshots: SnapshotFolder) -> None:
    assert snapshots.store(event_with_picture(crop=None), False, False) == {}
    assert not snapshots.folder.exists()


@pytest.mark.parametrize("camera", ["../../etc", "..", "a/b", "Tor 1; rm -rf ~", "前門", ".hidden"])
def test_a_cameras_name_never_leaves_the_folder(snapshots: SnapshotFolder, camera: str) -> None:
    stored = snapshots.store(event_with_picture(camera=camera, visit_id=f"{camera}-1"), False, False)
    for row in stored.values():
        assert row.path.count("/") == 2
        assert snapshots.resolve(row.path) is not None


@pytest.mark.parametrize(
    "path", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "link.jpg", "", ".", "gone.jpg", "x\0.jpg"]
)
def test_paths_outside_are_refused(snapshots: SnapshotFolder, path: str) -> None:
    snapshots.folder.mkdir()
    secret = snapshots.folder.parent / "secret.jpg"
    secret.write_text("secret")
    (snapshots.folder / "link.jpg").symlink_to(secret)
    assert snapshots.resolve(path) is None


def test_empty_folders_go_with_their_pictures(snapshots: SnapshotFolder) -> None:
    stored = snapshots.store(event_with_picture(), False, False)
    snapshots.delete([row.path for row in stored.values()])
    snapshots.delete(["never/was/here.jpg"])
    assert list(snapshots.folder.iterdir()) == []


def test_old_files_are_found(snapshots: SnapshotFolder) -> None:
    rows = snapshots.store(event_with_picture(), False, False)
    os.utime(snapshots.folder / rows["crop"].path, (100, 100))
    assert list(snapshots.older_than(200)) == [rows["crop"].path]


def test_a_folder_that_cannot_be_written_is_named(snapshots: SnapshotFolder) -> None:
    snapshots.folder.write_text("in the way")
    with pytest.raises(StoreError, match="snapshots"):
        snapshots.store(event_with_picture(), False, False)


def test_a_picture_that_retention_takes_while_it_is_looked_for_is_gone(tmp_path: Path) -> None:
    class Racing(SnapshotFolder):
        def resolve(self, relative: str) -> Path | None:
            found = super().resolve(relative)
            self.delete([relative])
            return found

    row = SnapshotFolder(tmp_path, 90).store(event_with_picture(), hide_plate=False, hide_others=False)[
        "crop"
    ]
    assert SnapshotFolder(tmp_path, 90).read(row.path)
    assert Racing(tmp_path, 90).read(row.path) is None
