"""Whom Prometheus is told to scrape."""

from mesh.wire import GatewayHeartbeat, WorkerHeartbeat
from scaler.targets import targets

OWN = "http://127.0.0.1:8081/metrics"


def gateway(**changes):
    return GatewayHeartbeat(gateway="g", revision=1, host="box", **changes)


def worker(name="i1", **changes):
    facts = {"state": "ready", "host": "box", "metrics_url": "http://127.0.0.1:9001/metrics"}
    return WorkerHeartbeat(
        endpoint="iris", deployment="blue", instance=name, generation=3, **facts | changes
    )


def addresses(*groups):
    return [address for group in groups for address in group.targets]


def test_everyone_is_told_with_their_labels():
    """The scaler itself, each gateway, and each worker with what it serves."""
    found = targets([gateway(metrics_url="http://127.0.0.1:8080/metrics")], [worker()], OWN, "box")

    where = {"__scheme__": "http", "__metrics_path__": "/metrics"}
    assert addresses(*found) == ["127.0.0.1:8081", "127.0.0.1:8080", "127.0.0.1:9001"]
    assert [group.labels for group in found] == [
        where | {"job": "scaler"},
        where | {"job": "gateway"},
        where
        | {"job": "worker", "endpoint": "iris", "deployment": "blue"}
        | {"mesh_instance": "i1", "generation": "3"},
    ]


def test_a_gateway_is_scraped_where_it_listens():
    """Not at its public address, behind which there may be many."""
    said = gateway(url="https://models.example", metrics_url="http://[::1]:8080/metrics")

    _, found = targets([said], [], OWN, "box")

    assert found.targets == ("[::1]:8080",)
    assert found.labels["__scheme__"] == "http"


def test_all_addresses_of_a_machine_are_told_by_its_name():
    """0.0.0.0 and :: mean nothing to who scrapes from elsewhere."""
    wild = worker(metrics_url="http://0.0.0.0:9001/metrics", host="far")

    found = targets([], [wild], "http://[::]:8081/metrics", "box")

    assert addresses(*found) == ["box:8081", "far:9001"]


def test_who_does_not_listen_yet_is_no_target():
    """A worker's first heartbeat comes before its metrics have an address."""
    assert len(targets([], [worker(metrics_url="")], OWN, "box")) == 1


def test_the_order_does_not_depend_on_who_spoke_last():
    """The same processes make the same page."""
    one, two = worker("i1"), worker("i2", metrics_url="http://127.0.0.1:9000/metrics")

    assert targets([], [one, two], OWN, "box") == targets([], [two, one], OWN, "box")
