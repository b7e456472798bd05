"""Imports the NATS client library without what it would bring along for WebSockets.

Where aiohttp is installed it imports that for `ws://` addresses, which the mesh does not use: a
quarter of a second of every command and of every worker's start (measured). To be imported before
any part of the library. Ring: adapter.
"""

from __future__ import annotations

import sys
from typing import Final

UNUSED: Final = "aiohttp"

if UNUSED not in sys.modules:
    sys.modules[UNUSED] = None  # type: ignore[assignment]  # makes the import fail, as documented
    try:
        import nats  # noqa: F401  # for its effect: it is asked for by its parts afterwards
    finally:
        del sys.modules[UNUSED]
