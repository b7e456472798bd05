"""Metrics: a registry per service, served over HTTP."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import Counter

from mesh.metrics import MetricsServer, Page, new_registry, render


def test_a_registry_is_served_until_closed():
    """On a free port, with the process's own figures; then the port is free again."""
    registry = new_registry()
    Counter("mesh_things", "Things.", registry=registry).inc(3)
    server = MetricsServer.open(registry)

    with urllib.request.urlopen(server.url) as response:
        text = response.read().decode()
    server.close()

    assert "mesh_things_total 3.0" in text
    assert "process_cpu_seconds_total" in text
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(server.url)


def test_two_services_in_one_process_do_not_collide():
    """Nothing is registered globally."""
    for _ in range(2):
        registry = new_registry()
        Counter("mesh_things", "Things.", registry=registry)

        body, content_type = render(registry)

        assert b"mesh_things_total 0.0" in body
        assert content_type.startswith("text/plain")


def test_a_port_that_is_taken_keeps_nobody_from_serving():
    """Another mesh on the machine may have it: a free one is taken instead."""
    first = MetricsServer.open(new_registry())
    port = int(first.url.split(":")[2].split("/")[0])

    second = MetricsServer.open(new_registry(), port=port)

    assert second.url != first.url
    second.close()
    first.close()


def test_pages_are_served_beside_the_metrics():
    """By their paths, with type and length; any other path is 404."""
    page = Page("200 OK", "application/json", b"[]")
    server = MetricsServer.open(new_registry(), pages={"/sd": lambda: page})

    with urllib.request.urlopen(server.url.replace("/metrics", "/sd")) as response:
        head, body = response.headers, response.read()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(server.url + "/more")
    server.close()

    assert (head["Content-Type"], head["Content-Length"], body) == ("application/json", "2", b"[]")
