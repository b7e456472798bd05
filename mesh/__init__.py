"""The kernel of the mesh: words, values, the one door to NATS, the settings, the CLI and the SDK.

It knows nothing of the programs (`gateway`, `workers`, `scaler`), which import it and meet on NATS.
`from mesh import Client` is the client SDK; it is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    """Import the client when somebody asks for it: `import mesh` alone stays cheap."""
    if name == "Client":
        return importlib.import_module("mesh.client").Client
    raise AttributeError(f"module 'mesh' has no attribute {name!r}")
