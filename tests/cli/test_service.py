"""The commands that look into a daemon's store: search, export, outbox, list, status, install-service."""

from __future__ import annotations

import csv
import io
import json
import os
import pwd
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anpr_stream.cli import places, status
from anpr_stream.config.load import load_settings
from anpr_stream.outputs.files import CSV_COLUMNS
from anpr_stream.outputs.schema import event_to_json
from anpr_stream.service import paths
from anpr_stream.service.depot import hasher
from anpr_stream.service.status_socket import StatusSocket
from anpr_stream.service.unit import unit_text
from anpr_stream.store import database as database_module
from anpr_stream.store import ledger, outbox
from anpr_stream.store.database import open_database
from anpr_stream.store.ledger import Entry, PlateClass
from anpr_stream.store.list_file import read_list
from anpr_stream.store.privacy import keyed_hash, note_privacy
from tests.certificates import make_certificate
from tests.cli.command import Command
from tests.service.fakes import event

CONFIG = """
store: {folder: FOLDER/store}
lists: [{name: staff}]
privacy: {key: 0123456789abcdef}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("FOLDER", str(tmp_path)))
    return path


@pytest.fixture
def store(config: Path) -> Path:
    """A store with three visits, of which the hook refused two and the third waits."""
    return fill_store(config.parent / "store")


def fill_store(folder: Path) -> Path:
    with closing(open_database(folder)) as database:
        for number, text in enumerate(["AB123", "XY999", None]):
            one = event(f"v{number}", text=text, camera=f"cam{number}")
            entry = Entry(
                *(one.visit_id, one.revision, one.kind.value, one.camera, text, text),
                *(PlateClass.UNLISTED, 1_700_000_000.0 + number, 1_700_000_000.0 + number),
                *((), event_to_json(one), (), ("hook",)),
            )
            ledger.accept(database, entry, 1.0)
        for row in (1, 2):
            outbox.refused(database, row, "HTTP 422", is_dead=True)
    return folder


def test_search_finds_parts_patterns_and_near_texts(anpr_stream: Command, config: Path, store: Path) -> None:
    assert "AB123" in anpr_stream("search", "b12", "-c", config).out
    assert "XY999" in anpr_stream("search", "XY99?", "--store", store).out
    near = anpr_stream("search", "A8I23", "--fuzzy", "2", "-c", config).out
    assert "AB123" in near
    assert "XY999" not in near
    assert anpr_stream("search", "--camera", "cam1", "--json", "-c", config).out.count("\n") == 1


def test_a_search_without_a_hit_ends_with_1(anpr_stream: Command, config: Path, store: Path) -> None:
    answer = anpr_stream("search", "NONE", "-c", config)
    assert (answer.exit_code, answer.err) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search", "--", "--"], "holds no letter"),
        (["search", "--since", "tomorrow"], "expected a time like"),
        (["search", "--fuzzy", "1"], "needs a text"),
        (["export", "--format", "xml"], "none of csv, jsonl"),
        (["outbox", "resend"], "name the events by their id, or give --all"),
        (["outbox", "discard", "1", "--all"], "name the events by their id, or give --all"),
    ],
)
def test_wrong_options_are_named(
    anpr_stream: Command, config: Path, store: Path, arguments: list[str], says: str
) -> None:
    place = arguments.index("--") if "--" in arguments else len(arguments)
    assert anpr_stream(*arguments[:place], "-c", config, *arguments[place:]).is_one_line_error(2, says)


def test_a_missing_store_is_named(
    anpr_stream: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert anpr_stream("search", "--store", tmp_path).is_one_line_error(74, "no such store")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert anpr_stream("search").is_one_line_error(2, "name its folder with --store")


@pytest.mark.parametrize("command", ["search", "export", "outbox list", "outbox discard --all"])
def test_a_damaged_store_is_told_in_one_line(anpr_stream: Command, store: Path, command: str) -> None:
    file = store / "anpr-stream.sqlite"
    head = file.read_bytes()[:4096]
    file.write_bytes(head + b"\xff" * (file.stat().st_size - len(head)))
    answer = anpr_stream(*command.split(), "--store", str(store))
    assert answer.is_one_line_error(74, "malformed")


def test_export_as_csv(anpr_stream: Command, config: Path, store: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(anpr_stream("export", "-c", config).out)))
    assert [row["text"] for row in rows] == ["", "XY999", "AB123"]
    assert tuple(rows[0]) == CSV_COLUMNS


def test_export_into_a_file(anpr_stream: Command, config: Path, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    assert anpr_stream("export", "--format", "jsonl", "-o", file, "-c", config).exit_code == 0
    assert [json.loads(line)["visit_id"] for line in file.read_text().splitlines()] == ["v2", "v1", "v0"]
    missing = tmp_path / "none" / "out.csv"
    assert anpr_stream("export", "-o", missing, "-c", config).is_one_line_error(73, str(missing))


def test_export_into_what_is_no_file(anpr_stream: Command, config: Path, store: Path, tmp_path: Path) -> None:
    """A pipe and what links point to get the lines; neither gives its place to a file."""
    pipe, target, link = (tmp_path / name for name in ("pipe", "target.csv", "link.csv"))
    os.mkfifo(pipe)
    link.symlink_to(target)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert anpr_stream("export", "-o", pipe, "-c", config).exit_code == 0
        assert "AB123" in reader.communicate(timeout=60)[0]
    assert anpr_stream("export", "-o", link, "-c", config).exit_code == 0
    assert pipe.is_fifo()
    assert (link.is_symlink(), "AB123" in target.read_text()) == (True, True)


def test_a_visit_is_corrected(anpr_stream: Command, config: Path, store: Path) -> None:
    said = anpr_stream("correct", "v0", "AB128", "-c", config)
    assert said.exit_code == 0
    assert said.err == "v0: AB128\n"
    assert "AB128" in anpr_stream("search", "AB128", "-c", config).out
    anpr_stream("correct", "v1", "--no-plate", "--store", store)
    assert "(no plate)" in anpr_stream("search", "XY999", "-c", config).out
    anpr_stream("correct", "v0", "--take-back", "--store", store)
    assert anpr_stream("search", "AB128", "-c", config).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["v0"], "--no-plate"),
        (["v0", "AB1", "--take-back"], "--no-plate"),
        (["v0", "-"], "1 to 16 letters"),
        (["v9", "AB1"], "v9: no such visit"),
    ],
)
def test_a_wrong_correction_is_told(
    anpr_stream: Command, config: Path, store: Path, arguments: list[str], says: str
) -> None:
    answer = anpr_stream("correct", *arguments, "-c", config)
    assert answer.exit_code == 2
    assert says in answer.err


def test_a_correction_that_privacy_forbids_is_refused(
    anpr_stream: Command, config: Path, store: Path
) -> None:
    config.write_text(config.read_text().replace("privacy: {", "privacy: {unlisted: hash, "))
    answer = anpr_stream("correct", "v0", "AB128", "-c", config)
    assert (answer.exit_code, "privacy" in answer.err) == (2, True)


def test_a_correction_is_refused_by_what_the_daemon_keeps_where_no_settings_are_named(
    anpr_stream: Command, store: Path
) -> None:
    with closing(open_database(store)) as database:
        note_privacy(database, is_plain=False)
    for settings in ([], ["-c", store / "plain.yaml"]):
        (store / "plain.yaml").write_text("store: {}\n")
        refused = anpr_stream("correct", "v2", "AB128", "--store", store, *settings)
        assert refused.is_one_line_error(2, "privacy is set to hash or drop")


def test_a_store_of_an_older_version_is_not_changed_behind_its_daemon(
    anpr_stream: Command, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as old:
        old.setattr(database_module, "STEPS", database_module.STEPS[:-1])
        old.setattr(database_module, "VERSION", database_module.VERSION - 1)
        fill_store(tmp_path)
    assert anpr_stream("correct", "v0", "AB128", "--store", tmp_path).is_one_line_error(74, "older")
    answer = anpr_stream("search", "AB123", "--store", tmp_path)
    assert ("AB123" in answer.out, "not in the audit trail" in answer.err) == (True, True)
    assert not database_module.is_current(tmp_path)


def trail_of(anpr_stream: Command, store: Path, *options: str) -> list[tuple[str, dict[str, Any], int]]:
    """Return what was done, oldest first."""
    lines = anpr_stream("audit", "--json", "--store", store, *options).out.splitlines()
    records = [json.loads(line) for line in reversed(lines)]
    assert {record["who"].split()[0] for record in records} <= {pwd.getpwuid(os.getuid()).pw_name}
    return [(record["action"], record["asked"], record["answers"]) for record in records]


def test_who_looked_up_plates_is_written_down(
    anpr_stream: Command, config: Path, store: Path, tmp_path: Path
) -> None:
    anpr_stream("search", "AB1", "--camera", "cam0", "-c", config)
    anpr_stream("search", "NONE", "-c", config)
    anpr_stream("export", "-c", config)
    anpr_stream("export", "-c", config, "-o", "/dev/full")
    anpr_stream("correct", "v0", "AB128", "-c", config)
    anpr_stream("correct", "none", "AB128", "-c", config)
    anpr_stream("list", "add", "staff", "KL 7", "MN8", "-c", config)
    anpr_stream("list", "remove", "staff", "MN8", "XX1", "-c", config)
    kept = trail_of(anpr_stream, store)
    assert kept == [
        ("search", {"text": "AB1", "cameras": ["cam0"], "limit": 50}, 1),
        ("search", {"text": "NONE", "limit": 50}, 0),
        ("export", {}, 3),
        ("export", {}, 3),
        ("correct", {"visit": "v0", "text": "AB128"}, 1),
        ("list", {"list": "staff", "change": "add", "plates": ["KL 7", "MN8"]}, 2),
        ("list", {"list": "staff", "change": "remove", "plates": ["MN8"]}, 1),
    ]
    assert trail_of(anpr_stream, store, "--limit", "1") == kept[-1:]
    assert trail_of(anpr_stream, store, "--until", "2020-01-01") == []
    shown = anpr_stream("audit", "-c", config, "--who", pwd.getpwuid(os.getuid()).pw_name).out
    assert shown.count("\n") == 8
    assert anpr_stream("audit", "--since", "now", "--store", store).is_one_line_error(2, "expected a time")


def test_a_plate_that_the_settings_hash_is_hashed_in_the_audit_trail_too(
    anpr_stream: Command, config: Path, store: Path
) -> None:
    config.write_text(config.read_text().replace("{key:", "{unlisted: hash, key:"))
    anpr_stream("search", "AB123", "-c", config)
    anpr_stream("list", "add", "staff", "KL 7", "-c", config)
    with closing(open_database(store)) as database:
        note_privacy(database, is_plain=False)
    anpr_stream("search", "AB123", "--store", store)
    hashed = [keyed_hash(b"0123456789abcdef", text) for text in ("AB123", "KL7")]
    lines = anpr_stream("audit", "--json", "--store", store).out.splitlines()
    last, listed, first = (json.loads(line)["asked"] for line in lines)
    assert (first["text"], listed["plates"], last["text"]) == (hashed[0], [hashed[1]], "(not stored)")


def test_labels_are_exported_into_a_new_folder(
    anpr_stream: Command, config: Path, store: Path, tmp_path: Path
) -> None:
    anpr_stream("correct", "v0", "AB128", "-c", config)
    folder = tmp_path / "data" / "gate"
    answer = anpr_stream("export", "--format", "labels", "-o", folder, "-c", config)
    assert answer.exit_code == 0
    assert answer.err == f"{folder}: 0 labelled pictures; left out: 1 no_picture\n"
    again = anpr_stream("export", "--format", "labels", "-o", folder, "-c", config)
    assert (again.exit_code, "name another folder" in again.err) == (2, True)
    assert anpr_stream("export", "--format", "labels", "-c", config).exit_code == 2


def test_refused_events_are_shown_resent_and_discarded(
    anpr_stream: Command, config: Path, store: Path
) -> None:
    shown = anpr_stream("outbox", "list", "-c", config).out
    assert "hook: 2 dead, 1 waiting" in shown
    assert shown.count("HTTP 422") == 2
    assert anpr_stream("outbox", "list", "--payload", "-c", config).out.count("\n") == 2
    assert "1 queued again" in anpr_stream("outbox", "resend", "1", "-c", config).err
    assert "0 queued again" in anpr_stream("outbox", "resend", "--all", "--output", "other", "-c", config).err
    assert "1 discarded" in anpr_stream("outbox", "discard", "--all", "-c", config).err
    assert anpr_stream("outbox", "list", "-c", config).out == "hook: 2 waiting\n"


def test_what_waits_for_a_removed_output_is_discarded(
    anpr_stream: Command, config: Path, store: Path
) -> None:
    removed = ("outbox", "discard", "--removed")
    assert anpr_stream(*removed, "--store", store).is_one_line_error(2, "--removed needs the settings")
    assert anpr_stream(*removed, "--all", "-c", config).is_one_line_error(2, "instead of ids and --all")
    without = config.read_text()
    config.write_text(f"{without}outputs: [{{type: webhook, name: hook, url: 'http://127.0.0.1:9'}}]")
    assert anpr_stream(*removed, "--output", "hook", "-c", config).is_one_line_error(
        2, "still has the output"
    )
    assert "0 discarded" in anpr_stream(*removed, "-c", config).err
    config.write_text(without)
    assert "3 discarded" in anpr_stream(*removed, "-c", config).err
    assert anpr_stream("outbox", "list", "-c", config).out == ""


def test_lists_are_edited(anpr_stream: Command, config: Path) -> None:
    path = config.parent / "store/lists/staff.csv"
    added = anpr_stream(
        "list", "add", "staff", "ab-1", "XY2", "--note", "Smith", "--days", "mon", "-c", config
    )
    assert (added.exit_code, added.err.split(";")[0]) == (0, "staff: 2 added")
    assert [(entry.plate, entry.note, entry.days) for entry in read_list(path)] == [
        ("AB1", "Smith", (0,)),
        ("XY2", "Smith", (0,)),
    ]
    assert "AB1,Smith" in anpr_stream("list", "show", "staff", "-c", config).out
    removed = anpr_stream("list", "remove", "staff", "AB 1", "ZZ", "-c", config)
    assert (removed.exit_code, "not on the list: ZZ" in removed.err) == (1, True)
    assert [entry.plate for entry in read_list(path)] == ["XY2"]


SECRETS = """
cameras: {gate: {url: "rtsp://10.0.0.10/stream", source: {user: anpr, password: "${GATE_PASSWORD}"}}}
outputs: [{type: webhook, name: hook, url: "${HOOK_URL}"}]
lists: [{name: staff}]
privacy: {unlisted: hash, key: "${PRIVACY_KEY}"}
service: {http: {host: 0.0.0.0, token: "${TOKEN}"}}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of an installed service, whose secrets and folders root's shell does not know."""
    config = tmp_path / "config.yaml"
    config.write_text(SECRETS)
    unit = tmp_path / "anpr-stream.service"
    unit.write_text(unit_text(["/usr/bin/anpr-stream", "serve", "-c", str(config)], {}))
    monkeypatch.setattr(places, "UNIT", unit)
    monkeypatch.setattr(places, "SYSTEM_STORE", tmp_path / "service")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return config


