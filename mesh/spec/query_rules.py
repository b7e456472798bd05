"""What queries of Prometheus must hold beyond the types of their keys. Ring: values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from mesh.spec.queries import QuerySettings
from mesh.spec.violation import Violation

URL_RULE = "must be like http://127.0.0.1:9090"


def is_prometheus_url(text: str) -> bool:
    """Tell whether `text` may be the address of a Prometheus."""
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
    return is_good and not parts.query and not any(character.isspace() for character in text)


def query_violations(queries: Sequence[QuerySettings]) -> Iterator[Violation]:
    """Return every rule that the queries of a deployment break."""
    names: set[str] = set()
    for index, query in enumerate(queries):
        path = ("scale_settings", "queries", index)
        if query.name in names:
            yield Violation((*path, "name"), query.name, "another query has this name")
        names.add(query.name)
        url = query.prometheus_url
        if url is not None and not is_prometheus_url(url):
            yield Violation((*path, "prometheus_url"), url, URL_RULE)
