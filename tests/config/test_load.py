import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anpr_stream.config.delivery import reveal
from anpr_stream.config.load import UNKNOWN_SECRET, load_settings, parse_settings
from anpr_stream.config.named import named_files
from anpr_stream.config.schema import Settings
from anpr_stream.errors import ConfigError


def faults_of(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "a.yaml", environ)
    return caught.value.message.splitlines()


def test_an_empty_file_gives_the_defaults() -> None:
    assert parse_settings("", "a.yaml") == Settings()


def test_a_camera_takes_from_above_what_it_does_not_set_itself() -> None:
    settings = parse_settings(
        """
        flow: {detect_rate_hz: 3, read_delay_looks: 2}
        cameras:
          gate: {url: gate.mp4, flow: {detect_rate_hz: 5}}
          yard: {url: yard.mp4}
        """,
        "a.yaml",
    )
    assert settings.cameras["gate"].flow.detect_rate_hz == 5
    assert settings.cameras["gate"].flow.read_delay_looks == 2
    assert settings.cameras["yard"].flow == settings.flow


def test_all_faults_come_at_once_with_file_line_and_path() -> None:
    assert faults_of(
        "flow:\n  frames_waiting: 0\n"
        "cameras:\n  gate:\n    flow: {detect_rate_hz: -1}\n"
        "batch: {frames: many}\n"
    ) == [
        "a.yaml:2: flow.frames_waiting: input should be greater than or equal to 1, not 0",
        "a.yaml:4: cameras.gate.url: is required",
        "a.yaml:5: cameras.gate.flow.detect_rate_hz: input should be greater than 0, not -1",
        "a.yaml:6: batch.frames: input should be a valid integer, "
        "unable to parse string as an integer, not 'many'",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("camera: {}", "a.yaml:1: camera: unknown key; did you mean 'cameras'?"),
        (
            "flow:\n  fram_waiting: 3",
            "a.yaml:2: flow.fram_waiting: unknown key; did you mean 'frames_waiting'?",
        ),
        (
            "cameras:\n  gate:\n    url: a.mp4\n    flwo: {}",
            "a.yaml:4: cameras.gate.flwo: unknown key; did you mean 'flow'?",
        ),
        (
            "batch: {zzz: 1}",
            "a.yaml:1: batch.zzz: unknown key; known here: crops, crops_waiting, deadline_ms, frames",
        ),
        (
            "outputs:\n- {type: webhook, name: w, url: 'http://h', secrt: x}",
            "a.yaml:2: outputs[0].secrt: unknown key; did you mean 'secret'?",
        ),
        (
            "outputs:\n- type: mqtt\n  name: b\n  host: h\n  tls:\n    verfy: false",
            "a.yaml:6: outputs[0].tls.verfy: unknown key; did you mean 'verify'?",
        ),
        (
            "outputs:\n- type: postgres\n  name: p\n  dsm: 'postgresql://h/p'\n  subject: s",
            "a.yaml:4: outputs[0].dsm: unknown key; did you mean 'dsn'?\n"
            "a.yaml:5: outputs[0].subject: unknown key; known here: batch, cameras, dsn, kinds, lists, name, "
            "password, retry_first_s, retry_longest_s, table, timeout_s, tries, type",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(text: str, fault: str) -> None:
    assert faults_of(text) == fault.splitlines()


def test_an_output_without_a_known_type_and_other_forms_than_expected_are_told_in_plain_words() -> None:
    lines = ["outputs:", "- name: a", "- name: b", "  type: ftp", "- 5", "files: {path: x}"]
    known = "'webhook', 'mqtt', 'redis', 'nats', 'postgres'"
    assert faults_of("\n".join(lines)) == [
        "a.yaml:2: outputs[0].type: is required",
        f"a.yaml:4: outputs[1].type: input should be one of {known}, not 'ftp'",
        "a.yaml:5: outputs[2]: expected keys with values (key: value) here",
        "a.yaml:6: files: expected a list (- value, or [value, value]) here",
    ]


def test_a_key_that_would_break_the_line_is_shown_quoted() -> None:
    (fault,) = faults_of('flow: {"\\r": 1}')
    assert fault.startswith("a.yaml:1: flow.'\\r': unknown key")


@pytest.mark.parametrize(
    "privacy",
    ["blur_unlisted: true", "unread: drop", "listed: drop", "unlisted: hash, key: 0123456789abcdef"],
)
def test_clips_are_refused_where_privacy_hides_plates(privacy: str) -> None:
    for clips in ("clips: {enabled: true}", "cameras: {gate: {url: 'rtsp://h/x', clips: {enabled: true}}}"):
        (fault,) = faults_of(f"privacy: {{{privacy}}}\n{clips}\n")
        assert "clips: they show every plate" in fault
    parse_settings(f"privacy: {{{privacy}}}\nclips: {{enabled: false}}\n", "a.yaml")


def test_a_clip_must_hold_what_is_to_be_around_a_visit() -> None:
    assert faults_of("clips: {before_s: 9, after_s: 9}") == [
        "a.yaml:1: clips: most_s: must hold before_s and after_s together"
    ]


def test_a_fault_above_the_cameras_is_told_once_not_for_each_camera() -> None:
    assert faults_of("flow: {frames_waiting: 0}\ncameras:\n  a: {url: a.mp4}\n  b: {url: b.mp4}\n") == [
        "a.yaml:1: flow.frames_waiting: input should be greater than or equal to 1, not 0"
    ]


def test_formats_and_addresses_are_faults_with_file_line_and_path_like_all_others() -> None:
    lines = [
        "formats: [tw, twx]",
        "flow: {frames_waiting: 0}",
        "cameras:",
        "  gate:",
        "    url: rtp://gate/1",
        "    formats:",
        "    - yy",
        "  yard: {url: 'usb:front'}",
        "  door:",
        "    url: 'rtsp://me:pass/word@door/1'",
        "  clips:",
        "    url: clips/*.mp4",
        "    source: {main_url: 'rtsp://large/1'}",
        "  street:",
        "    url: rtsp://street/1",
        "    source: {main_url: 'gopher://street/2'}",
        "  lane:",
        "    url: rtsp://lane/1",
        "    source: {main_url: lane.mp4}",
        "  right:",
        "    url: rtsp://right/1",
        "    formats: [tw, eu]",
        "    source: {main_url: 'https://right/2'}",
    ]
    found = faults_of("\n".join(lines))
    assert found[0] == "a.yaml:1: formats[1]: no plate format called twx; did you mean 'tw'?"
    assert found[1].startswith("a.yaml:2: flow.frames_waiting: ")
    assert found[2].startswith(
        "a.yaml:5: cameras.gate.url: cannot be opened: rtp:// is not known; did you mean rtsp"
    )
    assert found[3].startswith("a.yaml:7: cameras.gate.formats[0]: no plate format called yy; known are ")
    assert found[4].startswith("a.yaml:8: cameras.yard.url: is no device: a USB camera is usb:0")
    assert found[5].startswith("a.yaml:10: cameras.door.url: is no valid URL: write %2F for /")
    assert "pass/word" not in found[5]
    assert found[6].startswith("a.yaml:13: cameras.clips.source.main_url: 'clips' is a recording")
    assert found[7].startswith(
        "a.yaml:16: cameras.street.source.main_url: cannot be opened: gopher:// is not"
    )
    assert found[8:] == ["a.yaml:19: cameras.lane.source.main_url: is no live camera"]


def test_a_main_url_above_the_cameras_is_told_where_it_stands() -> None:
    shared = "source: {main_url: 'rtsp://large/1'}\ncameras:\n  a: {url: a.mp4%s}\n"
    (fault,) = faults_of(shared % "")
    assert fault.startswith("a.yaml:1: source.main_url: 'a' is a recording")
    assert parse_settings(shared % ", source: {main_url: null}", "a.yaml").cameras


def test_a_password_among_a_urls_values_is_never_shown() -> None:
    (fault,) = faults_of("flow: {frames_waiting: 'http://cam/v?user=me&pwd=geheim'}")
    assert fault.endswith("not 'http://cam/v?user=me&pwd=***'")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "a.yaml:1: not valid YAML: "),
        ("a: b: c", "a.yaml:1: not valid YAML: "),
        ("x: &a 1\ny: *a", "a.yaml:2: not valid YAML: aliases (*name) are not allowed"),
        ("flow: {}\nflow: {}", "a.yaml:2: 'flow' stands here twice"),
        ("? [a, b]\n: 1", "a.yaml:1: a key must be a single word"),
        ("[1, 2]", "a.yaml:1: expected keys with values (key: value) here"),
        ("just text", "a.yaml:1: expected keys with values (key: value) here"),
        ("flow: 5", "a.yaml:1: flow: expected keys with values (key: value) here"),
        ("[" * 5000, "a.yaml:1: not valid YAML: nested too deeply"),
        ("a: \x01", "a.yaml:1: not valid YAML: "),
    ],
)
def test_what_is_not_a_settings_file_is_told_with_its_line(text: str, fault: str) -> None:
    assert faults_of(text)[0].startswith(fault)


