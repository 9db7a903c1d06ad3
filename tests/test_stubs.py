from pathlib import Path

import numpy as np

from anpr_stream.config.load import load_settings
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.types import Frame, PixelFormat, Planes
from anpr_stream.vision.crops import cut_crop
from tests.stubs import HEIGHT, TEXT, WIDTH, scene, write_networks


def test_the_stubs_find_and_read_what_was_drawn(tmp_path: Path) -> None:
    settings = load_settings(write_networks(tmp_path))
    with load_networks(settings) as networks:
        for index in range(0, 60, 7):
            planes = Planes(PixelFormat.BGR, (scene(index),))
            frame = Frame("gate", index, 0.0, 0.0, WIDTH, HEIGHT, planes)
            ((plate,),) = networks.detector.detect([frame])
            np.testing.assert_allclose(plate.box, (40 + 4 * index, 200, 104 + 4 * index, 232), atol=9)
            (read,) = networks.reader.read([cut_crop(frame, plate)])
            assert read.text == TEXT
        empty = Frame("gate", 0, 0.0, 0.0, WIDTH, HEIGHT, Planes(PixelFormat.BGR, (scene(None),)))
        assert networks.detector.detect([empty]) == [[]]
        assert networks.signature.backend.startswith("onnxruntime")
        assert [name for name, _ in networks.signature.models] == ["stub-detector", "stub-reader"]
