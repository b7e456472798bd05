"""The client of a mesh: one interface, over NATS and over HTTP. Ring: adapter."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, Self, TypedDict, Unpack, overload
from urllib.parse import urlsplit

from mesh.client.answer import Answer
from mesh.client.job import Job
from mesh.client.mapping import bar, kept, map_over
from mesh.client.options import (
    ASK_OPTIONS,
    SUBMIT_OPTIONS,
    AskOptions,
    SubmitOptions,
    ask,
    refuse_bad_id,
    refuse_bad_name,
)
from mesh.client.retry import with_retries
from mesh.client.transport import Transport
from mesh.errors import MeshError, SpecError


class Access(TypedDict, total=False):
    """How to get in, and how patient to be.

    `key`: over HTTP, one of the keys of the endpoints that are asked. `user` and `password`: over
    NATS, such as `mesh nats user create` makes them. `inbox_prefix`: over NATS, what the user's
    inboxes start with; that of a producer's user by default. `state_dir`: the state folder of a
    mesh on this machine; None for the usual one. `retries`: how often to ask again what was refused
    for now; not at all by default.
    """

    key: str
    user: str
    password: str
    inbox_prefix: str
    state_dir: str | Path | None
    retries: int


ACCESS: Final = frozenset(Access.__annotations__)
# Each way is imported when it is used: together they take half a second.
WAYS: Final = {"http": "mesh.client.over_http", "nats": "mesh.client.over_nats"}


class Client:
    """A connection to a mesh. An answer other than 2xx is raised, as an error of `mesh.errors`."""

    def __init__(self, transport: Transport, retries: int = 0) -> None:
        self._transport = transport
        self._retries = retries

    def __repr__(self) -> str:
        return f"<Client {self._transport!r}>"

    @classmethod
    async def connect(cls, url: str = "", **access: Unpack[Access]) -> Self:
        """Connect to a mesh.

        Args:
            url: `http://...` of a gateway, or `nats://...` of the broker; empty for the broker of
                the state folder.
            **access: see `Access`.

        Raises:
            BusError: the broker does not answer, or no mesh runs on the state folder.
            SpecError: what is given does not go together.
            TypeError: there is no such option.
        """
        if strange := sorted(access.keys() - ACCESS):
            raise TypeError(
                f"unexpected option '{strange[0]}': expected {', '.join(sorted(ACCESS))}"
            )
        is_http = url.startswith(("http://", "https://"))
        _check(url, access, is_http=is_http)
        way = importlib.import_module(WAYS["http" if is_http else "nats"])
        transport: Transport = await way.connect(url, access)
        return cls(transport, access.get("retries", 0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect. Harmless twice."""
        await self._transport.close()

    async def invoke(self, endpoint: str, data: Any, **options: Unpack[AskOptions]) -> Answer:
        """Ask a model and wait for its answer; cancelled, the request is stopped.

        Args:
            endpoint: which endpoint.
            data: bytes are the body as it is; anything else is sent as JSON.
            **options: see `AskOptions`.

        Raises:
            BackendError: the model answered with an error; `body` is what it said.
            DeadlineExceededError: there was no answer in time.
            NotFoundError: no such endpoint or deployment, or none has traffic.
            CapacityError: the queue is full, or nobody could answer.
            AnswerUnknownError: the connection was lost; it may have been run.
            BusError: the mesh is away.
            RequestError: the key, or something else of the request, is wrong.
        """
        asked = ask(endpoint, data, options, ASK_OPTIONS)
        return await with_retries(
            lambda: self._transport.invoke(asked), self._retries, is_keyed=bool(asked.key)
        )

    async def submit(self, endpoint: str, data: Any, **options: Unpack[SubmitOptions]) -> Job:
        """Queue a request; return it once it is safe.

        Args:
            endpoint: which endpoint.
            data: bytes are the body as it is; anything else is sent as JSON.
            **options: see `SubmitOptions`.

        Raises:
            MeshError: as `invoke`, for what can be told before it runs.
        """
        asked = ask(endpoint, data, options, SUBMIT_OPTIONS)
        request_id = await with_retries(
            lambda: self._transport.submit(asked), self._retries, is_keyed=bool(asked.key)
        )
        return Job(self._transport, endpoint, request_id)

    def job(self, endpoint: str, request_id: str) -> Job:
        """Return a request that was queued before, by its id; nothing is looked up.

        Raises:
            ValueError: there can be no such endpoint or request.
        """
        refuse_bad_name(endpoint)
        refuse_bad_id(request_id)
        return Job(self._transport, endpoint, request_id)

    async def result(self, endpoint: str, request_id: str, *, wait_s: float | None = 0.0) -> Answer:
        """Return the result of a request that was queued before: see `Job.result`."""
        return await self.job(endpoint, request_id).result(wait_s=wait_s)

    @overload
    async def map(
        self,
        endpoint: str,
        inputs: Iterable[Any],
        *,
        concurrency: int = ...,
        progress: bool = ...,
        keyed: bool = ...,
        return_errors: Literal[False] = ...,
        **options: Unpack[AskOptions],
    ) -> list[Answer]: ...

    @overload
    async def map(
        self,
        endpoint: str,
        inputs: Iterable[Any],
        *,
        concurrency: int = ...,
        progress: bool = ...,
        keyed: bool = ...,
        return_errors: Literal[True],
        **options: Unpack[AskOptions],
    ) -> list[Answer | MeshError]: ...

    async def map(
        self,
        endpoint: str,
        inputs: Iterable[Any],
        *,
        concurrency: int = 16,
        progress: bool = False,
        keyed: bool = False,
        return_errors: bool = False,
        **options: Unpack[AskOptions],
    ) -> Any:
        """Ask a model about each of many inputs; return the answers in the order of the inputs.

        Args:
            endpoint: which endpoint.
            inputs: each as `data` of `invoke`; taken one by one, when its turn comes.
            concurrency: how many requests are out at once.
            progress: show a bar on stderr, if that is a terminal.
            keyed: give each request an idempotency key, so that what a lost connection has left
                unknown is asked again.
            return_errors: put an error of the mesh where the answer would be. Otherwise the first
                one is raised, and what is out is stopped.
            **options: see `AskOptions`; they are those of every request.

        Raises:
            MeshError: as `invoke`, unless errors are returned.
            ValueError: `concurrency` is less than 1, or an input cannot be sent.
        """
        if "idempotency_key" in options:
            raise TypeError("idempotency_key: one key is one request; give each its own with keyed")

        async def step(data: Any) -> Answer | MeshError:
            own = options | {"idempotency_key": str(uuid.uuid4())} if keyed else options
            asking = self.invoke(endpoint, data, **own)
            return await (kept(asking) if return_errors else asking)

        with bar(endpoint, inputs, is_shown=progress) as advance:
            return await map_over(step, inputs, concurrency, advance)


def _check(url: str, access: Access, *, is_http: bool) -> None:
    """Look whether what is given can be used together.

    Raises:
        SpecError: it cannot.
    """
    key, retries = access.get("key", ""), access.get("retries", 0)
    if retries < 0:
        raise SpecError(f"retries: {retries}: expected a number from 0 on")
    if is_http and not urlsplit(url).hostname:
        raise SpecError(f"url: {url!r}: expected http://host:port")
    if is_http and not key:
        raise SpecError("key: over HTTP one of the endpoint's keys is needed")
    if not (key.isascii() and key.isprintable()):
        raise SpecError("key: expected printable ASCII characters")
    if key and not is_http:
        raise SpecError("key: keys are for HTTP; over NATS give user and password")
