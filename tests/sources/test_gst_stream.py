"""Looking at a pipeline while its own threads change it."""

from __future__ import annotations

import threading

from anpr_stream.sources.gst_runtime import Gst
from anpr_stream.sources.gst_stream import every_element


def test_elements_are_counted_while_others_come_and_go() -> None:
    """PyGObject's own iteration gives up with an exception when that happens."""
    pipeline, is_over = Gst.Pipeline(), threading.Event()
    for _ in range(50):
        pipeline.add(Gst.ElementFactory.make("identity", None))

    def come_and_go() -> None:
        while not is_over.is_set():
            guest = Gst.ElementFactory.make("identity", None)
            pipeline.add(guest)
            pipeline.remove(guest)

    with_guests = threading.Thread(target=come_and_go)
    with_guests.start()
    counts = {len(every_element(pipeline)) for _ in range(1000)}
    is_over.set()
    with_guests.join()
    assert counts <= {50, 51}
