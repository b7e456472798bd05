import hashlib

import pytest

from gateway import auth
from mesh.errors import UnauthorizedError

DIGESTS = [hashlib.sha256(key).digest() for key in (b"first", b"second")]


@pytest.mark.parametrize(
    "header", [b"Bearer first", b"Bearer second", b"bearer first", b"BEARER  first "]
)
def test_either_key_opens(header):
    """The primary and the secondary key are equal; the scheme's case does not matter."""
    auth.check(header, DIGESTS)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"Bearer", id="no key"),
        pytest.param(b"Bearer ", id="empty key"),
        pytest.param(b"Bearer firs", id="a part of a key"),
        pytest.param(b"Bearer " + DIGESTS[0].hex().encode(), id="the digest itself"),
        pytest.param(b"Basic first", id="another scheme"),
        pytest.param(b"first", id="no scheme"),
    ],
)
def test_anything_else_is_refused(header):
    """No header, another scheme, or a wrong key is 401."""
    with pytest.raises(UnauthorizedError):
        auth.check(header, DIGESTS)


def test_endpoint_without_keys_lets_nobody_in():
    """An endpoint whose keys are not known yet is closed, not open."""
    with pytest.raises(UnauthorizedError):
        auth.check(b"Bearer first", [])


def test_every_digest_is_compared(monkeypatch):
    """The first match does not end the comparison: timing tells nothing."""
    compared = []
    real = auth.hmac.compare_digest
    monkeypatch.setattr(auth.hmac, "compare_digest", lambda a, b: compared.append(b) or real(a, b))

    assert auth.is_key(b"first", DIGESTS)

    assert compared == DIGESTS
