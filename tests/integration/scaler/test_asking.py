"""Scaling by what a real Prometheus says; a dead one, and one that never answers."""

import asyncio

import pytest
from msgspec.structs import replace

from mesh import subjects
from mesh.api import DeploymentPut
from mesh.scales import read_scale_changes
from mesh.spec.queries import QuerySettings
from tests.integration.scaler.test_scaling import counts, scaled
from tests.prometheus import Prometheus, binary, is_ci

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.foreign,
    pytest.mark.skipif(
        binary("prometheus") is None and not is_ci(),
        reason="no prometheus: scripts/need-prometheus.sh says how to get it",
    ),
]


@pytest.fixture
def prometheus(tmp_path):
    """A Prometheus that has nobody to scrape: it still computes."""
    made = Prometheus(tmp_path / "prometheus", "http://127.0.0.1:1/sd")
    yield made
    made.close()


def queried(query, **changes):
    queries = [QuerySettings(name="load", query=query, target=2.0)]
    return scaled(queries=queries, target_utilization_percentage=None, **changes)


@pytest.fixture
async def asks(rig):
    """Have the scaler ask a Prometheus there, often."""

    async def ask(url, interval_s=0.2):
        await rig.stop()
        own = replace(rig.settings.scaler, prometheus_url=url, prometheus_interval_s=interval_s)
        rig.settings = replace(rig.settings, scaler=own)
        await rig.start()
        await rig.endpoint()

    return ask


async def test_a_value_asks_for_instances(rig, prometheus, asks):
    """Nobody sends a request; the history says what asked. Another value, and they go."""
    await asks(prometheus.url)
    await rig.create(queried("vector(5)"))
    await rig.until(counts(3))

    await rig.update(queried("vector(0)"))
    await rig.until(counts(1))
    await rig.metrics('mesh_scale_query_value{deployment="blue",endpoint="iris",query="load"} 0.0')
    out, back = await read_scale_changes(rig.bus, "iris", "blue", 50)

    assert (out.reason, out.asked) == (
        "query load is 5, 2 per instance, need 3",
        {"query:load": 3},
    )
    assert (out.seen.queries, back.seen.queries) == ({"load": 5.0}, {"load": 0.0})


async def test_a_prometheus_that_is_gone_takes_nobody_away(rig, prometheus, asks):
    """No data is not zero: the count stays, and it is told why."""
    await asks(prometheus.url)
    await rig.create(queried("vector(5)", scale_in_delay_s=0.1))
    await rig.until(counts(3))

    await asyncio.to_thread(prometheus.close)
    view = await rig.until(lambda view: view.scaling.notes and not view.scaling.seen.queries)

    assert view.instance_count == 3
    assert view.scaling.notes == ["query load: All connection attempts failed"]
    assert len(await read_scale_changes(rig.bus, "iris", "blue", 50)) == 1


async def test_a_prometheus_that_never_answers_delays_no_decision(rig, asks):
    """What the queue asks for is started while the answer is waited for."""
    asked = asyncio.Event()

    async def never(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    await asks(f"http://{host}:{port}", interval_s=30.0)
    await rig.create(queried("vector(5)", target_messages_per_instance=1))
    await rig.settled()
    await asked.wait()

    for _ in range(3):
        await rig.bus.publish(subjects.work("iris", "blue", "interactive"), b"{}")
    view = await rig.until(counts(3))

    assert view.scaling.seen.queries == {}
    server.close()


async def test_what_a_query_lacks_is_told(rig, prometheus, asks):
    """Two series, none, or a query that is none."""
    await asks(prometheus.url)
    for query, why in (
        ('label_replace(vector(1), "a", "b", "", "") or vector(2)', "2 series"),
        ("nobody_has_this", "no series has a value"),
        ("sum(", "status 400: invalid parameter"),
    ):
        spec = queried(query)
        exists = await rig.view() is not None
        await (rig.update if exists else rig.create)(spec)
        view = await rig.until(lambda view, why=why: why in str(view.scaling.notes))

        assert view.instance_count == 1
    labels = 'deployment="blue",endpoint="iris",query="load"'
    await rig.metrics(f"mesh_scale_query_failures_total{{{labels}}}")


async def test_a_query_needs_a_prometheus(rig):
    """It is refused when the deployment is created, by name."""
    await rig.endpoint()

    code, message = await rig.refused("deployment.create", DeploymentPut(spec=queried("vector(1)")))

    assert code == "bad_spec"
    assert message.startswith("scale_settings.queries[0]: no Prometheus to ask")
