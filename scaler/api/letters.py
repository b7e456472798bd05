"""The verbs of dead letters. Ring: service."""

from __future__ import annotations

from typing import Any, Final

from mesh import subjects, wire
from mesh.api import LetterNumber, LetterPurge, LetterRetried, LettersPurged
from mesh.errors import ConflictError
from mesh.letters import letter_subject, read_letter
from mesh.streams import counts, delete_message, purge, store
from mesh.wire import DeadLetter
from scaler.api.desk import Desk
from scaler.registry import require_endpoint
from scaler.requeue import sent_again

SHADOW: Final = "shadow"
REQUEST: Final = "request"


async def retry(desk: Desk, request: LetterNumber) -> LetterRetried:
    """Enqueue a letter's request anew, and remove the letter once that is safe.

    Its new id is made of the letter's number: if we are interrupted in between and asked again,
    the second one is known by its id and not run.
    """
    number = request.number
    letter = await read_letter(desk.bus, number)
    _refuse_final(number, letter)
    require_endpoint(desk.registry, letter.endpoint)
    request_id = subjects.retried_id(number)
    headers = sent_again(letter.headers, request_id)
    await store(desk.bus, subjects.enqueue(letter.endpoint), letter.body, headers)
    await delete_message(desk.bus, subjects.DEAD_STREAM, number)
    text = f"{letter.request_id or 'without id'} -> {request_id}"
    await desk.events.tell("DeadLetterRetried", letter.endpoint, letter.deployment, text)
    return LetterRetried(number=number, endpoint_name=letter.endpoint, request_id=request_id)


def _refuse_final(number: int, letter: DeadLetter) -> None:
    """Refuse what nobody can ask for again.

    Raises:
        ConflictError: it is a shadow copy, or no request.
    """
    if letter.lane == SHADOW:
        raise ConflictError(f"dead letter {number} is a shadow copy: nobody waits for its answer")
    if letter.kind != REQUEST:
        raise ConflictError(f"dead letter {number} is of kind {letter.kind!r}, not a request")
    if wire.STATUS in letter.headers:
        raise ConflictError(f"dead letter {number} is an answer, not a request")


async def remove(desk: Desk, request: LetterPurge) -> LettersPurged:
    """Remove letters for good, and tell each deployment's trail how many it had."""
    wanted = letter_subject(request.endpoint, request.deployment)
    found, _ = await counts(desk.bus, subjects.DEAD_STREAM, wanted)
    purged = 0
    for subject in sorted(found):
        gone = await purge(desk.bus, subjects.DEAD_STREAM, subject, request.up_to)
        if gone:
            await desk.events.tell(
                "DeadLettersPurged", *subjects.dead_owner(subject), message=f"{gone} removed"
            )
        purged += gone
    return LettersPurged(purged=purged)


VERBS: dict[str, tuple[type, Any]] = {
    "deadletter.retry": (LetterNumber, retry),
    "deadletter.purge": (LetterPurge, remove),
}
