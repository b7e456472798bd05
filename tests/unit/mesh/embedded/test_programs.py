"""Which programs are started, and the ports they get."""

import contextlib
import socket

import msgspec
import pytest

from mesh.embedded.broker import is_free
from mesh.embedded.folder import StateFolder
from mesh.embedded.programs import gateway_ports, write_settings
from mesh.errors import SpecError
from mesh.settings import Settings, load_settings, read_settings


@pytest.fixture
def folder(tmp_path):
    """A prepared state folder."""
    folder = StateFolder(tmp_path / "state")
    folder.prepare()
    return folder


@pytest.fixture
def taken():
    """A port that somebody else has; the one before it is free."""
    with contextlib.ExitStack() as tried:
        while True:
            other = tried.enter_context(socket.socket())
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            if is_free("127.0.0.1", port - 1):
                yield port
                return


def with_gateway(**changes) -> Settings:
    settings = load_settings(environ={})
    gateway = msgspec.structs.replace(settings.gateway, **changes)
    return msgspec.structs.replace(settings, gateway=gateway)


def test_a_free_port_is_kept(folder):
    """What a client was told holds after the next start too."""
    first = gateway_ports(folder, with_gateway(port=0, count=3))

    assert gateway_ports(folder, with_gateway(port=0, count=3)) == first
    assert len(set(first)) == 3
    assert 0 not in first


def test_the_port_that_was_asked_for_must_be_free(folder, taken):
    """Listening elsewhere, unseen, would answer for somebody else's server."""
    with pytest.raises(SpecError, match=f"gateway.port: value {taken}: it is in use"):
        gateway_ports(folder, with_gateway(port=taken))


def test_further_gateways_step_aside(folder, taken):
    """They take the following ports, or free ones where those are taken."""
    ports = gateway_ports(folder, with_gateway(port=taken - 1, count=2))

    assert ports[0] == taken - 1
    assert ports[1] not in (taken, taken - 1)


def test_each_gateway_has_its_settings(folder):
    """They differ in their port; nobody else may read the passwords in there."""
    programs = write_settings(folder, with_gateway(port=0, count=2))

    assert [one.name for one in programs] == ["gateway", "gateway-2", "scaler"]
    paths = [one.command[-1] for one in programs]
    assert read_settings(paths[0]).gateway.port != read_settings(paths[1]).gateway.port
    assert {(folder.run / path).stat().st_mode & 0o777 for path in paths} == {0o600}


def test_further_gateways_leave_the_scaler_its_port(folder):
    """It starts at the same time, so its port is still free when theirs are chosen."""
    settings = with_gateway(port=0, count=1)
    first = gateway_ports(folder, settings)[0]
    scaler = msgspec.structs.replace(settings.scaler, port=first + 1)
    gateway = msgspec.structs.replace(settings.gateway, port=first, count=2)

    ports = gateway_ports(folder, msgspec.structs.replace(settings, gateway=gateway, scaler=scaler))

    assert ports[0] == first
    assert first + 1 not in ports


def test_a_node_without_gateways_asks_for_no_port(folder, taken):
    """Those that run elsewhere may well be on this machine, and have the port."""
    assert gateway_ports(folder, with_gateway(port=taken, count=0)) == []
