"""The settings of delivery refuse what would be unsafe, and never show a secret."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from anpr_stream.config.delivery import Http, Output, PlateList, Privacy, Store, WebhookOutput
from anpr_stream.config.load import parse_settings
from anpr_stream.errors import ConfigError

OUTPUT = TypeAdapter(Output)
HOOK = {"type": "webhook", "name": "hook", "url": "https://example.org/hook"}


def test_an_output_is_known_by_its_type() -> None:
    assert isinstance(OUTPUT.validate_python(HOOK), WebhookOutput)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "pigeon"}, "webhook"),
        ({"url": "ftp://example.org"}, "http"),
        ({"url": "https://me:secret@example.org"}, "own key"),
        ({"url": "nothing"}, "http"),
        ({"name": "../up"}, "pattern"),
        ({"colour": "red"}, "Extra"),
        ({"tries": 0}, "greater"),
    ],
)
def test_a_wrong_output_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OUTPUT.validate_python({**HOOK, **change})


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ({"type": "redis", "url": "tcp://127.0.0.1:6379/0"}, "redis:// or rediss://"),
        ({"type": "redis", "url": "redis://127.0.0.1:99999/0"}, "[Pp]ort"),
        ({"type": "nats", "servers": ["http://127.0.0.1:4222"]}, "nats:// or tls://"),
        ({"type": "postgres", "dsn": "tcp://127.0.0.1/anpr"}, "postgresql:// or postgres://"),
        ({"type": "postgres", "dsn": "postgresql://"}, "host:port"),
    ],
)
def test_an_address_that_the_receiver_cannot_have_is_refused(output: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OUTPUT.validate_python({"name": "a", **output})


def test_postgres_may_have_several_hosts() -> None:
    dsn = "postgresql://me@one:5432,two:5433/anpr"
    assert OUTPUT.validate_python({"type": "postgres", "name": "a", "dsn": dsn}).dsn == dsn


def test_a_secret_is_never_shown() -> None:
    output = OUTPUT.validate_python({**HOOK, "secret": "s3cret", "headers": {"X-Key": "s3cret"}})
    assert "s3cret" not in f"{output!r} {output.model_dump_json()}"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "camera.example.org"])
def test_http_beyond_loopback_needs_a_token(host: str) -> None:
    with pytest.raises(ValidationError, match="token: needed"):
        Http(host=host)
    assert Http(host=host, token="0123456789abcdef").host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_http_on_loopback_needs_none(host: str) -> None:
    assert Http(host=host).token is None


def test_a_guessable_token_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 16"):
        Http(token="short")


def test_no_token_takes_the_place_of_another() -> None:
    with pytest.raises(ValidationError, match="tokens: 'token' is the name of the common token"):
        Http(token="0" * 16, tokens={"token": "1" * 16})
    assert Http(tokens={"token": "1" * 16}).named_tokens == {"token": "1" * 16}


def test_hashing_needs_a_key() -> None:
    with pytest.raises(ValidationError, match="key: needed"):
        Privacy(unlisted="hash")
    with pytest.raises(ValidationError, match="at least 16"):
        Privacy(unlisted="hash", key="short")
    assert Privacy(unlisted="hash", key="0123456789abcdef").listed == "plain"


def test_a_list_knows_time_zones() -> None:
    with pytest.raises(ValidationError, match="Atlantis"):
        PlateList(name="gate", timezone="Atlantis/Center")
    assert PlateList(name="gate", timezone="Asia/Taipei").max_distance == 0


def test_defaults_keep_listed_plates_longest() -> None:
    keep = Store().keep
    assert keep.listed_days is not None
    assert keep.unlisted_days is not None
    assert keep.listed_days > keep.unlisted_days


YARD = """
cameras:
  gate: {url: a, tracking: {places: {zones: [{name: yard, polygon: [[0, 0], [1, 0], [1, 1]]}]}}}
  exit: {url: b}
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("outputs: [{type: redis, name: a}, {type: nats, name: a}]", "outputs: the name 'a' is used twice"),
        ("lists: [{name: a}, {name: a}]", "lists: the name 'a' is used twice"),
        ("outputs: [{type: redis, name: a, lists: [staf]}]", "a: lists: there is no list 'staf'"),
        ("outputs: [{type: redis, name: a, cameras: [gate]}]", "a: cameras: there is no camera 'gate'"),
        ("lists: [{name: a, cameras: [gate]}]", "a: cameras: there is no camera 'gate'"),
        (f"lists: [{{name: a, zones: [yrd]}}]\n{YARD}", "a: zones: none of its cameras has a zone 'yrd'"),
        (f"lists: [{{name: a, zones: [yard], cameras: [exit]}}]\n{YARD}", "has a zone 'yard'"),
    ],
)
def test_names_must_mean_something(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_settings(text, "f", {})
