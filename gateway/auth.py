"""Key authentication: a caller's key against the digests of an endpoint's keys. Ring: decisions."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from mesh.errors import UnauthorizedError

SCHEME = b"bearer "


def is_key(key: bytes, digests: Sequence[bytes]) -> bool:
    """Tell whether `key` is one of those whose SHA-256 digests are given.

    Every digest is compared, in constant time: neither which key matched nor how much of one did
    shows in how long it takes.
    """
    offered = hashlib.sha256(key).digest()
    found = False
    for digest in digests:
        found |= hmac.compare_digest(offered, digest)
    return found


def check(authorization: bytes | None, digests: Sequence[bytes]) -> None:
    """Check an `Authorization` header.

    Raises:
        UnauthorizedError: it is missing, of another scheme, or holds none of the keys.
    """
    if authorization is None:
        raise UnauthorizedError("an Authorization header with a bearer key is required")
    if authorization[:7].lower() != SCHEME:
        raise UnauthorizedError("the Authorization header must be of the scheme Bearer")
    if not is_key(authorization[7:].strip(), digests):
        raise UnauthorizedError
