"""Settings of what happens to an event: outputs, store, lists, privacy, daemon.

Secrets are `SecretStr`: no print, log or metric shows them. An address never holds a password.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, model_validator

from anpr_stream.config.section import FilePath, Section, beside_file, has_secrets
from anpr_stream.config.tls import Tls

Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A name that is safe in a topic, a file name and a metric."""

Kind: TypeAlias = Literal["new", "update", "final"]
PrivacyMode: TypeAlias = Literal["plain", "hash", "drop"]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=86_400)]


def reveal(secret: SecretStr | None) -> str | None:
    """Return a secret's value, for the one place that hands it to a receiver."""
    return None if secret is None else secret.get_secret_value()


def _address(*schemes: str) -> AfterValidator:
    """Return the check of an address that begins with one of these schemes.

    It refuses one that holds a password, too: it would show in logs and errors. One that is a secret of the
    service stays unknown to commands that need none.
    """

    def check(url: str, info: ValidationInfo) -> str:
        if not has_secrets(info):
            return url
        parts = urlsplit(url)
        if parts.scheme not in schemes:
            begins = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(f"expected an address that begins with {begins}")
        if parts.password is not None:
            raise ValueError("give the password in its own key, not in the address")
        # PostgreSQL takes several hosts, each with its port; reading a single one raises where it is none.
        if not parts.hostname or ("," not in parts.netloc and parts.port == 0):
            raise ValueError("expected an address like scheme://host:port")
        return url

    return AfterValidator(check)


WebAddress: TypeAlias = Annotated[str, _address("http", "https")]
RedisAddress: TypeAlias = Annotated[str, _address("redis", "rediss")]
NatsAddress: TypeAlias = Annotated[str, _address("nats", "tls")]
PostgresAddress: TypeAlias = Annotated[str, _address("postgresql", "postgres")]


def _want_tls(tls: Tls, *addresses: str) -> None:
    """Refuse certificates for an address without TLS: everything would go in the clear."""
    encrypted = ("https://", "rediss://", "tls://")
    if (tls.ca_file or tls.cert_file) and not any(address.startswith(encrypted) for address in addresses):
        raise ValueError(f"tls: its files need an address that begins with one of {', '.join(encrypted)}")


class Remote(Section):
    """What all remote outputs share."""

    name: Name
    """Name of the output in `status`, metrics and `outbox`; also the key of its queue on disk."""
    cameras: tuple[str, ...] = ()
    """Only events of these cameras; empty: of all."""
    kinds: tuple[Kind, ...] = ("new", "update", "final")
    """Only these kinds of events."""
    lists: tuple[str, ...] = ()
    """Only events of plates on one of these lists; empty: all events."""
    batch: int = Field(default=50, ge=1, le=1000)
    """Events in one go; higher: faster after an outage, more sent again after a crash."""
    timeout_s: Seconds = 10.0
    """How long one try may take; lower: slow receivers fail, higher: outages are noticed later."""
    retry_first_s: Seconds = 1.0
    """First pause after a failure, doubled each time; lower: more load on a receiver in trouble."""
    retry_longest_s: Seconds = 300.0
    """Longest pause; higher: delivery starts later after a long outage."""
    tries: int = Field(default=50, ge=1)
    """Refusals of one event, at a receiver that answers, before it is put aside as a dead letter;
    lower: puts aside what a receiver in trouble would have taken later, higher: one bad event
    holds up those behind it for longer. A receiver out of reach counts nothing."""


class WebhookTarget(Section):
    """Where and how to POST an event."""

    url: WebAddress
    """Address that takes a POST with the event as JSON; only an answer 2xx counts as delivered."""
    secret: SecretStr | None = None
    """Key of the HMAC-SHA256 signature over time and body; none: unsigned."""
    bearer: SecretStr | None = None
    """Sent as `Authorization: Bearer`."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """More request headers."""
    tls: Tls = Tls()
    """Check of the receiver's certificate (`https://`), and the one that it is shown."""

    @model_validator(mode="after")
    def _encrypts(self) -> WebhookTarget:
        _want_tls(self.tls, self.url)
        return self


