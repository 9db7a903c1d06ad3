"""What changed between two settings files, and what of it can be applied while running."""

from __future__ import annotations

from dataclasses import dataclass

from anpr_stream.config.schema import CameraSettings, Settings

LIVE = {"cameras", "outputs", "lists", "privacy"}
"""Settings that are applied while running; those that cameras inherit are seen as changes of the cameras."""
UNUSED = {"pictures"}
"""Settings that the daemon has no use for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to get from one configuration to another.

    Attributes:
        stopped: cameras that go.
        restarted: cameras whose settings changed.
        started: cameras that are new.
        untouched: cameras that go on without losing a frame.
        is_delivery_changed: outputs, lists or privacy changed.
        needs_restart: settings that changed and count only after a restart of the daemon.
    """

    stopped: tuple[str, ...]
    restarted: tuple[str, ...]
    started: tuple[str, ...]
    untouched: tuple[str, ...]
    is_delivery_changed: bool
    needs_restart: tuple[str, ...]

    def __str__(self) -> str:
        parts = [
            f"{word} {', '.join(names)}"
            for word, names in (
                ("stopped", self.stopped),
                ("restarted", self.restarted),
                ("started", self.started),
                ("needs a restart of the daemon:", self.needs_restart),
            )
            if names
        ]
        if self.is_delivery_changed:
            parts.append("outputs, lists and privacy as in the new file")
        return "; ".join(parts) or "nothing changed"


def plan(old: Settings, new: Settings) -> Plan:
    """Compare two configurations, camera by camera."""
    both = old.cameras.keys() & new.cameras.keys()
    changed = {name for name in both if old.cameras[name] != new.cameras[name]}
    fixed = set(Settings.model_fields) - LIVE - UNUSED - set(CameraSettings.model_fields)
    return Plan(
        stopped=tuple(name for name in old.cameras if name not in both),
        restarted=tuple(name for name in new.cameras if name in changed),
        started=tuple(name for name in new.cameras if name not in both),
        untouched=tuple(name for name in new.cameras if name in both - changed),
        is_delivery_changed=any(getattr(old, key) != getattr(new, key) for key in LIVE - {"cameras"}),
        needs_restart=tuple(sorted(key for key in fixed if getattr(old, key) != getattr(new, key))),
    )
