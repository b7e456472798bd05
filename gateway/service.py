"""The gateway program: puts the parts together, serves until told to stop, drains.

Ring: service.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import socket
from typing import Any, Final

from gateway.app import build_app
from gateway.cors import Cors
from gateway.demand import Demands
from gateway.heartbeat import Heartbeat
from gateway.ingress import Ingress
from gateway.invoke import Invocations
from gateway.large import LargeBodies
from gateway.ledger import Ledger
from gateway.meters import MeterBook
from gateway.metrics import Counts, GatewayCollector
from gateway.pending import Pending
from gateway.recovery import Recovery
from gateway.reserving import Reservations
from gateway.results import Results
from gateway.routes import RouteTable
from gateway.scoring import Parts, Scoring
from gateway.server import HttpServer
from gateway.submission import Submissions
from gateway.terms import Allowed
from gateway.traffic import TrafficLog
from gateway.webhooks import Webhooks
from gateway.withdraws import Withdraws
from mesh import lifecycle, metrics, subjects, wire
from mesh.address import family_of, host_and_port, seen_from_afar
from mesh.bus import Bus, Inlet, Message, Outlet
from mesh.clock import BrokerClock
from mesh.exits import Exit
from mesh.settings import GatewaySettings, Settings
from mesh.store import ConfigView
from mesh.tasks import first_of

log = logging.getLogger("gateway")

PROGRAM: Final = "gateway"
GC_OBJECTS: Final = 20_000


class Gateway:
    """One running gateway, on a connection of its own."""

    def __init__(self, bus: Bus, settings: GatewaySettings) -> None:
        self.name = secrets.token_hex(6)
        self._bus = bus
        self._settings = settings
        self._outlet = Outlet(bus)
        self._book = MeterBook()
        self._pending = Pending()
        self._routes = RouteTable(self.name, self._book.of, settings.domain)
        self._traffic = TrafficLog(self.name, self._outlet.post) if settings.access_log else None
        self._view = ConfigView(bus, subjects.CONFIG_BUCKET)
        self._heartbeat = Heartbeat(self.name, self._outlet, self._describe)
        self._demands = Demands(self._outlet, self._heartbeat.beat)
        self._server: HttpServer | None = None
        self._cors = Cors(settings.cors_origins)
        self._results = Results(bus, self._routes, self._cors)
        allowed = Allowed.of(settings)
        self._submissions = Submissions(bus, allowed)
        self._reservations = Reservations(bus, BrokerClock())
        self._large = LargeBodies(bus, allowed)
        self._scoring = self._serve_scoring()
        self._invocations = Invocations(bus, self._routes, self._scoring, self._outlet)
        self._withdraws = Withdraws(bus)
        self._ingress = Ingress(
            self._reservations, self._routes, self._scoring, self._outlet, allowed
        )
        self._webhooks = Webhooks(bus, self._routes, self._outlet, settings)
        self._is_leaving = False

    def __repr__(self) -> str:
        return f"<Gateway {self.name} at {self.url} {self._pending!r}>"

    @property
    def url(self) -> str:
        """Where this gateway listens."""
        port = self._server.port if self._server is not None else 0
        return f"http://{host_and_port(self._settings.host, port)}"

    @property
    def in_flight(self) -> int:
        """Requests that are out."""
        return len(self._pending.entries)

    @property
    def waiting(self) -> int:
        """Clients who wait for the end of a queued request."""
        return self._results.waiting

    @property
    def is_ready(self) -> bool:
        """Whether a request would be served now."""
        return self._bus.is_connected and not self._is_leaving

    async def open(self, sock: socket.socket) -> None:
        """Learn the routes, then listen."""
        await Inlet.subscribe(self._bus, subjects.reply_wildcard(self.name), self._take_reply)
        await self._bus.subscribe(subjects.DEPTHS, self._take_depth)
        recovery = Recovery(self._bus, self._outlet, self._pending)
        self._bus.on_reconnect(recovery.after_reconnect)
        self._view.on_change(self._routes.apply)
        self._view.on_applied(self._note_revision)
        await self._view.start()
        self._server = await HttpServer.open(sock, self._scoring, self._app())
        await self._invocations.open()
        await self._withdraws.open()
        await self._ingress.intake.open()
        await self._webhooks.intake.open()
        self._heartbeat.start()
        log.info("gateway.ready name=%s url=%s", self.name, self.url)

    async def close(self) -> int:
        """Drain; return how many requests were cut off."""
        self._is_leaving = True
        self._heartbeat.stop()
        self._results.close()
        grace_s = self._settings.drain_timeout_s
        closing = [
            self._invocations.close(grace_s),
            self._withdraws.close(grace_s),
            self._ingress.intake.close(grace_s),
            self._webhooks.close(grace_s),
        ]
        if self._server is not None:
            closing.append(self._server.close(grace_s))
        late = sum(await asyncio.gather(*closing))
        await self._submissions.close()
        await self._scoring.keyed.close()
        await self._large.close()
        self._pending.close()
        if self._traffic is not None:
            self._traffic.flush()
        await self._view.close()
        return late

    def _serve_scoring(self) -> Scoring:
        ledger = Ledger(self._traffic)
        parts = Parts(
            self._routes,
            self._pending,
            self._outlet,
            ledger,
            self._book,
            self._cors,
            self._submissions,
            self._reservations,
            self._large,
            self._demands,
        )
        inline_bytes = min(self._settings.inline_request_bytes, self._bus.max_body_bytes)
        return Scoring(parts, self._settings.max_request_bytes, inline_bytes)

    def _app(self) -> Any:
        registry = metrics.new_registry()
        registry.register(
            GatewayCollector(
                self._book,
                self._pending,
                self._connections,
                lambda: self._bus.is_connected,
                self._counts(),
            )
        )
        return build_app(registry, lambda: self.is_ready, self._cors, self._results.serve)

    def _counts(self) -> list[Counts]:
        return [
            Counts(
                "mesh_gateway_pubacks",
                "Confirmations of the queues",
                "outcome",
                self._pending.pubacks,
            ),
            Counts(
                "mesh_gateway_demand_events",
                "Words to the scaler that requests wait for no instance, or are refused",
                "reason",
                self._demands.told,
            ),
            Counts(
                "mesh_gateway_invocations_dropped",
                "Invocations that were not run",
                "reason",
                self._invocations.dropped,
            ),
            Counts(
                "mesh_gateway_enqueued",
                "Enqueued requests by what became of them here",
                "outcome",
                self._ingress.outcomes,
            ),
            Counts(
                "mesh_gateway_webhooks",
                "Calls of webhooks by what became of them",
                "outcome",
                self._webhooks.outcomes,
            ),
            Counts(
                "mesh_gateway_keyed",
                "Requests with an idempotency key by what became of them here",
                "outcome",
                self._reservations.outcomes,
            ),
        ]

    def _connections(self) -> int:
        return self._server.connections if self._server is not None else 0

    def _take_reply(self, message: Message) -> None:
        number = message.subject.rpartition(".")[2]
        self._pending.take(int(number), message.data, message.headers)

    async def _take_depth(self, message: Message) -> None:
        depth = wire.decode(message.data, wire.Depth)
        if depth is not None:
            self._routes.note_depth(depth, asyncio.get_running_loop().time())

    def _note_revision(self, revision: int) -> None:
        if self._server is not None:  # before that there is no address to tell
            self._heartbeat.beat()

    def _url_from_afar(self) -> str:
        netloc = self.url.removeprefix("http://")
        return f"http://{seen_from_afar(netloc, socket.gethostname())}"

    def _describe(self) -> dict[str, Any]:
        return {
            "revision": self._view.revision,
            "url": self._settings.public_url or self._url_from_afar(),
            "pending": self.in_flight,
            "offered": self._book.offered(),
            "latency": self._book.latency(),
            "metrics_url": self.url + metrics.PATH,
        }


def bind(host: str, port: int) -> socket.socket:
    """Bind the port, or any free one if it is 0.

    Raises:
        OSError: the port is taken.
    """
    sock = socket.socket(family_of(host), socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind((host, port))
    return sock


def _settle_memory() -> None:
    """Spare the collector what stays for good, and let it run less often.

    Requests make no cycles; looking for them every 700 objects costs 3 % of the time (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 20, 20)


async def serve(settings: Settings, stop: asyncio.Event) -> int:
    """Serve until `stop`; return the exit code."""
    lifecycle.allow_drain(settings.gateway.drain_timeout_s)
    sock = bind(settings.gateway.host, settings.gateway.port)
    bus = await lifecycle.connect(settings, "gateway", lifecycle.name(PROGRAM))
    gateway = Gateway(bus, settings.gateway)
    try:
        await gateway.open(sock)
        _settle_memory()
        lifecycle.announce(settings, PROGRAM, url=gateway.url, gateway=gateway.name)
        await first_of(stop, bus.closed)
        if not stop.is_set():
            return Exit.BROKER_LOST
        late = await gateway.close()
        return Exit.CUT_OFF if late else Exit.CLEAN
    finally:
        await bus.close()
