"""The kernel of the mesh: words, values, the one door to NATS, the settings, the CLI and the SDK.

It knows nothing of the programs (`gateway`, `workers`, `scaler`), which import it and meet on NATS.
`from mesh import Client` (or `SyncClient`) is the client SDK, imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh.client import Client, SyncClient

__all__ = ["Client", "SyncClient"]


def __getattr__(name: str) -> Any:
    """Import the client when somebody asks for it: `import mesh` alone stays cheap."""
    if name in __all__:
        return getattr(importlib.import_module("mesh.client"), name)
    raise AttributeError(f"module 'mesh' has no attribute {name!r}")
