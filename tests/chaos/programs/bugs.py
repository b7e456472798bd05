"""Bugs a program could have: put in on purpose, to see that the oracle finds each of them."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

from gateway.answers import Answers
from mesh import jobs, streams, subjects, wire
from workers import consume
from workers.consume import Consumer
from workers.ending import Endings

ONE_IN = 500
THIS_ONE = 20
LATER_S = 3600.0


def ack_before_answer() -> None:
    """Acknowledge a request as it begins: nobody runs it again if this worker dies."""
    submit = Consumer._submit

    def eager(self: Consumer, work: Any) -> None:
        self._end._outbox.send(work.ack, wire.ACK)
        submit(self, work)

    Consumer._submit = eager


def drop_an_answer() -> None:
    """Acknowledge one request in 500 without answering it, or keeping its result."""
    answer, numbers = Endings.answer, itertools.count(1)

    def forgetful(self: Endings, work: Any, reply: Any) -> None:
        if next(numbers) % ONE_IN == 0:
            self._acknowledge(work)
        else:
            answer(self, work, reply)

    Endings.answer = forgetful


def answer_twice() -> None:
    """Answer an invocation twice, and store a result a second time, over the first."""
    numbers, answers = itertools.count(1), itertools.count(1)
    send, keep = Answers.send, jobs.keep_result

    async def twice(bus: Any, endpoint: str, request_id: str, body: bytes, headers: Any) -> bool:
        is_first = await keep(bus, endpoint, request_id, body, headers)
        if next(numbers) == THIS_ONE:
            await streams.store(bus, subjects.result(endpoint, request_id), body, headers)
        return is_first

    def send_twice(self: Answers, letter: Any) -> None:
        send(self, letter)
        if next(answers) == THIS_ONE:
            send(self, letter)

    jobs.keep_result = twice
    Answers.send = send_twice


def run_what_expired() -> None:
    """Take every deadline for an hour later."""
    decode = consume.decode

    @functools.wraps(decode)
    def generous(*args: Any, **kwargs: Any) -> Any:
        work = decode(*args, **kwargs)
        if hasattr(work, "deadline_s"):
            work.deadline_s += LATER_S
        return work

    consume.decode = generous


BUGS: dict[str, Callable[[], None]] = {
    "ack_before_answer": ack_before_answer,
    "drop_an_answer": drop_an_answer,
    "answer_twice": answer_twice,
    "run_what_expired": run_what_expired,
}
