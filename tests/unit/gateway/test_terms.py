"""What callers ask of queued requests: when, until when, who is told, how urgent."""

import pytest

from gateway.terms import LONGEST_S, Allowed, Terms, host_of, read_terms
from mesh.errors import RequestError

NOW_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z
HOSTS = ["hooks.example.com", "*.corp"]


def read(default_s=3600.0, **headers):
    named = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
    return read_terms(named, NOW_S, Allowed(default_s, LONGEST_S, HOSTS))


def test_nothing_asked_for_is_an_hour_at_normal_priority():
    """At once, and nobody is told."""
    assert read() == Terms("queued", 0.0, 3600.0, "")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"mesh_expires": "90"}, (0.0, 90.0)),
        ({"mesh_expires": "2026-01-01T01:00:00Z"}, (0.0, 3600.0)),
        ({"mesh_expires": "2026-01-01T02:00:00+01:00"}, (0.0, 3600.0)),
        ({"mesh_not_before": "60"}, (60.0, 3660.0)),
        ({"mesh_not_before": "2026-01-01T00:01:00Z", "mesh_expires": "90"}, (60.0, 90.0)),
        ({"mesh_not_before": "2025-12-31T00:00:00Z"}, (0.0, 3600.0)),
        ({"x_ms_request_timeout_ms": "1500"}, (0.0, 1.5)),
        ({"mesh_expires": "10", "request_timeout": "20"}, (0.0, 10.0)),
    ],
)
def test_times_count_from_when_it_was_accepted(headers, expected):
    """Seconds from now, or an instant with its zone; the default counts from when it may run."""
    terms = read(**headers)

    assert (terms.delay_s, terms.timeout_s) == expected


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"mesh_expires": "soon"}, "Mesh-Expires: 'soon': expected seconds from now, or a time"),
        ({"mesh_expires": "2026-01-01T01:00:00"}, "its zone included"),
        ({"mesh_expires": "2025-12-31T00:00:00Z"}, "it is in the past"),
        ({"mesh_expires": "0"}, "it is in the past"),
        ({"mesh_expires": "86401"}, "it is more than 86400 s away"),
        ({"mesh_not_before": "-5"}, "Mesh-Not-Before: '-5': expected seconds"),
        ({"mesh_not_before": "60", "mesh_expires": "60"}, "it would expire before that"),
        ({"mesh_not_before": "90000"}, "it would expire before that"),
        ({"mesh_priority": "high"}, "Mesh-Priority: 'high': expected normal or low"),
        ({"mesh_webhook": "ftp://hooks.example.com/a"}, "expected a URL as https://host/path"),
        ({"mesh_webhook": "http://169.254.169.254/"}, "does not name the host 169.254.169.254"),
    ],
)
def test_what_cannot_be_had_is_refused(headers, said):
    """With the header, its value and what would be right."""
    with pytest.raises(RequestError, match=said.replace("(", r"\(")):
        read(**headers)


def test_the_longest_wait_is_as_long_as_results_are_kept():
    """Whatever the default."""
    assert read(default_s=10 * LONGEST_S).timeout_s == LONGEST_S


@pytest.mark.parametrize("url", ["https://HOOKS.example.com/a?b=c", "http://a.corp:8080/"])
def test_a_webhook_may_call_hosts_that_are_named(url):
    """By pattern; upper and lower case are one."""
    assert read(mesh_webhook=url).webhook == url


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com", "https://", "https:///a", "https://u:p@hooks.example.com/",
        "https://hooks.example.com:x/", "https://hooks.example.com/ä", "https://a b/",
        "https://[::1/", "https://hooks.example.com/" + "a" * 2048,
    ],
)  # fmt: skip
def test_what_is_no_such_url(url):
    """No host, a user, characters that must be encoded, too long."""
    assert host_of(url) is None