def test_a_list_of_the_installed_service_is_edited(anpr_stream: Command, installed: Path) -> None:
    path = installed.parent / "service/lists/staff.csv"
    assert f"staff: 1 added; {path}" in anpr_stream("list", "add", "staff", "AB1", "-c", installed).err
    assert "AB1" in anpr_stream("list", "show", "staff", "-c", installed).out
    hashed = anpr_stream("list", "add", "staff", "AB2", "--hashed", "-c", installed)
    assert hashed.is_one_line_error(2, "privacy.key stands in a variable that is not set here")
    missing = anpr_stream("list", "remove", "staff", "AB1", "AB2", "-c", installed)
    assert "staff: not on the list: AB2 (hashed entries were not looked at" in missing.err
    assert read_list(path) == ()


def test_a_hashed_entry_needs_the_key_at_hand(
    anpr_stream: Command, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVACY_KEY", "0123456789abcdef")
    anpr_stream("list", "add", "staff", "AB1", "--hashed", "-c", installed)
    (entry,) = read_list(installed.parent / "service/lists/staff.csv")
    assert entry.plate == keyed_hash(b"0123456789abcdef", "AB1")


def test_the_installed_services_store_is_searched(anpr_stream: Command, installed: Path) -> None:
    fill_store(installed.parent / "service")
    answer = anpr_stream("search", "AB1", "-c", installed)
    assert "AB123" in answer.out
    assert (
        answer.err
        == "hashed plates are not searched: privacy.key stands in a variable that is not set here\n"
    )
    assert "hook: 2 dead" in anpr_stream("outbox", "list", "-c", installed).out


def test_the_installed_services_socket_is_asked(
    anpr_stream: Command, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = installed.parent / "status.sock"
    monkeypatch.setattr(status, "SYSTEM_SOCKET", path)
    with StatusSocket(path, lambda: STATUS):
        assert json.loads(anpr_stream("status", "--json", "-c", installed).out) == STATUS


def test_settings_that_no_service_runs_mean_the_store_that_is_there(
    anpr_stream: Command, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = installed.with_name("other.yaml")
    other.write_text(SECRETS)
    own = installed.parent / "home/anpr-stream"
    assert f"{own}/lists" in anpr_stream("list", "add", "staff", "AB1", "-c", other).err
    service = installed.parent / "var"
    monkeypatch.setattr(paths, "SYSTEM_STORE", service)
    fill_store(service)
    assert f"{service}/lists" in anpr_stream("list", "add", "staff", "AB1", "-c", other).err
    fill_store(own)
    assert f"{own}/lists" in anpr_stream("list", "add", "staff", "AB1", "-c", other).err
    named = installed.parent / "named"
    assert f"{named}/lists" in anpr_stream("list", "add", "staff", "AB1", "-c", other, "--store", named).err


def test_a_hashed_entry_is_added_and_removed_by_its_plate(anpr_stream: Command, config: Path) -> None:
    path = config.parent / "store/lists/staff.csv"
    anpr_stream("list", "add", "staff", "AB1", "--hashed", "-c", config)
    hashed = hasher(load_settings(config))
    assert hashed is not None
    assert [entry.plate for entry in read_list(path)] == [hashed("AB1")]
    anpr_stream("list", "remove", "staff", "AB1", "-c", config)
    assert read_list(path) == ()


def test_an_entry_for_a_zone(anpr_stream: Command, config: Path) -> None:
    yard = "tracking: {places: {zones: [{name: yard, polygon: [[0, 0], [1, 0], [1, 1]]}]}}"
    config.write_text(f"{config.read_text()}cameras: {{gate: {{url: a, {yard}}}, exit: {{url: b}}}}")
    anpr_stream("list", "add", "staff", "AB1", "--zone", "yard", "--cameras", "gate", "-c", config)
    assert [entry.zones for entry in read_list(config.parent / "store/lists/staff.csv")] == [("yard",)]
    shown = anpr_stream("list", "show", "staff", "-c", config).out
    assert next(csv.DictReader(io.StringIO(shown)))["zones"] == "yard"
    wrong = anpr_stream("list", "add", "staff", "AB1", "--zone", "yard", "--cameras", "exit", "-c", config)
    assert wrong.is_one_line_error(2, "--zone: there is no zone 'yard'; there are: none")


def test_lists_are_imported_whole_or_not(anpr_stream: Command, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("plate,note\nAA1,x\nAA2,y\n")
    anpr_stream("list", "add", "staff", "OLD1", "-c", config)
    anpr_stream("list", "import", "staff", file, "-c", config)
    path = config.parent / "store/lists/staff.csv"
    assert [entry.plate for entry in read_list(path)] == ["OLD1", "AA1", "AA2"]
    anpr_stream("list", "import", "staff", file, "--replace", "-c", config)
    assert [entry.plate for entry in read_list(path)] == ["AA1", "AA2"]
    file.write_text("plate\n---\n")
    assert anpr_stream("list", "import", "staff", file, "-c", config).is_one_line_error(74, "new.csv:2")
    assert len(read_list(path)) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "guests", "AB1"], "has no list 'guests'; it has: staff"),
        (["add", "staff", "--", "--"], "holds no letter"),
        (["add", "staff", "AB1", "--expires", "soon"], "expected a date"),
        (["import", "staff", "/none.csv"], "no such file"),
    ],
)
def test_wrong_entries_are_named(anpr_stream: Command, config: Path, arguments: list[str], says: str) -> None:
    assert anpr_stream("list", "--help").exit_code == 0
    place = arguments.index("--") if "--" in arguments else len(arguments)
    assert anpr_stream("list", *arguments[:place], "-c", config, *arguments[place:]).is_one_line_error(
        2, says
    )


