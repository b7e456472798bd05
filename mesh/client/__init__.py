"""The client SDK: asking endpoints, over NATS or over HTTP, now or queued.

    async with await Client.connect("http://127.0.0.1:8080", key=KEY) as client:
        answer = await client.invoke("iris", {"data": [[5.1, 3.5, 1.4, 0.2]]})
        request_id = await client.submit("iris", {"data": [[5.1, 3.5, 1.4, 0.2]]})
        answer = await client.result("iris", request_id, wait_s=60)

Ring: adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mesh.access import sign_in
from mesh.client.answer import Answer, Transport, ask
from mesh.client.over_http import HttpTransport
from mesh.client.over_nats import NatsTransport
from mesh.connect import broker_access
from mesh.errors import SpecError
from mesh.settings import BrokerAccess, producer_inbox

__all__ = ["Answer", "Client"]

CONNECT_S = 5.0


class Client:
    """A connection to a mesh. An answer other than 2xx is raised, as an error of `mesh.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        return f"<Client {self._transport!r}>"

    @classmethod
    async def connect(
        cls,
        url: str = "",
        *,
        key: str = "",
        user: str = "",
        password: str = "",
        inbox_prefix: str = "",
        state_dir: str | Path | None = None,
    ) -> Self:
        """Connect to a mesh.

        Args:
            url: `http://...` of a gateway, or `nats://...` of the broker; empty for the broker of
                the state folder.
            key: over HTTP, one of the keys of the endpoints that are asked.
            user: over NATS, such as `mesh nats user create` makes one.
            password: over NATS.
            inbox_prefix: over NATS, what the user's inboxes start with; that of a producer's user
                by default.
            state_dir: the state folder of a mesh on this machine; None for the usual one.

        Raises:
            BusError: the broker does not answer, or no mesh runs on the state folder.
            SpecError: what is given does not go together.
        """
        if url.startswith(("http://", "https://")):
            if not key:
                raise SpecError("key: over HTTP one of the endpoint's keys is needed")
            return cls(HttpTransport(url, key))
        if key:
            raise SpecError("key: keys are for HTTP; over NATS give user and password")
        if url:
            inbox = inbox_prefix or (producer_inbox(user) if user else "_INBOX")
            access = BrokerAccess(url=url, user=user, password=password, inbox_prefix=inbox)
        else:
            access = broker_access(state_dir)
        return cls(NatsTransport(await sign_in(access, "mesh-client", CONNECT_S)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect. Harmless twice."""
        await self._transport.close()

    async def invoke(
        self,
        endpoint: str,
        data: Any,
        *,
        deployment: str | None = None,
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask a model and wait for its answer.

        Args:
            endpoint: which endpoint.
            data: bytes are the body as it is; anything else is sent as JSON.
            deployment: this one, whatever the split.
            timeout_s: a shorter deadline than the deployment's.
            headers: more of them, such as `mesh-routing-key` or another `Content-Type`.

        Raises:
            BackendError: the model answered with an error; `body` is what it said.
            DeadlineExceededError: there was no answer in time.
            NotFoundError: no such endpoint or deployment, or none has traffic.
            CapacityError: the queue is full, or nobody could answer.
            BusError: the mesh is away.
            RequestError: the key, or something else of the request, is wrong.
        """
        return await self._transport.invoke(ask(endpoint, data, deployment, timeout_s, headers))

    async def submit(
        self,
        endpoint: str,
        data: Any,
        *,
        deployment: str | None = None,
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Queue a request; return its id once it is safe.

        Args:
            endpoint: which endpoint.
            data: bytes are the body as it is; anything else is sent as JSON.
            deployment: this one, whatever the split.
            timeout_s: how long it may wait; the mesh's own limit for it by default.
            headers: more of them.

        Raises:
            MeshError: as `invoke`, for what can be told before it runs.
        """
        return await self._transport.submit(ask(endpoint, data, deployment, timeout_s, headers))

    async def result(self, endpoint: str, request_id: str, *, wait_s: float = 0.0) -> Answer:
        """Return the result of a queued request.

        Args:
            endpoint: which endpoint.
            request_id: what `submit` returned.
            wait_s: how long to wait for it.

        Raises:
            NotFinishedError: it has none yet.
            NotFoundError: nothing is known of such a request, or it is not known any more.
            MeshError: as `invoke`: the request has failed.
        """
        return await self._transport.result(endpoint, request_id, wait_s)
