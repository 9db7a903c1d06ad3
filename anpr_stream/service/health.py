"""Is the daemon well? Rules over the cameras' and the store's states; time is an argument."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from anpr_stream.pipeline.camera import CameraStatus
from anpr_stream.types import SourceState, SourceStatus

STUCK_AFTER_S = 30.0
"""A camera that calls itself running shows a frame at least this often; its own watchdog is faster, so
that only a fault of ours lets it wait so long."""


def stuck_cameras(cameras: Mapping[str, CameraStatus], now_s: float) -> list[str]:
    """Return the cameras that neither make progress nor are in a known wait.

    Args:
        cameras: state by name.
        now_s: on the monotonic clock of `CameraStatus.progress_s`.
    """
    return [
        name
        for name, status in cameras.items()
        if status.source.state is SourceState.RUNNING and now_s - status.progress_s > STUCK_AFTER_S
    ]


def faults(
    cameras: Mapping[str, CameraStatus],
    lanes: Mapping[str, str],
    dead: Mapping[str, int],
    store_fault: str,
    now_s: float,
) -> Iterator[str]:
    """Yield one line for each thing that is wrong, worst first.

    Args:
        cameras: state by name.
        lanes: why receivers do not take events, by name; empty where they do.
        dead: number of events that each receiver refused for good.
        store_fault: why nothing can be stored, empty while it can.
        now_s: as in `stuck_cameras`.
    """
    if store_fault:
        yield f"store: {store_fault}"
    for name in stuck_cameras(cameras, now_s):
        yield f"{name}: no frame for {now_s - cameras[name].progress_s:.0f} s and no reason why"
    for name, status in cameras.items():
        if status.error:
            yield f"{name}: {status.error}"
        elif _is_lost(status.source):
            yield f"{name}: {status.source.reason or status.source.state.value}"
    for name, error in lanes.items():
        if error:
            yield f"output {name}: {error}"
    for name, count in dead.items():
        if count:
            yield f"output {name}: {count} events put aside, see 'anpr-stream outbox list'"


def forsaken(lanes: Collection[str], depths: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yield one line for each output that the settings do not name any more and for which events wait.

    Retention keeps these events until they are sent or discarded.

    Args:
        lanes: names of the outputs that there are.
        depths: number of events by output and state.
    """
    for name, states in depths.items():
        waiting = states.get("waiting", 0)
        if waiting and name not in lanes:
            yield (
                f"output {name}: {waiting} events wait, but it is not in the settings any more, see"
                " 'anpr-stream outbox discard --removed'"
            )


def _is_lost(source: SourceStatus) -> bool:
    """Return whether a source failed, waits, or connects again for a reason; others may just remark on it."""
    is_back_soon = source.state is SourceState.CONNECTING and source.reason != ""
    return is_back_soon or source.state in (SourceState.WAITING, SourceState.FAILED)


def summary(cameras: Mapping[str, CameraStatus], found: list[str]) -> str:
    """Return the one line that says how it is: cameras running, and the worst fault."""
    running = sum(status.source.state is SourceState.RUNNING for status in cameras.values())
    line = f"{running} of {len(cameras)} cameras running"
    if not found:
        return line
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{line}; {found[0]}{more}"
