"""TensorRT plans on disk: found by what they were built from, rebuilt when anything differs.

A plan is good for one network, one TensorRT, one GPU, one precision and one profile. Its file
begins with a line of JSON that says so and holds a hash of what follows; whatever does not agree
is built again and the log says why in one line.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from anpr_stream.inference.choices import cache_folder

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlanKey:
    """What a plan depends on.

    Attributes:
        network: name of the network, for people.
        model_sha256: of the ONNX bytes that are built (after any change of precision).
        tensorrt: package and version.
        gpu: product name, or the generation's name where plans are built for one.
        compute_capability: e.g. `8.6` or `SM86`.
        precision: `fp32`, `fp16` or `int8`.
        profile: `1..16x3x384x640`.
    """

    network: str
    model_sha256: str
    tensorrt: str
    gpu: str
    compute_capability: str
    precision: str
    profile: str

    @property
    def file_name(self) -> str:
        """Name of the plan's file; another key has another name."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.network}-{self.precision}-{digest[:16]}.plan"


class PlanCache:
    """Plans in one folder, shared by all processes of a machine."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "tensorrt"

    def get(self, key: PlanKey, build: Callable[[], bytes], refusal: str = "") -> bytes:
        """Return the plan of a key, building and storing it where there is none that is good.

        Two processes that ask for one plan build it once: the second waits for the first. A
        folder that cannot be written costs the storing, never the plan. With a `refusal` the stored
        plan is of no use and built again.
        """
        with self._locked(key):
            plan, fault = (None, refusal) if refusal else self._load(key)
            if plan is not None:
                return plan
            LOG.info("building the TensorRT plan of %s (%s): %s", key.network, key.precision, fault)
            plan = build()
            self._store(key, plan)
            return plan

    def timings(self, key: PlanKey) -> bytes:
        """Return the timing cache of the key's TensorRT and GPU, empty where there is none."""
        with suppress(OSError):
            return self._timing_path(key).read_bytes()
        return b""

    def keep_timings(self, key: PlanKey, timings: bytes) -> None:
        """Store a timing cache for the next build on this GPU."""
        self._write(self._timing_path(key), timings)

    def _timing_path(self, key: PlanKey) -> Path:
        tied_to = f"{key.tensorrt}|{key.gpu}|{key.compute_capability}"
        return self.folder / f"{hashlib.sha256(tied_to.encode()).hexdigest()[:16]}.timing"

    def _load(self, key: PlanKey) -> tuple[bytes | None, str]:
        path = self.folder / key.file_name
        try:
            head, _, plan = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None, "there is none yet"
        except OSError as error:
            return None, f"{path} cannot be read ({error.strerror})"
        try:
            header = json.loads(head)
        except ValueError:
            return None, f"{path} is damaged"
        if header.get("key") != asdict(key):
            return None, f"{path} was built for something else"
        if header.get("sha256") != hashlib.sha256(plan).hexdigest():
            return None, f"{path} is damaged"
        return plan, ""

    def _store(self, key: PlanKey, plan: bytes) -> None:
        header = {"key": asdict(key), "sha256": hashlib.sha256(plan).hexdigest()}
        self._write(self.folder / key.file_name, json.dumps(header).encode() + b"\n" + plan)

    def _write(self, path: Path, content: bytes) -> None:
        """Write a whole file or none: a reader never sees half a plan."""
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=path.name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            LOG.warning("%s cannot be stored (%s); it is built again at the next start", path, error.strerror)
            if temporary is not None:
                with suppress(OSError):
                    os.unlink(temporary)

    @contextmanager
    def _locked(self, key: PlanKey) -> Iterator[None]:
        """Hold the key's lock; without a writable folder there is nobody to share with."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / f"{key.file_name}.lock").open("w")
        except OSError:
            yield
            return
        with lock:
            with suppress(OSError):  # a network's file system that knows no locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
