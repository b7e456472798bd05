"""The keys of an endpoint: made here, kept apart from the config, their digests told to gateways.

Ring: service.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

import msgspec
from msgspec.structs import replace

from mesh import subjects
from mesh.api import Credentials, RegenerateKeys
from mesh.bus import Bucket
from mesh.errors import NotFoundError, SpecError
from mesh.records import AuthRecord, KeysRecord
from scaler.registry import Registry

KEY_BYTES: Final = 32
SHORTEST_KEY: Final = 16
LONGEST_KEY: Final = 256


def new_keys() -> KeysRecord:
    """Make two random keys."""
    return KeysRecord(
        primary=secrets.token_urlsafe(KEY_BYTES),
        secondary=secrets.token_urlsafe(KEY_BYTES),
        webhook_secret=new_webhook_secret(),
    )


def new_webhook_secret() -> str:
    """Make a random secret in the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def changed_keys(keys: KeysRecord, request: RegenerateKeys) -> KeysRecord:
    """Replace one key, by the one given or a random one.

    Raises:
        SpecError: the given key is too short, too long, or has characters that headers cannot have.
    """
    value = request.key_value
    if value is None:
        value = secrets.token_urlsafe(KEY_BYTES)
    if not SHORTEST_KEY <= len(value) <= LONGEST_KEY or not _is_visible(value):
        raise SpecError(
            f"key_value: must have {SHORTEST_KEY} to {LONGEST_KEY} visible ASCII characters"
        )
    if request.key_type == "primary":
        return replace(keys, primary=value)
    return replace(keys, secondary=value)


def _is_visible(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def digests(keys: KeysRecord) -> AuthRecord:
    """What gateways may know of the keys."""
    both = (keys.primary, keys.secondary)
    return AuthRecord(
        digests=[hashlib.sha256(key.encode()).hexdigest() for key in both],
        webhook_secret=keys.webhook_secret,
    )


def credentials(keys: KeysRecord) -> Credentials:
    """The keys as the owner sees them."""
    return Credentials(
        primary_key=keys.primary,
        secondary_key=keys.secondary,
        webhook_secret=keys.webhook_secret,
    )


async def read_keys(bucket: Bucket, endpoint: str) -> KeysRecord:
    """Read the keys of an endpoint.

    Raises:
        NotFoundError: it has none.
    """
    entry = await bucket.get(endpoint)
    if entry is None or entry.value is None:
        raise NotFoundError(f"endpoint '{endpoint}' has no keys")
    return msgspec.json.decode(entry.value, type=KeysRecord)


async def write_keys(bucket: Bucket, registry: Registry, endpoint: str, keys: KeysRecord) -> int:
    """Store the keys, then tell their digests; return the config revision of the digests."""
    if not keys.webhook_secret:  # of an endpoint that was made before there were any
        keys = replace(keys, webhook_secret=new_webhook_secret())
    await bucket.put(endpoint, msgspec.json.encode(keys))
    return await registry.put(subjects.auth_key(endpoint), digests(keys))
