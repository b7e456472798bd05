"""What became of the copies: what the gateway counted, and what the mirror deployment answered."""

import asyncio
import urllib.request
from collections import Counter
from contextlib import aclosing
from urllib.parse import urljoin

from prometheus_client.parser import text_string_to_metric_families

from mesh import subjects, wire
from mesh.access import sign_in
from mesh.bus import Bus
from mesh.connect import broker_access
from mesh.history import read

WAIT_S = 30


def copies(scoring_uri: str) -> dict[str, float]:
    """Return the gateway's own count of copies, by what became of them."""
    with urllib.request.urlopen(urljoin(scoring_uri, "/metrics"), timeout=10) as page:
        families = text_string_to_metric_families(page.read().decode())
    return {
        sample.labels["outcome"]: sample.value
        for family in families
        if family.name == "mesh_gateway_mirrored"
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def shadow_answers(endpoint: str, deployment: str, expected: int) -> Counter[str]:
    """Return how the mirror deployment answered, once it has answered as often as expected."""
    return asyncio.run(_shadow_answers(endpoint, deployment, expected))


async def _shadow_answers(endpoint: str, deployment: str, expected: int) -> Counter[str]:
    bus = await sign_in(broker_access(), "demo")
    try:
        async with asyncio.timeout(WAIT_S):
            return await _count_answers(bus, subjects.shadow(endpoint, deployment), expected)
    finally:
        await bus.close()


async def _count_answers(bus: Bus, subject: str, expected: int) -> Counter[str]:
    seen: Counter[str] = Counter()
    async with aclosing(read(bus, subjects.SHADOW_STREAM, subject, follow=True)) as messages:
        while seen.total() < expected:
            answer = wire.decode((await anext(messages)).data, wire.ShadowAnswer)
            seen[answer.outcome if answer else "unreadable"] += 1
    return seen
