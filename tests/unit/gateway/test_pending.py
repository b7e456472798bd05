import pytest

from gateway.pending import Entry, Pending
from mesh import wire
from mesh.errors import BusError, DeadlineExceededError, QueueFullError

ACK = b'{"stream":"W","seq":7}'
FULL = (
    b'{"error":{"code":503,"err_code":10077,"description":"maximum messages per subject exceeded"},'
    b'"stream":"W","seq":0}'
)
NO_DISK = (
    b'{"error":{"code":503,"err_code":10077,"description":"write 1.blk: no space left on device"},'
    b'"stream":"W","seq":0}'
)
ANSWER = {wire.STATUS: "200"}


class Log:
    """A sink that remembers what it was told."""

    def __init__(self):
        self.told = []

    def acknowledged(self, entry):
        self.told.append("ack")

    def answered(self, entry, body, headers):
        self.told.append(body)

    def failed(self, entry, error):
        self.told.append(type(error))


@pytest.fixture
async def pending():
    pending = Pending()
    yield pending
    pending.close()


@pytest.fixture
def log():
    return Log()


def _add(pending, log, due_s=1e9, *, wants_ack=False):
    entry = Entry("W", log)
    entry.wants_ack = wants_ack
    entry.message = ("subject", b"body", "reply", "")
    pending.number(entry)
    pending.add(entry, due_s)
    return entry


async def test_answer_after_puback(pending, log):
    """The usual order: queued, then answered."""
    entry = _add(pending, log)

    pending.take(entry.number, ACK, None)
    assert (entry.seq, entry.message) == (7, None)
    pending.take(entry.number, b"hello", ANSWER)

    assert (log.told, pending.entries) == ([b"hello"], {})


async def test_answer_before_puback(pending, log):
    """A fast worker overtakes the confirmation; what comes late harms nobody."""
    entry = _add(pending, log)

    pending.take(entry.number, b"hello", ANSWER)
    pending.take(entry.number, ACK, None)

    assert (log.told, pending.entries) == ([b"hello"], {})


async def test_second_answer_is_dropped(pending, log):
    """A request that ran twice is answered once."""
    entry = _add(pending, log)

    pending.take(entry.number, b"first", ANSWER)
    pending.take(entry.number, b"second", ANSWER)

    assert (log.told, pending.late) == ([b"first"], 1)


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        pytest.param(FULL, None, QueueFullError, id="lane full"),
        pytest.param(NO_DISK, None, BusError, id="disk full"),
        pytest.param(b'{"error":{"err_code":10023}}', None, BusError, id="other refusal"),
        pytest.param(b'{"error" nonsense', None, BusError, id="undecodable refusal"),
        pytest.param(b"", {"Status": "503"}, BusError, id="no stream"),
    ],
)
async def test_refused_publish_fails_the_request(pending, log, body, headers, error):
    """A full lane is told from every other reason why nothing was queued."""
    entry = _add(pending, log)

    pending.take(entry.number, body, headers)

    assert (log.told, pending.entries) == ([error], {})


async def test_puback_is_told_to_those_who_want_it(pending, log):
    """A mirrored request waits for its confirmation, others pay nothing for it."""
    eager, other = _add(pending, log, wants_ack=True), _add(pending, log)

    pending.take(eager.number, ACK, None)
    pending.take(other.number, ACK, None)

    assert log.told == ["ack"]
    assert pending.pubacks["ok"] == 2


async def test_unanswered_request_is_due(pending, log):
    """A request nobody answers ends at its deadline, whether or not it was ever confirmed."""
    loop_time = pending._loop.time()
    _add(pending, log, loop_time - 1)
    _add(pending, log, loop_time + 1e6)

    pending._expire()

    assert log.told == [DeadlineExceededError]
    assert len(pending.entries) == 1


async def test_answered_request_is_not_due(pending, log):
    """A deadline that passes after the answer is nobody's business."""
    entry = _add(pending, log, 0.0)
    pending.take(entry.number, b"hello", ANSWER)

    pending._expire()

    assert log.told == [b"hello"]


async def test_unknown_number_is_harmless(pending):
    """Messages for nobody (another life of this process, a bug) change nothing."""
    for body, headers in [(ACK, None), (FULL, None), (b"x", ANSWER), (b"", {"Status": "503"})]:
        pending.take(99, body, headers)

    assert pending.entries == {}


@pytest.mark.parametrize("victim", [0, 1, 2])
async def test_forgetting_one_leaves_the_others(pending, log, victim):
    """A client that goes away costs no other client anything."""
    entries = [_add(pending, log) for _ in range(3)]

    pending.remove(entries[victim])
    for entry in entries:
        pending.take(entry.number, b"%d" % entry.number, ANSWER)

    assert len(log.told) == 2
    assert pending.entries == {}
