import pytest

from gateway.cors import Cors


def test_off_by_default():
    """Without origins in the settings no page may call, and nothing is spent on it."""
    cors = Cors([])

    assert not cors
    assert cors.lines(b"https://a.example") == b""
    assert cors.preflight(b"https://a.example") is None


@pytest.mark.parametrize("origins", [["https://a.example"], ["https://a.example/"], ["*"]])
def test_named_origin_is_allowed(origins):
    """A page of a named origin may call; the answer names that origin."""
    lines = Cors(origins).lines(b"https://a.example")

    assert b"access-control-allow-origin: https://a.example\r\n" in lines


@pytest.mark.parametrize("origin", [b"https://b.example", b"null", b"", b"https://a.example.evil"])
def test_other_origins_are_not(origin):
    """Only the exact origin counts."""
    assert Cors(["https://a.example"]).lines(origin) == b""


def test_preflight_allows_what_a_scoring_request_needs():
    """The browser learns that it may send a key and a body type."""
    headers = Cors(["*"]).preflight(b"https://a.example")

    assert headers["access-control-allow-methods"] == "POST, GET, DELETE"
    assert "authorization" in headers["access-control-allow-headers"]