class WebhookOutput(Remote, WebhookTarget):
    """Events by HTTP POST."""

    type: Literal["webhook"]
    """`webhook`"""


class MqttOutput(Remote):
    """Events over MQTT 5 with QoS 1, with Home Assistant's discovery and each camera's state."""

    type: Literal["mqtt"]
    """`mqtt`"""
    host: str
    """Broker."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Default: 8883 with TLS, else 1883."""
    tls: Tls | None = None
    """Give it (`tls: {}` will do) to encrypt."""
    username: str | None = None
    """User at the broker."""
    password: SecretStr | None = None
    """Password at the broker."""
    topic: str = Field(default="anpr", pattern=r"^[^#+\s]+$")
    """Events go to `<topic>/<camera>/event`, states to `<topic>/<camera>/state`."""
    discovery_prefix: str | None = Field(default="homeassistant", pattern=r"^[^#+\s]+$")
    """Home Assistant's prefix; null: no discovery."""
    client_id: str | None = None
    """Must differ between workers; default: made of the host's name and the output's."""


class RedisOutput(Remote):
    """Events into a Redis stream."""

    type: Literal["redis"]
    """`redis`"""
    url: RedisAddress = "redis://127.0.0.1:6379/0"
    """`redis://` or, with TLS, `rediss://host:port/database`."""
    username: str | None = None
    """User at the server."""
    password: SecretStr | None = None
    """Password at the server."""
    tls: Tls = Tls()
    """Check of the server's certificate (`rediss://`), and the one that it is shown."""
    stream: str = "anpr:events"
    """Key of the stream."""
    max_length: int = Field(default=100_000, ge=1)
    """About as many entries are kept in the stream; higher: more memory of the server."""

    @model_validator(mode="after")
    def _encrypts(self) -> RedisOutput:
        _want_tls(self.tls, self.url)
        return self


