"""Metrics of one process: its own registry, served in the text form over HTTP by a thread.

A program may have more pages served beside them, each a function that is called in that thread.
Metrics are made where they are counted, on the registry that is handed in; nothing is registered
globally, so that two services in one process (or test) do not collide. Ring: adapter.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Self
from wsgiref.simple_server import WSGIServer

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

from mesh.address import host_and_port

log = logging.getLogger("mesh.metrics")

PATH: Final = "/metrics"
# Where the scaler tells Prometheus whom to scrape.
DISCOVERY_PATH: Final = "/sd/prometheus"

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Page(NamedTuple):
    """What a page answers with."""

    status: str
    content_type: str
    body: bytes


NOT_FOUND: Final = Page("404 Not Found", "text/plain; charset=utf-8", b"no such page\n")


def new_registry() -> CollectorRegistry:
    """Return a registry that already holds the process's own CPU, memory and file figures."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def discovery_url(metrics_url: str) -> str:
    """Return where the scaler that has its metrics there tells Prometheus whom to scrape."""
    return metrics_url.removesuffix(PATH) + DISCOVERY_PATH if metrics_url else ""


def render(registry: CollectorRegistry) -> tuple[bytes, str]:
    """Return what `/metrics` answers, and its content type."""
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


def broker_connected(*, is_connected: bool) -> Metric:
    """Return the metric that each program tells under the same name."""
    return GaugeMetricFamily(
        "mesh_broker_connected", "1 while connected to the broker", float(is_connected)
    )


class MetricsServer:
    """Serves a registry, and other pages by their paths, until closed."""

    def __init__(self, server: WSGIServer, thread: threading.Thread, host: str) -> None:
        self._server = server
        self._thread = thread
        self.url = f"http://{host_and_port(host, server.server_port)}{PATH}"

    def __repr__(self) -> str:
        return f"<MetricsServer {self.url}>"

    @classmethod
    def open(
        cls,
        registry: CollectorRegistry,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pages: Mapping[str, Callable[[], Page]] | None = None,
    ) -> Self:
        """Listen on `port`; on any free one if it is 0 or taken: that keeps nobody from serving."""
        try:
            server, thread = prometheus_client.start_http_server(port, host, registry)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
            log.warning("metrics.port_taken host=%s port=%d taking a free one", host, port)
            server, thread = prometheus_client.start_http_server(0, host, registry)
        server.set_app(_router(prometheus_client.make_wsgi_app(registry), pages or {}))
        return cls(server, thread, host)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _router(metrics: App, pages: Mapping[str, Callable[[], Page]]) -> App:
    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == PATH or (path in pages and environ["REQUEST_METHOD"] != "GET"):
            return metrics(environ, start_response)  # which refuses any other method
        page = pages[path]() if path in pages else NOT_FOUND
        headers = [("Content-Type", page.content_type), ("Content-Length", str(len(page.body)))]
        start_response(page.status, headers)
        return [page.body]

    return answer