STATUS = {
    "version": "1",
    "pid": 1,
    "began": "today",
    "summary": "1 of 2 cameras running; yard: connection refused",
    "faults": ["yard: connection refused"],
    "cameras": {
        "yard": {
            "state": "waiting",
            "reason": "connection refused",
            "fps": 12.5,
            "frames": 7,
            "dropped": {"newer": 3},
            "events": 2,
            "last_event": None,
            "latency_p95_s": 0.25,
            "decoder": "avdec_h264",
        }
    },
    "networks": {"reader-cpu": "openvino int8"},
    "queues": {"read": 4},
    "outputs": {"hook": {"waiting": 5, "dead": 1, "error": "HTTP 500", "pause_s": 2.0}},
    "lists": {"staff": 9},
    "store": {"folder": "/var/lib/anpr-stream"},
    "needs_restart": ["service"],
}


def test_status_shows_everything_and_its_code_says_whether_all_is_well(
    anpr_stream: Command, tmp_path: Path
) -> None:
    path = tmp_path / "status.sock"
    with StatusSocket(path, lambda: STATUS):
        shown = anpr_stream("status", "--socket", path)
        assert shown.exit_code == 1
        for part in (
            "connection refused",
            "12.5",
            "3 newer",
            "0.25 s",
            "HTTP 500",
            "openvino int8",
            "staff 9",
        ):
            assert part in shown.out
        assert json.loads(anpr_stream("status", "--socket", path, "--json").out) == STATUS
    with StatusSocket(path, lambda: {**STATUS, "faults": []}):
        assert anpr_stream("status", "--socket", path).exit_code == 0


