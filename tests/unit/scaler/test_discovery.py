"""The page of targets."""

import json

from scaler.discovery import Discovery
from scaler.targets import TargetGroup


def test_who_does_not_lead_says_so():
    """With a 503 Prometheus keeps the targets it has; an empty list would take them away."""
    page = Discovery().page()

    assert page.status.startswith("503 ")
    assert b"does not lead" in page.body


def test_the_page_is_what_prometheus_reads():
    """A JSON list of targets with labels."""
    discovery = Discovery()
    discovery.groups = (TargetGroup(targets=("127.0.0.1:1",), labels={"job": "scaler"}),)

    page = discovery.page()

    assert (page.status, page.content_type) == ("200 OK", "application/json")
    assert json.loads(page.body) == [{"targets": ["127.0.0.1:1"], "labels": {"job": "scaler"}}]
