"""Real brokers for tests, each on a free loopback port and in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

POSTGRES_BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), Path("/none"))
START_LIMIT_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A server process that listens on one loopback port."""

    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="anpr-broker-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        deadline_s = time.monotonic() + START_LIMIT_S
        while not self.is_ready():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline_s, (self.folder / "log").read_text()
            time.sleep(0.02)

    def is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(self.stop_signal)
            self._process.wait(START_LIMIT_S)
            self._process = None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mosquitto(Server):
    """With TLS (for clients with a certificate), with a password, or keeping sessions over restarts."""

    def __init__(
        self,
        tls: tuple[Path, Path] | None = None,
        password: str | None = None,
        is_durable: bool = False,
        clients: Path | None = None,
    ) -> None:
        super().__init__()
        lines = [f"listener {self.port} 127.0.0.1", f"persistence {str(is_durable).lower()}"]
        lines += [f"persistence_location {self.folder}/", "max_queued_messages 0"]
        if tls is not None:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        if clients is not None:
            lines += [f"cafile {clients}", "require_certificate true"]
        if password is None:
            lines.append("allow_anonymous true")
        else:
            words = self.folder / "passwords"
            subprocess.run(["mosquitto_passwd", "-b", "-c", str(words), "anpr", password], check=True)
            words.chmod(0o644)
            lines += ["allow_anonymous false", f"password_file {words}"]
        if os.getuid() == 0:
            lines.append("user root")
        (self.folder / "conf").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str]:
        return [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(self.folder / "conf")]


class Redis(Server):
    """Keeps its stream over restarts."""

    def __init__(
        self,
        password: str | None = None,
        tls: tuple[Path, Path] | None = None,
        clients: Path | None = None,
    ) -> None:
        super().__init__()
        self._more = ["--requirepass", password] if password else []
        self._ports = ["--port", str(self.port)]
        if tls is not None:
            asks = "no" if clients is None else "yes"
            self._ports = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", asks]
            self._more += ["--tls-cert-file", str(tls[0]), "--tls-key-file", str(tls[1])]
            self._more += ["--tls-ca-cert-file", str(clients or tls[0])]

    def command(self) -> Sequence[str]:
        files = ["--dir", str(self.folder), "--appendonly", "yes", "--save", ""]
        return ["redis-server", *self._ports, "--bind", "127.0.0.1", *files, *self._more]


class Nats(Server):
    """With JetStream on disk."""

    def __init__(
        self,
        password: str | None = None,
        tls: tuple[Path, Path] | None = None,
        clients: Path | None = None,
    ) -> None:
        super().__init__()
        self._more = ["--user", "anpr", "--pass", password] if password else []
        if tls is not None:
            self._more += ["--tls", "--tlscert", str(tls[0]), "--tlskey", str(tls[1])]
        if clients is not None:
            self._more += ["--tlsverify", "--tlscacert", str(clients)]

    def command(self) -> Sequence[str]:
        program = shutil.which("nats-server") or "/usr/sbin/nats-server"
        return [
            program,
            "-a",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-js",
            "-sd",
            str(self.folder / "js"),
            *self._more,
        ]


class PostgreSql(Server):
    """Run as the user postgres where the tests run as root, which the server refuses."""

    stop_signal = signal.SIGINT

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self._tls: list[str] = []
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        init = [
            "initdb",
            "-D",
            str(self._data),
            "-U",
            "anpr",
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(self._as_owner(init), check=True, stdout=subprocess.DEVNULL)
        if tls is not None:
            for name, source in zip(("server.crt", "server.key"), tls, strict=True):
                shutil.copy(source, self._data / name)
                (self._data / name).chmod(0o600)
                shutil.chown(self._data / name, self._data.owner(), self._data.group())
            self._tls = ["-c", "ssl=on"]

    @property
    def dsn(self) -> str:
        return f"postgresql://anpr@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder), "-c", "fsync=off"]
        options += self._tls
        return self._as_owner(["postgres", "-D", str(self._data), *options])

    def is_ready(self) -> bool:
        check = [str(POSTGRES_BIN / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(check, check=False).returncode == 0

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _as_owner(self, command: Sequence[str]) -> list[str]:
        full = [str(POSTGRES_BIN / command[0]), *command[1:]]
        # setpriv replaces itself by the server, so that a signal to the process reaches it.
        change = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        return [*change, *full] if os.getuid() == 0 else full
