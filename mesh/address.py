"""Hosts and ports, of IPv4 and IPv6 alike. Ring: values."""

from __future__ import annotations

import socket


def family_of(host: str) -> socket.AddressFamily:
    """Return the family of sockets that listen on a host."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def host_and_port(host: str, port: int) -> str:
    """Write them as a URL has them: `127.0.0.1:80`, `[::1]:80`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
