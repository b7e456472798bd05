"""What scripts print reaches the log line by line, under every Python."""

from tests.runners import Stage


def said(stage: Stage) -> list[tuple[str, str, str]]:
    return [(line.stream, line.request_id, line.text) for line in stage.heard.lines]


async def printed(stage: Stage, body: str) -> list[tuple[str, str, str]]:
    """What a run() with this body prints."""
    runner = await stage.runner(f"import os, sys\ndef init(): pass\ndef run(raw):\n    {body}")
    await stage.call(runner)
    await runner.close(1.0)
    return said(stage)


async def test_lines_carry_their_request(stage: Stage):
    """Several lines in one write are several lines of one request."""
    assert await printed(stage, r"print('a\n\nb')") == [
        ("stdout", "id-1", "a"),
        ("stdout", "id-1", ""),
        ("stdout", "id-1", "b"),
    ]


async def test_line_without_an_end_is_not_lost(stage: Stage):
    """The end of the request ends the line."""
    assert await printed(stage, "print('a', end='')") == [("stdout", "id-1", "a")]


async def test_flushed_piece_and_its_rest_are_one_line(stage: Stage):
    """A progress display is a line."""
    body = "print('1%', end=' ', flush=True); print('2%')"
    assert await printed(stage, body) == [("stdout", "id-1", "1% 2%")]


async def test_stderr_and_logging_are_stderr(stage: Stage):
    """Both with the request's id."""
    body = "import logging; logging.warning('careful')"
    assert await printed(stage, body) == [("stderr", "id-1", "WARNING:root:careful")]


async def test_bytes_may_be_printed(stage: Stage):
    """sys.stdout.buffer works as scripts expect."""
    assert await printed(stage, r"sys.stdout.buffer.write(b'raw\n')") == [("stdout", "id-1", "raw")]


async def test_writes_of_c_code_arrive_without_an_id(stage: Stage):
    """Nobody knows whose they are; lines of the script among them keep theirs."""
    body = r"os.write(1, b'from C\nopen '); print('mine')"
    assert await printed(stage, body) == [
        ("stdout", "", "from C"),
        ("stdout", "", "open "),
        ("stdout", "id-1", "mine"),
    ]


async def test_what_init_prints_is_logged(stage: Stage):
    """Before any request, so without an id."""
    runner = await stage.runner("def init(): print('loading')\ndef run(raw): return 1")
    await runner.close(1.0)

    assert said(stage) == [("stdout", "", "loading")]


async def test_async_requests_keep_their_lines_apart(stage: Stage):
    """Each task prints in the name of its own request, threads it waits for included."""
    runner = await stage.runner(
        """
        import asyncio
        def init(): pass
        async def run(raw):
            print(raw, "begins", end="")
            await asyncio.sleep(0)
            print(raw, "ends")
        """
    )
    for name in ("a", "b"):
        runner.submit(stage.request(name, request_id=name))
    await stage.heard.end(1)
    await stage.heard.end(2)
    await runner.close(1.0)

    lines = [(line.request_id, line.text) for line in stage.heard.lines]
    assert sorted(lines) == [
        ("a", "a begins"),
        ("a", "a ends"),
        ("b", "b begins"),
        ("b", "b ends"),
    ]


async def test_last_words_come_before_the_end_is_told(stage: Stage):
    """A crash loses nothing that was printed, and shows where it happened."""
    runner = await stage.runner(
        "import ctypes\ndef init(): pass\n"
        "def run(raw):\n    print('farewell')\n    ctypes.string_at(0)"
    )
    runner.submit(stage.request())

    ended = await stage.heard.exit()

    texts = [line.text for line in stage.heard.lines]
    assert "farewell" in texts
    assert any("Segmentation fault" in text for text in texts)
    assert "SIGSEGV" in ended.reason
