"""Models and code as content-addressed artifacts: packed, stored in the broker, fetched."""

from mesh.artifacts.pack import Packed, pack
from mesh.artifacts.transfer import Progress, fetch, store, upload
from mesh.artifacts.unpack import unpack

__all__ = ["Packed", "Progress", "fetch", "pack", "store", "unpack", "upload"]
