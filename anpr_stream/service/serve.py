"""`anpr-stream serve`: puts the daemon together from its settings file and runs it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Settings
from anpr_stream.errors import ConfigError
from anpr_stream.inference.select import LoadedNetwork
from anpr_stream.interfaces import Clock
from anpr_stream.pipeline.delivery import count
from anpr_stream.pipeline.networks import Networks, load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.service.daemon import Daemon, Order
from anpr_stream.service.depot import SNAPSHOTS, Depot, load_confusions
from anpr_stream.service.extras import load_with_extra
from anpr_stream.service.http import News, Site, web_application
from anpr_stream.service.logs import set_up_logs
from anpr_stream.service.notify import Notifier
from anpr_stream.service.paths import socket_path, store_folder
from anpr_stream.service.periodic import Periodic
from anpr_stream.service.status_socket import StatusSocket
from anpr_stream.service.web_server import WebServer
from anpr_stream.sources.clock import SystemClock
from anpr_stream.store.snapshots import SnapshotFolder
from anpr_stream.types import Event

if TYPE_CHECKING:
    from anpr_stream.service.leases import LeaseHolder

LOG = logging.getLogger(__name__)
MEANING = {signal.SIGHUP: Order.RELOAD, signal.SIGTERM: Order.STOP, signal.SIGINT: Order.STOP}


def serve(config: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Watch all cameras of a settings file until SIGTERM or SIGINT; SIGHUP reads the file again.

    Args:
        config: the settings file.
        environ: see `load_settings`, `Notifier`, `store_folder`.

    Raises:
        AnprError: the daemon cannot start; once it runs it only logs.
    """
    orders: SimpleQueue[Order] = SimpleQueue()
    # Engines may take minutes to get ready; a reload that is asked for then must not end the daemon.
    take_orders(orders, signal.SIGHUP)
    load = partial(_load, config, environ)
    settings = load()
    set_up_logs(settings.service.log, environ=environ)
    networks = load_networks(settings)
    networks.warm_up()
    take_orders(orders, signal.SIGTERM, signal.SIGINT)
    run(settings, networks, load, orders, environ)


def _load(config: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings; one without cameras is a mistake at a reload, too: an empty file, say."""
    settings = load_settings(config, environ)
    if not settings.cameras:
        raise ConfigError(f"{config}: cameras: there are none to watch", "no-cameras")
    return settings


def run(
    settings: Settings,
    networks: Networks,
    load: Callable[[], Settings],
    orders: SimpleQueue[Order],
    environ: Mapping[str, str],
    clock: Clock | None = None,
) -> None:
    """Put the daemon together around its networks and run it until `Order.STOP` comes.

    Args:
        settings: to begin with.
        networks: shared by all cameras; freed in the end.
        load: reads the settings again.
        orders: what signals ask for.
        environ: see `serve`.
        clock: the machine's own by default.
    """
    clock = clock or SystemClock()
    folder = store_folder(settings.store, environ)
    news = News()
    with ExitStack() as stack:
        depot = stack.enter_context(Depot(settings, folder, clock, news.tell))
        pipeline = Pipeline(
            settings, networks, partial(_send, depot), depot, clock, depot.notebook, depot.write_clip
        )
        leases = _leases(settings, clock)
        daemon = Daemon(
            settings, pipeline, depot, load, clock, Notifier(environ), leases, _engines(networks.loaded)
        )
        if leases is not None:
            _keep_leases(leases, daemon, stack)
        stack.enter_context(Periodic("retention", settings.store.keep.every_s, depot.reap))
        stack.enter_context(StatusSocket(socket_path(settings.service, folder, environ), daemon.status))
        if settings.service.http.enabled:
            site = _site(settings, depot, daemon, news, clock)
            server = stack.enter_context(WebServer(settings.service.http, web_application(site)))
            stack.callback(news.end)
            LOG.info("http: listening; the page is at %s", server.address)
        daemon.run(orders)
    # Networks that a hung camera still uses cannot be freed; they go with the process.
    if pipeline.wait(0.0):
        pipeline.close()
        networks.close()


def _send(depot: Depot, event: Event) -> None:
    count(event)
    depot.write(event)


def take_orders(orders: SimpleQueue[Order], *numbers: signal.Signals) -> None:
    """Let signals write to a queue that may be written to from a signal's handler."""

    def take(number: int, frame: FrameType | None) -> None:
        orders.put(MEANING[signal.Signals(number)])

    for number in numbers:
        signal.signal(number, take)


def _leases(settings: Settings, clock: Clock) -> LeaseHolder | None:
    if settings.service.lease is None:
        return None
    module = load_with_extra("anpr_stream.service.leases", "postgres", "service.lease")
    holder: LeaseHolder = module.LeaseHolder(settings.service.lease, clock)
    return holder


def _keep_leases(leases: LeaseHolder, daemon: Daemon, stack: ExitStack) -> None:
    """Take leases now, renew them until the stack ends, then give them back."""
    leases.renew(daemon.camera_names())
    stack.callback(leases.close)
    stack.enter_context(Periodic("leases", leases.every_s, lambda: leases.renew(daemon.camera_names())))


def _engines(loaded: tuple[LoadedNetwork, ...]) -> dict[str, str]:
    return {network.model.name: f"{network.backend.description}: {network.because}" for network in loaded}


def _site(settings: Settings, depot: Depot, daemon: Daemon, news: News, clock: Clock) -> Site:
    return Site(
        folder=depot.folder,
        snapshots=SnapshotFolder(depot.folder / SNAPSHOTS, settings.store.jpeg_quality),
        status=daemon.status,
        faults=daemon.faults,
        is_ready=daemon.is_ready,
        news=news,
        hashed=depot.hasher,
        confusions=load_confusions(),
        change=depot.writer.submit,
        is_plain=depot.is_plain,
        clock=clock,
        tokens=settings.service.http.named_tokens,
    )
