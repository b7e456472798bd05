"""Taking verbs on `mesh.api.<verb>` and answering each, whatever it is. Ring: service."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any, Final

import msgspec

from mesh import subjects
from mesh.api import Answer, Failure, Nothing, StatusView
from mesh.bus import Message, Subscription
from mesh.errors import BusError, CapacityError, MeshError, RequestError, SpecError
from mesh.tasks import end
from scaler.api import (
    capacity,
    deployments,
    endpoints,
    generations,
    letters,
    pausing,
    requests,
)
from scaler.api.desk import Desk
from scaler.api.views import status_view

log = logging.getLogger("scaler.api")

AT_ONCE: Final = 128
CLOSE_S: Final = 5.0


async def status(desk: Desk, _: Nothing) -> StatusView:
    """Show the mesh at a glance."""
    return status_view(desk)


VERBS: Final[dict[str, tuple[type, Any]]] = {
    **endpoints.VERBS,
    **deployments.VERBS,
    **generations.VERBS,
    **letters.VERBS,
    **pausing.VERBS,
    **requests.VERBS,
    **capacity.VERBS,
    "status": (Nothing, status),
}


class ManagementService:
    """Answers management verbs, several at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._subscription: Subscription | None = None
        self._running: set[asyncio.Task[None]] = set()
        self.answered: Counter[tuple[str, str]] = Counter()

    def __repr__(self) -> str:
        return f"<ManagementService running={len(self._running)}>"

    async def start(self) -> None:
        """Take verbs from now on."""
        bus = self._desk.bus
        self._subscription = await bus.subscribe(subjects.CALLS, self._take)
        await bus.flush()

    async def close(self) -> None:
        """Take no more verbs, and finish those that were taken."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=CLOSE_S)
        await end(late)

    async def _take(self, message: Message) -> None:
        """Start on a verb; the next one need not wait for it."""
        if not message.reply:
            return
        task = asyncio.create_task(self._serve(message))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, message: Message) -> None:
        verb = message.subject.removeprefix(f"{subjects.API_PREFIX}.")
        try:
            if len(self._running) > AT_ONCE:
                raise CapacityError("too many management requests at once")
            if not self._desk.leads():
                raise BusError("the management service has lost touch with the broker")
            result = await self._run(verb, message.data)
            answer = Answer(result=msgspec.Raw(msgspec.json.encode(result)))
        except MeshError as exc:
            answer = Answer(error=Failure(code=exc.code, message=str(exc)))
        except Exception as exc:  # the per-message boundary: every request gets an answer
            log.exception("api.failed verb=%s", verb)
            answer = Answer(error=Failure(code=MeshError.code, message=f"{verb}: {exc!r}"))
        outcome = answer.error.code if answer.error else "ok"
        self.answered[verb if verb in VERBS else "unknown", outcome] += 1
        try:
            await self._desk.bus.publish(message.reply, msgspec.json.encode(answer))
        except BusError as exc:
            log.warning("api.unanswered verb=%s %s", verb, exc)

    async def _run(self, verb: str, body: bytes) -> Any:
        if verb not in VERBS:
            known = ", ".join(sorted(VERBS))
            raise RequestError(f"unknown verb '{verb}'; there are: {known}")
        kind, carry_out = VERBS[verb]
        request: Any
        try:
            request = msgspec.json.decode(body or b"{}", type=kind)
        except msgspec.ValidationError as exc:
            raise SpecError(f"{verb}: {exc}") from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise RequestError(f"{verb}: the request is not JSON: {exc}") from exc
        # A scaler that has just begun to listen would show nobody where everybody is.
        await self._desk.observer.gateways.settled()
        return await carry_out(self._desk, request)
