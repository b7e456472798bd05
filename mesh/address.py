"""Hosts and ports, of IPv4 and IPv6 alike. Ring: values."""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import urlsplit

from mesh.errors import SpecError

BROKER_SCHEMES: Final = ("nats", "tls", "ws", "wss")
WILDCARDS: Final = (None, "0.0.0.0", "::")


def family_of(host: str) -> socket.AddressFamily:
    """Return the family of sockets that listen on a host."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def host_and_port(host: str, port: int) -> str:
    """Write them as a URL has them: `127.0.0.1:80`, `[::1]:80`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def seen_from_afar(netloc: str, machine: str) -> str:
    """Return where others reach who listens there: "all addresses" becomes the machine's name."""
    parts = urlsplit(f"//{netloc}")
    return f"{machine}:{parts.port}" if parts.hostname in WILDCARDS and machine else netloc


def without_credentials(urls: str) -> str:
    """Return addresses of brokers, separated by commas, as they may be shown."""
    return ", ".join(part.rsplit("@", 1)[-1].removeprefix("nats://") for part in urls.split(","))


def refuse_bad_broker(urls: str) -> None:
    """Refuse what cannot be the addresses of brokers, separated by commas.

    Raises:
        SpecError: one of them cannot be read.
    """
    for url in urls.split(","):
        try:
            parts = urlsplit(url if "://" in url else f"nats://{url}")
            is_good = bool(parts.hostname) and parts.port != 0 and parts.scheme in BROKER_SCHEMES
        except ValueError:  # a port that is none
            is_good = False
        if not is_good or any(character.isspace() for character in url):
            shown = without_credentials(url) if "@" in url else url
            raise SpecError(f"nats.url (NATS_URL): '{shown}': must be like nats://127.0.0.1:4222")
