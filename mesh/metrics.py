"""Metrics of one process: its own registry, served in the text form over HTTP by a thread.

Metrics are made where they are counted, on the registry that is handed in; nothing is registered
globally, so that two services in one process (or test) do not collide. Ring: adapter.
"""

from __future__ import annotations

import errno
import logging
import threading
from typing import Self
from wsgiref.simple_server import WSGIServer

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector

from mesh.address import host_and_port

log = logging.getLogger("mesh.metrics")


def new_registry() -> CollectorRegistry:
    """Return a registry that already holds the process's own CPU, memory and file figures."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def render(registry: CollectorRegistry) -> tuple[bytes, str]:
    """Return what `/metrics` answers, and its content type."""
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


class MetricsServer:
    """Serves a registry until closed."""

    def __init__(self, server: WSGIServer, thread: threading.Thread, host: str) -> None:
        self._server = server
        self._thread = thread
        self.url = f"http://{host_and_port(host, server.server_port)}/metrics"

    def __repr__(self) -> str:
        return f"<MetricsServer {self.url}>"

    @classmethod
    def open(cls, registry: CollectorRegistry, *, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Listen on `port`; on any free one if it is 0 or taken: that keeps nobody from serving."""
        try:
            server, thread = prometheus_client.start_http_server(port, host, registry)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
            log.warning("metrics.port_taken host=%s port=%d taking a free one", host, port)
            server, thread = prometheus_client.start_http_server(0, host, registry)
        return cls(server, thread, host)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