def test_a_daemon_that_does_not_run_is_told(
    anpr_stream: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert anpr_stream("status", "--socket", tmp_path / "none").is_one_line_error(
        2, "no daemon answers (No such file or directory)"
    )
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert anpr_stream("status").is_one_line_error(2, "is 'anpr-stream serve' running")


def test_install_service_writes_a_unit_for_checked_settings(
    anpr_stream: Command, config: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "gate-password"
    secret.write_text("0123456789abcdef\n")
    config.write_text(config.read_text().replace("0123456789abcdef", "'${GATE}'"))
    unit = tmp_path / "anpr-stream.service"
    answer = anpr_stream("install-service", "-c", config, "--credential", f"GATE={secret}", "--unit", unit)
    assert answer.exit_code == 0, answer.err
    assert f"LoadCredential=GATE:{secret}" in unit.read_text()
    assert f"serve -c {config}" in unit.read_text()
    assert "systemctl enable --now" in answer.err
    printed = anpr_stream("install-service", "-c", config, "--credential", f"GATE={secret}", "--print")
    assert printed.out == unit.read_text()
    assert anpr_stream("install-service", "-c", config, "--unit", unit).exit_code == 78
    assert anpr_stream(
        "install-service", "-c", config, "--credential", "GATE=/none", "--unit", unit
    ).is_one_line_error(2, "--credential: expected NAME=FILE")
    secret.write_bytes(b"\xff\xfe")
    assert anpr_stream(
        "install-service", "-c", config, "--credential", f"GATE={secret}", "--unit", unit
    ).is_one_line_error(2, f"{secret}: cannot be read: it is not UTF-8 text")
    secret.write_text("0123456789abcdef\n")
    missing = tmp_path / "none" / "unit"
    assert anpr_stream(
        "install-service", "-c", config, "--credential", f"GATE={secret}", "--unit", missing
    ).is_one_line_error(73, "run it as root")


def test_a_key_may_reach_the_service_as_a_credential(anpr_stream: Command, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    config = tmp_path / "config.yaml"
    tls = f"tls: {{cert_file: {certificate}, key_file: '${{CREDENTIALS_DIRECTORY}}/anpr.key'}}"
    config.write_text(f"outputs: [{{type: mqtt, name: plant, host: broker, {tls}}}]")
    answer = anpr_stream("install-service", "-c", config, "--credential", f"anpr.key={key}", "--print")
    assert answer.exit_code == 0, answer.err
    assert f"LoadCredential=anpr.key:{key}" in answer.out


def test_serve_refuses_settings_without_cameras(anpr_stream: Command, config: Path) -> None:
    assert anpr_stream("serve", "-c", config).is_one_line_error(78, "there are none to watch")


def test_what_the_service_cannot_reach_is_told(anpr_stream: Command) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)  # for its owner only
        settings = folder / "gate.yaml"
        settings.write_text("")
        settings.chmod(0o600)
        told = anpr_stream("install-service", "--print", "-c", settings).err
        assert f"{settings}: the service's user cannot reach it, {folder} is closed to others" in told
        folder.chmod(0o755)
        told = anpr_stream("install-service", "--print", "-c", settings).err
        assert f"chmod o+r {settings}, or keep it elsewhere" in told
        settings.chmod(0o644)
        assert f"{settings}: " not in anpr_stream("install-service", "--print", "-c", settings).err


def test_files_of_the_settings_that_the_service_cannot_reach_are_told(
    anpr_stream: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    key.chmod(0o600)
    (tmp_path / "open.sh").touch(0o644)
    config = tmp_path / "config.yaml"
    tls = f"tls: {{cert_file: {certificate.name}, key_file: {key.name}}}"
    config.write_text(
        f"outputs: [{{type: mqtt, name: plant, host: broker, {tls}}}]\n"
        "lists: [{name: staff, command: [./open.sh]}]\n"
        "source: {tls_ca: none.pem}\n"
        "store: {folder: store}\n"
    )
    for folder in (tmp_path, *list(tmp_path.parents)[:-1]):
        folder.chmod(folder.stat().st_mode | 0o001)
    link = tmp_path / "link.yaml"
    link.symlink_to(config)
    monkeypatch.chdir("/")
    answer = anpr_stream("install-service", "--print", "-c", link)
    assert f"serve -c {link}\n" in answer.out
    told = answer.err.splitlines()
    assert [line for line in told if str(tmp_path) in line] == [
        f"{tmp_path}/none.pem: tls_ca: No such file or directory",
        f"{key}: the service's user cannot reach it, {key} is closed to others: "
        f'--credential {key.name}={key} and key_file: "${{CREDENTIALS_DIRECTORY}}/{key.name}"',
        f"{tmp_path}/store: the service's user can only write below /var/lib/anpr-stream",
        f"{tmp_path}/open.sh: the service's user cannot reach it, {tmp_path}/open.sh is closed to others: "
        f"chmod o+x {tmp_path}/open.sh, or keep it elsewhere",
    ]
