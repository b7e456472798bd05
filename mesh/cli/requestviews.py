"""How queued requests look to people. Ring: values."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from mesh.cli.letterviews import age_text
from mesh.cli.output import new_table
from mesh.cli.views import fields, time_text
from mesh.figures import size_text
from mesh.request_api import RequestRetried, RequestView


def request_list(views: Sequence[RequestView], now_s: float) -> Table:
    """Queued requests, a row each."""
    table = new_table("Request", "Age", "Endpoint", "Deployment", "Lane", "State", "Status")
    for view in views:
        table.add_row(
            view.request_id,
            age_text(now_s - view.submitted_at_s) if view.submitted_at_s else "",
            view.endpoint_name,
            view.deployment,
            view.lane,
            view.state,
            status_text(view),
        )
    return table


def request_details(view: RequestView) -> Table:
    """One queued request, a row per property and per header of its result."""
    return fields(
        [
            ("Request", view.request_id),
            ("Endpoint", view.endpoint_name),
            ("Deployment", view.deployment),
            ("Lane", view.lane),
            ("State", view.state),
            ("Status", status_text(view)),
            ("Attempt", str(view.attempt or "")),
            ("Instance", view.instance),
            ("Submitted", time_text(view.submitted_at_s)),
            ("Expires", time_text(view.expires_at_s)),
            ("Begun", time_text(view.begun_at_s)),
            ("Ended", time_text(view.ended_at_s)),
            ("Result", size_text(view.size_bytes) if view.status else ""),
            *((f"Header {name}", value) for name, value in view.headers.items()),
        ]
    )


def resent_list(done: Sequence[RequestRetried]) -> Table:
    """Requests that were sent again, a row each."""
    table = new_table("Request", "Endpoint", "New request")
    for one in done:
        table.add_row(one.request_id, one.endpoint_name, one.new_id)
    return table


def status_text(view: RequestView) -> str:
    """The status of a result and the code of its error, empty if there is none."""
    return f"{view.status or ''} {view.error}".strip()
