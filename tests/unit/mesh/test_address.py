"""Hosts and ports as URLs have them."""

import pytest

from mesh.address import host_and_port, refuse_bad_broker, seen_from_afar
from mesh.errors import SpecError


@pytest.mark.parametrize(("host", "text"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")])
def test_an_ipv6_host_stands_in_brackets(host, text):
    """Its colons would be taken for that of the port."""
    assert host_and_port(host, 80) == text


@pytest.mark.parametrize(
    ("netloc", "text"),
    [
        ("0.0.0.0:80", "box:80"),
        ("[::]:80", "box:80"),
        (":80", "box:80"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]:80", "[::1]:80"),
    ],
)
def test_all_addresses_are_seen_from_afar_as_the_machine(netloc, text):
    """What is one address stays as it is."""
    assert seen_from_afar(netloc, "box") == text


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("nats://127.0.0.1:4222", id="usual"),
        pytest.param("127.0.0.1", id="bare"),
        pytest.param("nats://u:p@[::1]:4222", id="credentials and IPv6"),
        pytest.param("nats://a:1,tls://b:2", id="several"),
    ],
)
def test_addresses_of_brokers_are_let_through(url):
    """Whether somebody listens there is for the connection to find out."""
    refuse_bad_broker(url)


@pytest.mark.parametrize(
    "url",
    ["nats://", "nats://a:99999", "nats://a:x", "http://a:4222", "a b", "nats://a,", "nats://u:p@"],
)
def test_what_is_no_address_is_refused_at_once(url):
    """It is named as the setting it is, without its password."""
    with pytest.raises(SpecError, match=r"nats\.url \(NATS_URL\): '.*': must be like") as caught:
        refuse_bad_broker(url)

    assert "u:p" not in str(caught.value)
