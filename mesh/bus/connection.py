"""A connection to the broker: publish, request, subscribe, and the raw JetStream API.

Owns the client's settings (fast reconnects, bounded waits) and the translation of its exceptions.
Knows nothing of endpoints or deployments. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, Self

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from mesh.address import refuse_bad_broker, without_credentials
from mesh.bus.closing import close_client, drain_subscription, flush
from mesh.bus.message import FOREIGN, ApiError, Callback, Message, Subscription
from mesh.errors import BusError, translate

log = logging.getLogger("mesh.bus")

OLDEST_SERVER: Final = (2, 11)
HEADROOM_BYTES: Final = 64 * 1024
API_TIMEOUT_S: Final = 5.0


class Bus:
    """A connection to NATS that says so when the broker is away instead of buffering silently."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._on_reconnect: list[Callable[[], Awaitable[None]]] = []
        self._on_away: list[Callable[[], None]] = []
        self.on_error: list[Callable[[str], None]] = []  # called with what the broker complains of
        self._reconnect_task: asyncio.Future[list[None]] | None = None
        self._refused = asyncio.Event()
        self._refusal = ""
        self._away = asyncio.Event()
        self.closed = asyncio.Event()

    def __repr__(self) -> str:
        state = "connected" if self.is_connected else "away"
        return f"<Bus {state} to {self.server_version} of {self.url}>"

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        user: str = "",
        password: str = "",
        inbox_prefix: str = "_INBOX",
        timeout_s: float = 5.0,
    ) -> Self:
        """Connect, waiting at most `timeout_s` for the first server.

        Args:
            url: one address or several, separated by commas; credentials may stand in it.
            name: how the connection is called in the broker's monitoring.
            user: user name, if not part of the address.
            password: password, if not part of the address.
            inbox_prefix: what this role's reply inboxes start with.
            timeout_s: seconds to wait for a server that accepts us.

        Raises:
            BusError: no server, wrong credentials, or a server older than 2.11.
            SpecError: what is given is no address.
        """
        refuse_bad_broker(url)
        bus = cls(Client())
        options: dict[str, Any] = {"user": user, "password": password} if user else {}
        connecting = bus._client.connect(
            url.split(","),
            name=name,
            inbox_prefix=inbox_prefix,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]  # seconds; a float works
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=8 << 20,
            drain_timeout=5,
            error_cb=bus._note_error,
            disconnected_cb=bus._note_disconnected,
            reconnected_cb=bus._note_reconnected,
            closed_cb=bus._note_closed,
            **options,
        )
        await bus._first_connection(connecting, without_credentials(url), timeout_s)
        await bus._refuse_old_server()
        return bus

    async def _first_connection(
        self, connecting: Coroutine[Any, Any, None], hosts: str, timeout_s: float
    ) -> None:
        """Wait for the first connection, or for a refusal that no retry will change."""
        tasks = {asyncio.ensure_future(connecting), asyncio.ensure_future(self._refused.wait())}
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in tasks:
                task.cancel()
        if self._refused.is_set():
            await self._client.close()
            raise BusError(f"nats-server at {hosts} refused us: {self._refusal}")
        if not done:
            await self._client.close()
            raise BusError(f"no nats-server answered at {hosts} within {timeout_s:g} s")
        with translate(FOREIGN, url=hosts):
            done.pop().result()

    async def _refuse_old_server(self) -> None:
        version = self._client.connected_server_version
        if (version.major, version.minor) >= OLDEST_SERVER:
            return
        await self.close()
        raise BusError(
            f"nats-server {version.major}.{version.minor} at {self.url} is too old: "
            f"2.11 or newer is needed (older ones drop settings without a word)"
        )

    @property
    def is_connected(self) -> bool:
        """Whether a publish would reach the broker now."""
        return self._client.is_connected

    @property
    def max_body_bytes(self) -> int:
        """The largest body that fits a message beside its headers."""
        return int(self._client.max_payload) - HEADROOM_BYTES

    @property
    def server_version(self) -> str:
        """The broker's version, such as 2.15.1."""
        return str(self._client._server_info.get("version", ""))

    @property
    def url(self) -> str:
        """The server in use, without credentials."""
        connected = self._client.connected_url
        return f"{connected.hostname}:{connected.port}" if connected else "nowhere"

    @property
    def client(self) -> Client:
        """The client underneath, for this package's other modules."""
        return self._client

    async def publish(
        self,
        subject: str,
        body: bytes = b"",
        *,
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Hand a message to the connection.

        Raises:
            BusError: the broker is away; nothing was buffered.
            PayloadTooLargeError: the body is larger than the broker takes.
        """
        if not self._client.is_connected:
            raise BusError("the broker is away")
        try:
            await self._client.publish(subject, body, reply, headers)
        except nats.errors.Error as exc:
            with translate(FOREIGN, subject=subject):
                raise exc

    async def request(
        self,
        subject: str,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = API_TIMEOUT_S,
    ) -> Message:
        """Ask and wait for one answer.

        Raises:
            BusTimeoutError: no answer in time.
            BusError: nobody listens there, or the broker is away.
        """
        if not self._client.is_connected:
            raise BusError("the broker is away")
        with translate(FOREIGN, subject=subject):
            return await self._client.request(subject, body, timeout=timeout_s, headers=headers)

    async def subscribe(self, subject: str, callback: Callback, *, queue: str = "") -> Subscription:
        """Call `callback` with each message, one after another, without a limit in bytes."""
        with translate(FOREIGN, subject=subject):
            return await self._client.subscribe(subject, queue, cb=callback, pending_bytes_limit=0)

    async def leave(self, subscription: Subscription) -> None:
        """End a subscription once all that was sent to us is delivered; a broker away sends none.

        Raises:
            BusError: the broker went away meanwhile.
        """
        if self._client.is_connected:
            with translate(FOREIGN):
                await asyncio.wait_for(
                    drain_subscription(self._client, subscription), API_TIMEOUT_S
                )

    def new_inbox(self) -> str:
        """A subject that only this connection's role may listen on."""
        return str(self._client.new_inbox())

    async def flush(self) -> None:
        """Wait until the broker has seen everything published and subscribed so far."""
        with translate(FOREIGN):
            await flush(self._client)

    async def api(
        self, verb: str, payload: Mapping[str, Any] | None = None, timeout_s: float = API_TIMEOUT_S
    ) -> dict[str, Any]:
        """Call `$JS.API.<verb>`.

        Raises:
            ApiError: the broker refused; `err_code` says why.
            BusError: no JetStream, or the broker is away.
        """
        body = json.dumps(payload).encode() if payload is not None else b""
        message = await self.request(f"$JS.API.{verb}", body, timeout_s=timeout_s)
        answer: dict[str, Any] = json.loads(message.data)
        if error := answer.get("error"):
            raise ApiError(
                f"{verb}: {error.get('description', 'refused')}",
                err_code=int(error.get("err_code", 0)),
                status=int(error.get("code", 0)),
            )
        return answer

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run `callback` after each reconnect, beside all others; the next one cancels it."""
        self._on_reconnect.append(callback)

    def on_away(self, callback: Callable[[], None]) -> None:
        """Run `callback` whenever the broker has gone away."""
        self._on_away.append(callback)

    async def close(self) -> None:
        """Deliver what has arrived, send what is pending, and disconnect. Harmless twice."""
        if self._client.is_closed:
            return
        if self._reconnect_task is not None:
            self._reconnect_task.cancel()
        await close_client(self._client, self._away)
        self.closed.set()

    async def _note_error(self, exc: Exception) -> None:
        text = str(exc) or type(exc).__name__
        if "authorization violation" in text.lower():
            self._refusal = text
            self._refused.set()
        for callback in self.on_error:
            callback(text)
        # While the broker is away each try to reconnect fails; that it is away was said once.
        is_news = self._client.is_connected or not isinstance(exc, OSError)
        log.log(logging.WARNING if is_news else logging.DEBUG, "bus.error %s", text)

    async def _note_disconnected(self) -> None:
        self._away.set()
        if not self._client.is_draining and not self._client.is_closed:
            log.warning("bus.away")
        for callback in self._on_away:
            callback()

    async def _note_reconnected(self) -> None:
        """Run the callbacks in a task: the client waits for this function before it reads on."""
        self._away.clear()
        log.info("bus.reconnected url=%s", self.url)
        if self._reconnect_task is not None:
            self._reconnect_task.cancel()
        steps = (_reconnect_step(callback) for callback in self._on_reconnect)
        self._reconnect_task = asyncio.gather(*steps)

    async def _note_closed(self) -> None:
        self.closed.set()


async def _reconnect_step(callback: Callable[[], Awaitable[None]]) -> None:
    try:
        await callback()
    except BusError as exc:
        log.warning("bus.reconnect_step_failed %s", exc)
