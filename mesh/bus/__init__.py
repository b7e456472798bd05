"""The one door to NATS: nothing outside this package imports the client library.

Ring: adapter. See `mesh.bus.connection` for the connection, `bucket` for key-value buckets and
`objects` for the object store.
"""

import mesh.bus.library  # noqa: F401  # before any part of the library
from mesh.bus.bucket import Bucket, Entry
from mesh.bus.connection import API_TIMEOUT_S, Bus
from mesh.bus.inlet import Inlet
from mesh.bus.message import ApiError, Message, Subscription
from mesh.bus.objects import ObjectBucket
from mesh.bus.outlet import Outlet

__all__ = [
    "API_TIMEOUT_S",
    "ApiError",
    "Bucket",
    "Bus",
    "Entry",
    "Inlet",
    "Message",
    "ObjectBucket",
    "Outlet",
    "Subscription",
]
