"""Dead letters: requests that were given up, kept for a month, to be read or sent again.

They are read from their stream as they lie there; what changes them goes through the management
service, which tells the audit trail. Ring: adapter.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Final, NamedTuple

from mesh import history, subjects, wire
from mesh.api import LetterNumber, LetterPurge, LetterRetried, LettersPurged, LetterView
from mesh.bus import Bus
from mesh.errors import NotFoundError, SpecError
from mesh.names import NAME_RULE, is_name
from mesh.streams import counts, read_message
from mesh.verbs import Verbs
from mesh.wire import DeadLetter

DEFAULT_LETTERS: Final = 50


class Found(NamedTuple):
    """How many dead letters match, and the number of the last one there is."""

    letters: int
    up_to: int


async def read_letter(bus: Bus, number: int) -> DeadLetter:
    """Return a dead letter, body included.

    Raises:
        NotFoundError: there is none of that number, or it is gone.
        BusError: the broker is away.
    """
    message = await read_message(bus, subjects.DEAD_STREAM, number) if number > 0 else None
    letter = wire.decode(message.data, DeadLetter) if message is not None else None
    if letter is None:
        raise NotFoundError(f"there is no dead letter {number}")
    return letter


def letter_subject(endpoint: str | None, deployment: str | None) -> str:
    """Return the subject of the letters of an endpoint and a deployment; None stands for all.

    Raises:
        SpecError: what is given is no name.
    """
    for key, name in (("endpoint", endpoint), ("deployment", deployment)):
        if name is not None and not is_name(name):
            raise SpecError(f"{key}: {name!r}: expected {NAME_RULE}")
    return subjects.dead(endpoint or "*", deployment or "*")


def letter_view(number: int, letter: DeadLetter, *, with_headers: bool = False) -> LetterView:
    """Return a letter as people see it."""
    return LetterView(
        number=number,
        kind=letter.kind,
        endpoint_name=letter.endpoint,
        deployment=letter.deployment,
        lane=letter.lane,
        request_id=letter.request_id,
        reason=letter.reason,
        attempts=letter.attempts,
        at_s=letter.at_s,
        size_bytes=len(letter.body),
        headers=letter.headers if with_headers else {},
    )


class DeadLetters:
    """The dead letters of a mesh. Every method may raise `BusError` and its kin."""

    def __init__(self, bus: Bus, verbs: Verbs) -> None:
        self._bus = bus
        self._verbs = verbs

    def __repr__(self) -> str:
        return f"<DeadLetters {self._bus!r}>"

    async def list(
        self,
        endpoint: str | None = None,
        deployment: str | None = None,
        *,
        limit: int = DEFAULT_LETTERS,
    ) -> list[LetterView]:
        """Return the last letters, newest first, without headers and bodies.

        Args:
            endpoint: one endpoint; None for all. Those deleted meanwhile are told too.
            deployment: one deployment's name; None for all.
            limit: how many at most.
        """
        newest: deque[LetterView] = deque(maxlen=limit)
        subject = letter_subject(endpoint, deployment)
        messages = history.read(self._bus, subjects.DEAD_STREAM, subject, newest=limit)
        async with contextlib.aclosing(messages):
            async for past in messages:
                if (letter := wire.decode(past.data, DeadLetter)) is not None:
                    newest.append(letter_view(past.seq, letter))
        return list(reversed(newest))

    async def get(self, number: int) -> tuple[LetterView, bytes]:
        """Return a letter with its headers, and its body.

        Raises:
            NotFoundError: there is no such letter.
        """
        letter = await read_letter(self._bus, number)
        return letter_view(number, letter, with_headers=True), letter.body

    async def count(self, endpoint: str | None = None, deployment: str | None = None) -> Found:
        """Tell how many letters there are of an endpoint and a deployment, or of all."""
        subject = letter_subject(endpoint, deployment)
        found, last_seq = await counts(self._bus, subjects.DEAD_STREAM, subject)
        return Found(sum(found.values()), last_seq)

    async def retry(self, number: int) -> LetterRetried:
        """Send a letter again, as a queued request of its endpoint; then the letter is gone.

        Raises:
            NotFoundError: there is no such letter, or its endpoint is gone.
            ConflictError: it is of a kind that is not sent again.
        """
        request = LetterNumber(number=number)
        return await self._verbs.call("deadletter.retry", request, LetterRetried)

    async def purge(
        self, up_to: int, endpoint: str | None = None, deployment: str | None = None
    ) -> int:
        """Remove letters for good; return how many they were.

        Args:
            up_to: the number of the last one to go.
            endpoint: one endpoint; None for all.
            deployment: one deployment's name; None for all.
        """
        request = LetterPurge(up_to=up_to, endpoint=endpoint, deployment=deployment)
        return (await self._verbs.call("deadletter.purge", request, LettersPurged)).purged
