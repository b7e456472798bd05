"""Hosts and ports as URLs have them."""

import pytest

from mesh.address import host_and_port


@pytest.mark.parametrize(("host", "text"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")])
def test_an_ipv6_host_stands_in_brackets(host, text):
    """Its colons would be taken for that of the port."""
    assert host_and_port(host, 80) == text
