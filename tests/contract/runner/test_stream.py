"""Streamed answers and cancelling, under every Python."""

import time

import pytest

from tests.runners import Stage

COUNT = """
import sys
def init(): pass
{kind} run(raw):
    try:
        for n in range(int(raw)):
            yield {value}
    finally:
        print("closed")
"""


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both kinds of generator."""
    return request.param


async def test_generator_is_answered_in_pieces(stage: Stage, kind: str):
    """One piece per value, then the end; text goes as it is."""
    runner = await stage.runner(COUNT.format(kind=kind, value="f'{n};'"))

    end = await stage.call(runner, "3")

    pieces = stage.heard.outcomes[1][:-1]
    assert [piece.body for piece in pieces] == [b"0;", b"1;", b"2;"]
    assert pieces[0].content_type.startswith("text/plain")
    assert (end.status, end.body, end.chunks) == (200, b"", 3)


async def test_other_values_are_json_lines(stage: Stage, kind: str):
    """Each value of a generator that yields neither text nor bytes is one line."""
    runner = await stage.runner(COUNT.format(kind=kind, value="{'n': n}"))

    await stage.call(runner, "2")

    first, second, _ = stage.heard.outcomes[1]
    assert (first.body, second.body) == (b'{"n": 0}\n', b'{"n": 1}\n')
    assert first.content_type == "application/x-ndjson"


async def test_error_in_a_generator_ends_the_stream_with_500(stage: Stage, kind: str):
    """The pieces sent before stay sent."""
    runner = await stage.runner(COUNT.format(kind=kind, value="str(1 // (1 - n))"))

    end = await stage.call(runner, "3")

    assert (end.status, end.raised, end.chunks) == (500, True, 1)
    await stage.heard.line("ZeroDivisionError")


async def test_cancel_closes_the_generator(stage: Stage, kind: str):
    """Its finally runs, and the request ends as cancelled."""
    runner = await stage.runner(COUNT.format(kind=kind, value="'x' * 1000"))
    runner.submit(stage.request("1000000000"))
    await stage.heard.chunks(1, 3)

    runner.cancel(1)
    end = await stage.heard.end(1)

    assert (end.cancelled, end.status) == (True, 499)
    await stage.heard.line("closed")


async def test_paused_stream_goes_on_when_resumed(stage: Stage, kind: str):
    """A pause holds the pieces back; nothing is lost or repeated."""
    value = "f'{n} {__import__(\"time\").monotonic()};'"
    runner = await stage.runner(COUNT.format(kind=kind, value=value))
    runner.submit(stage.request("500"))
    runner.pause(1)
    await stage.heard.chunks(1, 1)

    resumed_s = time.monotonic()
    runner.resume(1)
    end = await stage.heard.end(1)

    pieces = [outcome.body.rstrip(b";").split() for outcome in stage.heard.outcomes[1][:-1]]
    assert [int(number) for number, _ in pieces] == list(range(500))
    assert all(float(at_s) > resumed_s for _, at_s in pieces[1:])
    assert end.chunks == 500


async def test_paused_stream_can_be_cancelled(stage: Stage, kind: str):
    """A pause is no lock."""
    runner = await stage.runner(COUNT.format(kind=kind, value="'x'"))
    runner.submit(stage.request("1000000000"))
    await stage.heard.chunks(1, 1)

    runner.pause(1)
    runner.cancel(1)

    assert (await stage.heard.end(1)).cancelled


async def test_cancelled_task_gets_the_asyncio_error(stage: Stage):
    """An async script sees CancelledError where it waits."""
    runner = await stage.runner(
        """
        import asyncio
        def init(): pass
        async def run(raw):
            try:
                print("began")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                print("tidied up")
                raise
        """
    )
    runner.submit(stage.request())
    await stage.heard.line("began")

    runner.cancel(1)

    assert (await stage.heard.end(1)).cancelled
    await stage.heard.line("tidied up")


@pytest.mark.parametrize("form", ["def", "async def"])
async def test_request_cancelled_before_it_begins_never_runs(stage: Stage, form: str):
    """Cancelling one that was handed over but not begun costs no run()."""
    runner = await stage.runner(f"def init(): pass\n{form} run(raw): print('ran', raw)")
    for name in ("first", "second", "third"):
        runner.submit(stage.request(name))

    runner.cancel(2)  # leaves together with the requests
    await stage.heard.end(3)
    await stage.heard.line("ran third")

    assert stage.heard.outcomes[2][0].cancelled
    assert [line.text for line in stage.heard.lines] == ["ran first", "ran third"]
