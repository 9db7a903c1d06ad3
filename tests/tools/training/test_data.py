"""Plates of a pack, drawn with weights and made into batches."""

from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import torch

from tools.training.data import (
    MAX_LENGTH,
    UNKNOWN_SPLIT,
    ReaderStream,
    Source,
    background_bank,
    encode_texts,
    first_line_length,
    left_out,
    load_plates,
    plain_batch,
    sampling_weights,
    stream_batches,
)
from tools.training.packs import Pack, encode, write_pack


def record(text="AB12", lines=1, country="tw", split="train", **more):
    place = {"box": [10, 5, 50, 25], "quad": None, "aspect": 2.0, "height_px": 30.0, "vehicle": None}
    return {"text": text, "lines": lines, "country": country, "split": split, **place, **more}


@pytest.fixture
def pack(tmp_path) -> Pack:
    records = [
        record(),
        record("XY9", split="val"),
        record("Ä1"),
        record("7" * 13),
        record("ZZ8", country="us"),
    ]
    picture = encode(np.full((30, 60, 3), 90, np.uint8), 101)
    return write_pack(tmp_path / "p.pack", "reader", [(entry, picture) for entry in records])


def test_only_plates_of_the_split_that_can_be_spelled_are_loaded(pack):
    assert [entry["text"] for entry in load_plates(pack, ["train"]).records] == ["AB12", "ZZ8"]
    assert [entry["text"] for entry in load_plates(pack, ["val"]).records] == ["XY9"]
    assert len(load_plates(pack, ["train", "val"], some=2)) == 2


def test_what_cannot_be_spelled_is_counted_by_reason(pack):
    told = "1 are longer than 12 characters, 1 have other characters than 0-9 and A-Z"
    assert left_out(pack) == f"left out 2 plates whose texts the reader cannot spell: {told}"
    assert left_out(replace(pack, records=[record()])) == ""


def test_boxes_follow_the_picture_to_its_stored_size(pack):
    plates = load_plates(pack, ["train"])
    assert plates.pictures.shape == (2, 96, 192, 3)
    assert plates.boxes[0, 2] == pytest.approx([50 * 192 / 60, 25 * 96 / 30])
    assert np.isnan(plates.quads).all()
    assert plates.plate(0, rectified=True).corners == pytest.approx(plates.boxes[0])


@pytest.mark.parametrize(
    ("entry", "length"),
    [
        (record("AB12"), 4),
        (record("59F168564", lines=2, country="vn"), 4),
        (record("67M59687", lines=2, country="vn", vehicle="motorcycle"), 4),
        (record("67M59687", lines=2, country="vn"), UNKNOWN_SPLIT),
        (record("KA01AG6756", lines=2, country="in"), UNKNOWN_SPLIT),
        (record("KA01AG6756", lines=2, country="in", first_line=4), 4),
    ],
)
def test_the_first_line_is_told_only_where_the_text_tells_it(entry, length):
    assert first_line_length(entry) == length


def test_temperature_lifts_rare_countries_and_shared_texts_share():
    records = [record(f"A{index}") for index in range(90)] + [
        record(f"B{index}", country="fr") for index in range(10)
    ]
    by_number, alike = sampling_weights(records, 1.0), sampling_weights(records, 0.0)
    assert by_number[90:].sum() == pytest.approx(0.1)
    assert alike[90:].sum() == pytest.approx(0.5)
    assert sampling_weights(records, 0.5)[90:].sum() == pytest.approx(0.25)
    same = sampling_weights([record("VAIN"), record("VAIN"), record("OTHER")], 1.0)
    assert same == pytest.approx([0.25, 0.25, 0.5])


def test_texts_become_codes_with_their_lengths():
    targets, lengths, splits = encode_texts([record("0Z"), record("59F168564", lines=2, country="vn")])
    assert targets[0].tolist() == [1, 36] + [0] * (MAX_LENGTH - 2)
    assert lengths.tolist() == [2, 9]
    assert splits.tolist() == [2, 4]


def stream(pack: Pack, seed: int) -> ReaderStream:
    plates = load_plates(pack, ["train"])
    source = Source(plates, sampling_weights(plates.records, 1.0), 1.0)
    return ReaderStream([source], background_bank(plates, 1, 6), 5, seed, gentle_samples=100)


def compare_workers_with_the_process_itself(pack):
    own = next(stream_batches(stream(pack, 3), workers=0, pin=False))
    made = next(stream_batches(stream(pack, 3), workers=1, pin=False))
    assert own.pictures.shape == (5, 64, 128, 3)
    assert len(own) == 5
    assert np.array_equal(own.pictures.numpy(), made.pictures.numpy())
    assert own.targets.tolist() == made.targets.tolist()


def test_batches_come_from_workers_as_from_the_process_itself(pack):
    # Workers are forked, which a process that other tests have filled with threads does not survive.
    process = get_context("spawn").Process(target=compare_workers_with_the_process_itself, args=(pack,))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_shares_of_sources_are_kept(pack):
    plates = load_plates(pack, ["train"])
    only_first = Source(plates, np.array([1.0, 0.0]), 0.0)
    only_second = Source(plates, np.array([0.0, 1.0]), 1.0)
    mixed = ReaderStream([only_first, only_second], background_bank(plates, 1, 6), 8, 1, 0)
    assert set(next(iter(mixed)).lengths.tolist()) == {3}


def test_two_views_of_each_plate_follow_each_other(pack):
    plates = load_plates(pack, ["train"])
    source = Source(plates, sampling_weights(plates.records, 1.0), 1.0)
    batch = next(iter(ReaderStream([source], background_bank(plates, 1, 6), 8, 1, 0, views=2)))
    assert batch.pictures.shape == (8, 64, 128, 3)
    assert batch.targets[:4].tolist() == batch.targets[4:].tolist()
    assert not torch.equal(batch.pictures[:4], batch.pictures[4:])


def test_validation_batches_are_not_augmented(pack):
    plates = load_plates(pack, ["train"])
    assert (plain_batch(plates, [0, 1], 0.1).pictures == 90).all()
