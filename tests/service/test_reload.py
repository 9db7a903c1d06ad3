from __future__ import annotations

import pytest

from anpr_stream.config.load import parse_settings
from anpr_stream.service.reload import Plan, plan

OLD = """
cameras:
  gate: {url: "rtsp://gate"}
  yard: {url: "rtsp://yard"}
lists: [{name: staff}]
"""


def planned(new: str) -> Plan:
    return plan(parse_settings(OLD, "old", {}), parse_settings(new, "new", {}))


def test_nothing_changed() -> None:
    found = planned(OLD)
    assert found == Plan((), (), (), ("gate", "yard"), False, ())
    assert str(found) == "nothing changed"


def test_cameras_come_go_and_change_alone() -> None:
    found = planned(
        """
cameras:
  yard: {url: "rtsp://yard", flow: {detect_rate_hz: 3}}
  exit: {url: "rtsp://exit"}
lists: [{name: staff}]
"""
    )
    assert found == Plan(("gate",), ("yard",), ("exit",), (), False, ())
    assert str(found) == "stopped gate; restarted yard; started exit"


def test_a_setting_that_cameras_inherit_changes_those_that_do_not_override_it() -> None:
    found = plan(
        parse_settings("cameras: {a: {url: x, flow: {detect_rate_hz: 3}}, b: {url: y}}", "old", {}),
        parse_settings(
            "flow: {detect_rate_hz: 9}\ncameras: {a: {url: x, flow: {detect_rate_hz: 3}}, b: {url: y}}",
            "new",
            {},
        ),
    )
    assert (found.untouched, found.restarted, found.needs_restart) == (("a",), ("b",), ())


@pytest.mark.parametrize(
    ("more", "is_delivery_changed", "needs_restart"),
    [
        ("lists: [{name: staff, action: allow}]", True, ()),
        ("lists: [{name: staff}]\nprivacy: {unlisted: drop}", True, ()),
        (
            "lists: [{name: staff}]\noutputs: [{type: webhook, name: hook, url: 'http://127.0.0.1:9'}]",
            True,
            (),
        ),
        ("lists: [{name: staff}]\npictures: {margins: []}", False, ()),
        ("lists: [{name: staff}]\nservice: {http: {port: 1234}}", False, ("service",)),
        ("lists: [{name: staff}]\nstore: {snapshots: false}\nbatch: {frames: 2}", False, ("batch", "store")),
    ],
)
def test_what_else_changed(more: str, is_delivery_changed: bool, needs_restart: tuple[str, ...]) -> None:
    found = planned("cameras:\n  gate: {url: 'rtsp://gate'}\n  yard: {url: 'rtsp://yard'}\n" + more)
    assert found.untouched == ("gate", "yard")
    assert (found.is_delivery_changed, found.needs_restart) == (is_delivery_changed, needs_restart)