@pytest.mark.parametrize(("name", "text"), [("no", "no"), ("on", "on"), ("12:30", "12:30"), ("0o17", "0o17")])
def test_words_that_old_yaml_turns_into_something_else_stay_words(name: str, text: str) -> None:
    settings = parse_settings(f"cameras: {{cam: {{url: {text}}}}}", "a.yaml")
    assert settings.cameras["cam"].url == name


def test_a_secret_comes_from_the_environment() -> None:
    text = "cameras: {gate: {url: 'rtsp://me:${PASSWORD}@host/${PATH_1}'}}"
    settings = parse_settings(text, "a.yaml", {"PASSWORD": "s3cret", "PATH_1": "live"})
    assert settings.cameras["gate"].url == "rtsp://me:s3cret@host/live"


def test_a_secret_that_looks_like_a_reference_is_not_followed() -> None:
    text = "cameras: {gate: {url: '${A}'}}"
    assert parse_settings(text, "a.yaml", {"A": "${B}", "B": "no"}).cameras["gate"].url == "${B}"


def test_a_secret_comes_from_a_credential_file(tmp_path: Path) -> None:
    (tmp_path / "gate.url").write_text("rtsp://host\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    settings = parse_settings("cameras: {gate: {url: '${gate.url}'}}", "a.yaml", environ)
    assert settings.cameras["gate"].url == "rtsp://host"


def test_a_missing_secret_is_a_fault_of_its_line() -> None:
    assert faults_of("cameras:\n  gate:\n    url: ${GATE}") == [
        "a.yaml:3: cameras.gate.url: ${GATE} is neither an environment variable nor a credential file"
    ]


def test_a_secret_never_stands_in_a_message() -> None:
    faults = faults_of("flow:\n  frames_waiting: ${SECRET}", SECRET="hunter2")
    assert len(faults) == 1
    assert "hunter2" not in faults[0]


def test_a_password_of_the_wrong_type_never_stands_in_a_message() -> None:
    assert "12345678" not in "".join(faults_of("service: {http: {token: 12345678}}"))


def test_a_secret_in_an_output_never_stands_in_a_message() -> None:
    text = "outputs:\n- {type: webhook, name: w, url: '${HOOK}'}"
    told = "expected an address that begins with http:// or https://"
    assert faults_of(text, HOOK="hook.example/hunter2") == [f"a.yaml:2: outputs[0].url: {told}"]


def test_a_value_that_may_hold_a_password_never_stands_in_a_message() -> None:
    assert "hunter2" not in "".join(faults_of("flow:\n  frames_waiting: rtsp://me:hunter2@host"))


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read this settings file: No such file"):
        load_settings(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        load_settings(tmp_path / "latin.yaml")


def test_a_file_is_read_with_its_name_in_the_faults(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text("flow: {frames_waiting: 2}\n")
    assert load_settings(path).flow.frames_waiting == 2
    path.write_text("flw: {}\n")
    with pytest.raises(ConfigError, match=f"{path}:1: flw: unknown key; did you mean 'flow'"):
        load_settings(path)


def test_relative_paths_begin_at_the_folder_of_the_file() -> None:
    text = """
detector: {model: own.onnx}
source: {tls_ca: ca.pem}
cameras: {a: {url: clips/*.mp4}, b: {url: "rtsp://host/a"}, c: {url: ~/clip.mp4}, d: {url: /srv/clip.mp4}}
files: [{path: out/events.csv}]
store: {folder: store}
lists: [{name: staff, file: staff.csv, command: [./open.sh, a/b]}, {name: other, command: [open]}]
service: {status_socket: /run/s}
"""
    settings = parse_settings(text, "/etc/anpr/gate.yaml", {})
    urls = [camera.url for camera in settings.cameras.values()]
    assert urls == ["/etc/anpr/clips/*.mp4", "rtsp://host/a", "~/clip.mp4", "/srv/clip.mp4"]
    assert [list_.command for list_ in settings.lists] == [("/etc/anpr/./open.sh", "a/b"), ("open",)]
    assert (settings.detector.model, settings.reader.model) == ("/etc/anpr/own.onnx", "reader-cpu")
    assert {str(file.path) for file in named_files(settings)} == {
        *("/etc/anpr/own.onnx", "/etc/anpr/ca.pem", "/etc/anpr/clips/*.mp4", "~/clip.mp4", "/srv/clip.mp4"),
        *(
            "/etc/anpr/out/events.csv",
            "/etc/anpr/store",
            "/etc/anpr/staff.csv",
            "/etc/anpr/open.sh",
            "/run/s",
        ),
    }


YAML_WORDS = st.lists(
    st.sampled_from(
        [
            *("cameras", "gate", "url", "flow", "${A}", "&a", "*a", "!!python/object:os.system"),
            *(":", " ", "\n", "  ", "-", "{", "}", "[", "]", "'", '"', "|", ">", "#", "?", "\t"),
            *("1e999", "9" * 5000, "null", "~"),
        ]
    ),
    max_size=30,
).map("".join)


@given(YAML_WORDS | st.text(max_size=60))
def test_any_text_is_settings_or_a_list_of_faults(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_settings(text, "a.yaml", {}), Settings)


def test_settings_are_read_without_the_secrets_of_somebody_else() -> None:
    text = """
        cameras: {gate: {url: "${CAMERA}", source: {user: me, password: "${PASSWORD}"}}}
        outputs: [{type: webhook, name: hook, url: "https://example.org/${PART}", secret: "${SECRET}"}]
        privacy: {unlisted: hash, key: "${KEY}"}
        service: {http: {token: "${TOKEN}"}}
    """
    with pytest.raises(ConfigError, match="PASSWORD"):
        parse_settings(text, "config", {})
    settings = parse_settings(text, "config", {"PASSWORD": "known"}, needs_secrets=False)
    assert reveal(settings.cameras["gate"].source.password) == "known"
    assert reveal(settings.privacy.key) == UNKNOWN_SECRET
    address = "outputs: [{type: redis, name: r, url: '${ADDRESS}'}]"
    assert parse_settings(address, "config", {}, needs_secrets=False).outputs
    with pytest.raises(ConfigError, match="colour"):
        parse_settings(f"{text}    colour: red", "config", {}, needs_secrets=False)