class NatsOutput(Remote):
    """Events into a NATS JetStream stream."""

    type: Literal["nats"]
    """`nats`"""
    servers: tuple[NatsAddress, ...] = ("nats://127.0.0.1:4222",)
    """`nats://` or, with TLS, `tls://host:port`."""
    username: str | None = None
    """User at the server."""
    password: SecretStr | None = None
    """Password at the server."""
    tls: Tls = Tls()
    """Check of the server's certificate (`tls://`), and the one that it is shown."""
    stream: str = Field(default="ANPR", pattern=r"^[A-Za-z0-9_-]+$")
    """Stream; made when it is missing."""
    subject: str = Field(default="anpr.events", pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")
    """Events go to `<subject>.<camera>`."""

    @model_validator(mode="after")
    def _encrypts(self) -> NatsOutput:
        _want_tls(self.tls, *self.servers)
        return self


class Postgres(Section):
    """A PostgreSQL server."""

    dsn: PostgresAddress = "postgresql://127.0.0.1:5432/anpr"
    """`postgresql://user@host:port/database`, with libpq's keys. Another machine's certificate is
    verified unless the address says otherwise: `?sslmode=disable` in a network that is yours alone."""
    password: SecretStr | None = None
    """Password at the server."""


class PostgresOutput(Remote, Postgres):
    """Events as rows of a PostgreSQL table, one per visit and revision."""

    type: Literal["postgres"]
    """`postgres`"""
    table: str = Field(default="anpr_events", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """Table; made when it is missing."""


Output: TypeAlias = Annotated[
    WebhookOutput | MqttOutput | RedisOutput | NatsOutput | PostgresOutput, Field(discriminator="type")
]
"""One remote receiver."""


def _program_beside_file(command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Find a program that is named with its folder from the settings file on, others along `PATH`."""
    is_path = bool(command) and "/" in command[0]
    return (beside_file(command[0], info), *command[1:]) if is_path else command


class PlateList(Section):
    """A list of plates and what a hit means."""

    name: Name
    """Name of the list in events, searches and `anpr-stream list`."""
    action: Literal["allow", "deny", "watch"] = "watch"
    """What a hit means to the receiver of the event."""
    file: FilePath | None = None
    """CSV file with a header: `plate`, and where wanted `note,cameras,zones,days,from,to,expires`.
    Changes are picked up while running. Default: `lists/<name>.csv` in the store's folder."""
    cameras: tuple[str, ...] = ()
    """Only plates at these cameras; empty: at all."""
    zones: tuple[str, ...] = ()
    """Only plates that have been in one of these zones of their camera; empty: anywhere in the picture."""
    max_distance: float = Field(default=0.0, ge=0, le=3)
    """How far a text may be from an entry, in the reader's own confusions (one common mistake
    costs about 0.3, any other 1). Higher: finds misread plates, but also other people's; a gate
    wants 0."""
    min_agreeing_reads: int = Field(default=1, ge=1, le=20)
    """Reads that must agree on the text; higher: later but surer, a gate wants 2 or 3."""
    timezone: str = ""
    """Where the entries' days and hours are meant, e.g. `Europe/Berlin`; empty: the machine's."""
    command: Annotated[tuple[str, ...], AfterValidator(_program_beside_file)] = ()
    """Program and arguments, run once per visit without a shell; a name without / is looked up along `PATH`.
    The event is its standard input;
    `ANPR_TEXT`, `ANPR_CAMERA`, `ANPR_LIST`, `ANPR_ENTRY` and `ANPR_VISIT_ID` are in its environment."""
    command_timeout_s: Seconds = 10.0
    """The command is ended after this time."""
    command_max_age_s: Seconds = 60.0
    """A command that could not run for so long (the daemon was off, the program missing) is put aside, not
    run. Higher: a gate opens for a car that is long gone, lower: a slow command costs those behind it."""
    webhook: WebhookTarget | None = None
    """POST of the event, once per visit."""

    @model_validator(mode="after")
    def _known_timezone(self) -> PlateList:
        if self.timezone:
            try:
                ZoneInfo(self.timezone)
            except (KeyError, ValueError, OSError) as error:
                raise ValueError(f"timezone: {self.timezone!r} is unknown, try Europe/Berlin") from error
        return self


class Privacy(Section):
    """What is kept of whose plate: on disk, in events and at every receiver."""

    listed: PrivacyMode = "plain"
    """Plates on a list: `plain`, `hash` (HMAC-SHA256 in place of the text) or `drop` (only counted)."""
    unlisted: PrivacyMode = "plain"
    """Plates on no list, likewise."""
    unread: Literal["plain", "drop"] = "plain"
    """Visits without a text."""
    key: SecretStr | None = None
    """Key of `hash`, at least 16 characters, from the environment or a credential file: whoever has
    it can try out all plates. A new key makes old hashes unfindable."""
    blur_unlisted: bool = False
    """Blur plates on no list in stored pictures, unread ones too, and the neighbours' plates in every
    stored frame. Hashed plates are always blurred, and so are unread ones and neighbours where read
    plates are hashed or dropped."""

    @property
    def is_plain(self) -> bool:
        """Whether texts may be kept as they are, whoever's they are."""
        return self.listed == self.unlisted == "plain"

    @property
    def hides_nothing(self) -> bool:
        """Whether all texts are kept as they are, and all plates shown."""
        return self.is_plain and self.unread == "plain" and not self.blur_unlisted

    @model_validator(mode="after")
    def _key_for_hash(self) -> Privacy:
        if "hash" in (self.listed, self.unlisted):
            if self.key is None:
                raise ValueError("key: needed for 'hash'")
            if len(self.key.get_secret_value()) < 16:
                raise ValueError("key: at least 16 characters")
        return self


class Retention(Section):
    """How long visits with their pictures and clips are kept; checked while running."""

    listed_days: float | None = Field(default=90.0, gt=0)
    """Visits of plates on a list; null: for ever."""
    unlisted_days: float | None = Field(default=30.0, gt=0)
    """Visits of plates on no list."""
    unread_days: float | None = Field(default=7.0, gt=0)
    """Visits without a text."""
    audit_days: float | None = Field(default=365.0, ge=0)
    """Records of who looked up plates (`anpr-stream audit`); 0: gone at the next check, null: for ever."""
    max_gb: float | None = Field(default=20.0, gt=0)
    """Pictures and clips together, in 10^9 bytes; the oldest go first, those of unlisted plates before
    listed."""
    min_free_gb: float = Field(default=1.0, ge=0)
    """Below this much free disk no pictures and clips are stored and old ones are deleted; lower: the disk
    may run full, and then events wait in memory."""
    every_s: Seconds = 60.0
    """Time between checks."""


class Store(Section):
    """History, outbox and pictures on this machine."""

    folder: FilePath | None = None
    """Default: systemd's state directory, else `~/.local/state/anpr-stream`."""
    snapshots: bool = True
    """Store the crop and the frame of the best read."""
    jpeg_quality: int = Field(default=85, ge=30, le=100)
    """Higher: larger files, lower: plates that people cannot read."""
    keep: Retention = Retention()
    """When to delete."""


class Http(Section):
    """The daemon's own web server: a page for people, health, metrics, events, pictures."""

    enabled: bool = True
    """False: none; the status socket stays."""
    host: str = "127.0.0.1"
    """Address to listen on; another than this machine's own needs `token`."""
    port: int = Field(default=8480, ge=0, le=65535)
    """TCP port; 0: any free one (the log says which)."""
    token: SecretStr | None = None
    """Bearer token that every request but those for `/healthz`, `/readyz` and the bare page must bring."""
    tokens: dict[Name, SecretStr] = Field(default_factory=dict)
    """More such tokens by the name of who has it, for the audit trail to tell who asked."""

    @model_validator(mode="after")
    def _token_beyond_loopback(self) -> Http:
        if self.token is not None and "token" in self.tokens:
            raise ValueError("tokens: 'token' is the name of the common token, which it would replace")
        if self.enabled and not self.named_tokens and not is_loopback(self.host):
            raise ValueError(f"token: needed to listen on {self.host}, which others can reach")
        for name, token in self.named_tokens.items():
            if len(token) < 16:
                raise ValueError(f"{name}: at least 16 characters")
        return self

    @property
    def named_tokens(self) -> dict[str, str]:
        """The tokens in plain, by the name of who has it; that of all is called `token`."""
        shared = {} if self.token is None else {"token": self.token}
        return {name: token.get_secret_value() for name, token in {**shared, **self.tokens}.items()}


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address is this machine's own, which others cannot reach."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Lease(Postgres):
    """A lock per camera in PostgreSQL, for workers on several machines with one configuration."""

    holder: Name | None = None
    """This worker's name; default: the host's name and a random part."""
    ttl_s: float = Field(default=15.0, ge=2, le=600)
    """A dead worker's cameras are taken over after this time; lower: short database outages stop
    cameras, higher: a camera is longer without a worker."""


class Service(Section):
    """The daemon."""

    http: Http = Http()
    """Web server."""
    status_socket: FilePath | None = None
    """Unix socket of `anpr-stream status`; default: `status.sock` in the run-time directory."""
    log: Literal["auto", "text", "json", "journal"] = "auto"
    """Form of log lines; `auto`: journald's where it reads them, text on a terminal, else JSON."""
    stop_within_s: float = Field(default=7.0, ge=1, le=60)
    """Time to end visits and flush; with the rest of the end below 10, after which systemd kills."""
    lease: Lease | None = None
    """Give it where several workers may be given the same camera."""
