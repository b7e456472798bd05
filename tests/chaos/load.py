"""Open-loop load of all kinds: arrival times are fixed beforehand, whatever becomes of the answers.

Each request carries an id of its own, and the model's answer has to carry it too.
"""

import asyncio
import contextlib
import hashlib
import json
import random
import time
from collections.abc import Callable

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tests.chaos.callers import CutError, HttpAnswer, Pool, RefusedError
from tests.chaos.journal import Accepted, Answered, Journal, Kind, Sent, Struck, Unanswered

TIMEOUT_S = 5.0  # the deployment's own
SHORT_S = 0.4
QUEUED_S = 120.0
PATIENCE_S = 3.0  # how much longer than a request's deadline its caller waits
CONFIRM_S = 2.0
TRIES = 8
AGAIN_S = 0.2
INBOX_SUBJECT = "answers"
POISON = "poison"
SHARES: dict[Kind, float] = {"http": 0.6, "invoke": 0.1, "async": 0.15, "enqueue": 0.15}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: the same seed gives the same requests at the same times.

    `short`: the share of synchronous requests that have a deadline of 0.4 s.
    """

    seed: int = 1
    seconds: float = 8.0
    rate: float = 200.0
    shares: dict[Kind, float] = msgspec.field(default_factory=SHARES.copy)
    short: float = 0.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One request to be sent `at_s` after the start."""

    id: str
    kind: Kind
    at_s: float
    timeout_s: float


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """How the mesh is reached: gateways' ports, the endpoint's key, and a producer's user."""

    ports: list[int]
    key: str
    nats_url: str
    user: str
    password: str
    inbox: str
    endpoint: str = "echo"


def schedule(plan: Plan) -> list[Wanted]:
    """Return what to send and when."""
    chance = random.Random(plan.seed)
    kinds, weights = list(plan.shares), list(plan.shares.values())
    wanted = []
    for number in range(round(plan.seconds * plan.rate)):
        kind = chance.choices(kinds, weights)[0]
        is_short = chance.random() < plan.short
        sync_s = SHORT_S if is_short else TIMEOUT_S
        timeout_s = QUEUED_S if kind in ("async", "enqueue") else sync_s
        request_id = f"s{plan.seed}-{number}"
        wanted.append(
            Wanted(id=request_id, kind=kind, at_s=number / plan.rate, timeout_s=timeout_s)
        )
    return wanted


class Load:
    """Sends a plan and notes what comes back."""

    def __init__(self, plan: Plan, door: Door, journal: Journal) -> None:
        self.plan = plan
        self.sent = 0
        self.open = 0
        self._door = door
        self._journal = journal
        self._pool = Pool(door.ports)
        self._invoked: dict[str, asyncio.Future[None]] = {}
        self._in_killed_hands: set[str] = set()
        self._names: dict[str, tuple[Kind, str]] = {}
        self._nats: Client = Client()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, on_progress: Callable[[], None] = lambda: None) -> None:
        """Send everything at its time, and wait until each has its answer, or cannot have one."""
        door = self._door
        self._nats = await nats.connect(
            door.nats_url,
            user=door.user,
            password=door.password,
            inbox_prefix=door.inbox.encode(),
            reconnect_time_wait=0.1,
            max_reconnect_attempts=-1,
            error_cb=_ignore,
        )
        await self._nats.subscribe(f"{door.inbox}.{INBOX_SUBJECT}.*", cb=self._on_invoked)
        start_s = time.monotonic()
        for wanted in schedule(self.plan):
            delay_s = start_s + wanted.at_s - time.monotonic()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            self.sent += 1
            self._tasks.append(asyncio.create_task(self._send(wanted)))
            on_progress()
        await asyncio.gather(*self._tasks)

    def burst(self, ids: list[str], kind: Kind) -> list[asyncio.Task[None]]:
        """Send these besides, all at once."""
        wanted = [Wanted(id=one, kind=kind, at_s=0.0, timeout_s=TIMEOUT_S) for one in ids]
        return [asyncio.create_task(self._send(one)) for one in wanted]

    def expect_cuts(self) -> None:
        """Note which invocations are out as a gateway or the broker goes: it may have them."""
        out = [one for one, answered in self._invoked.items() if not answered.done()]
        self._in_killed_hands.update(out)
        self._journal.note(Struck(at_s=time.monotonic()))

    def note_gone(self, request_id: str) -> None:
        """Note a request whose answer nobody will read."""
        now_s = time.monotonic()
        self._journal.note(Sent(id=request_id, kind="http", at_s=now_s, timeout_s=TIMEOUT_S))
        self._journal.note(Unanswered(id=request_id, at_s=now_s, why="gone"))

    def post_bytes(self, body: bytes, lines: str = "") -> bytes:
        """Return a scoring request as it goes over the wire."""
        head = (
            f"POST /endpoints/{self._door.endpoint}/score HTTP/1.1\r\nhost: localhost\r\n"
            f"authorization: Bearer {self._door.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{lines}\r\n"
        )
        return head.encode() + body

    async def collect(self, limit_s: float) -> None:
        """Fetch the result of every queued request that was accepted."""
        until_s = time.monotonic() + limit_s
        for request_id, (kind, name) in self._names.items():
            answer = await self._result(request_id, kind, name, until_s)
            self._journal.note(answer)

    async def close(self) -> int:
        """Leave; return how many answers came that nobody had asked for."""
        await self._nats.close()
        return self._pool.close()

    async def _send(self, wanted: Wanted) -> None:
        now_s = time.monotonic()
        self._journal.note(
            Sent(id=wanted.id, kind=wanted.kind, at_s=now_s, timeout_s=wanted.timeout_s)
        )
        ways = {
            "http": self._http,
            "keyed": self._keyed,
            "async": self._async,
            "invoke": self._invoke,
            "enqueue": self._enqueue,
        }
        self.open += 1
        try:
            await ways[wanted.kind](wanted)
        finally:
            self.open -= 1

    async def _http(self, wanted: Wanted) -> None:
        wish = f"x-ms-request-timeout-ms: {round(wanted.timeout_s * 1000)}\r\n"
        answer = await self._post(wanted, wish, wanted.timeout_s + PATIENCE_S, "silent")
        if answer is not None:
            self._note_answer(wanted.id, answer.status, answer.body, _code(answer))

    async def _keyed(self, wanted: Wanted) -> None:
        """Ask again under the same key, as one may who does not know what became of a request."""
        wish = f"x-ms-request-timeout-ms: {round(TIMEOUT_S * 1000)}\r\n"
        wish += f"idempotency-key: {wanted.id}\r\n"
        for _ in range(TRIES):
            with contextlib.suppress(CutError, RefusedError, TimeoutError):
                answer = await self._pool.ask(self.post_bytes(_body(wanted), wish), TIMEOUT_S)
                if answer.status not in (429, 503):
                    self._note_answer(wanted.id, answer.status, answer.body, _code(answer))
                    return
            await asyncio.sleep(AGAIN_S)
        self._note_silence(wanted, "silent")

    async def _async(self, wanted: Wanted) -> None:
        wish = f"x-ms-request-timeout-ms: {round(wanted.timeout_s * 1000)}\r\n"
        wish += "prefer: respond-async\r\n"
        answer = await self._post(wanted, wish, TIMEOUT_S + PATIENCE_S, "unconfirmed")
        if answer is None:
            return
        if answer.status != 202:
            self._note_answer(wanted.id, answer.status, answer.body, _code(answer))
            return
        self._note_accepted(wanted, answer.headers["location"].rpartition("/")[2])

    async def _post(
        self, wanted: Wanted, lines: str, timeout_s: float, silence: str
    ) -> HttpAnswer | None:
        try:
            return await self._pool.ask(self.post_bytes(_body(wanted), lines), timeout_s)
        except CutError:
            self._note_silence(wanted, "cut" if silence == "silent" else "unconfirmed")
        except RefusedError:
            self._note_silence(wanted, "refused")
        except TimeoutError:
            self._note_silence(wanted, silence)
        return None

    async def _invoke(self, wanted: Wanted) -> None:
        answered = asyncio.get_running_loop().create_future()
        self._invoked[wanted.id] = answered
        try:
            await self._nats.publish(
                f"mesh.invoke.{self._door.endpoint}",
                _body(wanted),
                reply=f"{self._door.inbox}.{INBOX_SUBJECT}.{wanted.id}",
                headers={"Mesh-Timeout-Ms": str(round(wanted.timeout_s * 1000))},
            )
            async with asyncio.timeout(wanted.timeout_s + PATIENCE_S):
                await answered
        except NatsError:
            self._note_silence(wanted, "refused")
        except TimeoutError:
            is_cut = wanted.id in self._in_killed_hands
            self._note_silence(wanted, "cut" if is_cut else "silent")

    async def _on_invoked(self, message: Msg) -> None:
        request_id = message.subject.rpartition(".")[2]
        headers = message.headers or {}
        status = int(headers.get("Mesh-Status") or headers.get("Status", 0))
        error = headers.get("Mesh-Error", "" if "Mesh-Status" in headers else "no_responders")
        self._note_answer(request_id, status, message.data, error)
        if not (answered := self._invoked[request_id]).done():
            answered.set_result(None)

    async def _enqueue(self, wanted: Wanted) -> None:
        """Enqueue as a producer should: what is not confirmed is sent again under the same id."""
        headers = {
            "Mesh-Request-Id": wanted.id,
            "Nats-Msg-Id": wanted.id,
            "Mesh-Timeout-Ms": str(round(wanted.timeout_s * 1000)),
        }
        subject = f"mesh.enqueue.{self._door.endpoint}"
        for _ in range(TRIES):
            try:
                ack = await self._nats.request(
                    subject, _body(wanted), headers=headers, timeout=CONFIRM_S
                )
            except (NatsError, TimeoutError):
                await asyncio.sleep(AGAIN_S)
                continue
            if "error" not in json.loads(ack.data):
                self._note_accepted(wanted, wanted.id)
                return
            await asyncio.sleep(AGAIN_S)
        self._note_silence(wanted, "unconfirmed")

    async def _result(self, request_id: str, kind: Kind, name: str, until_s: float) -> object:
        while time.monotonic() < until_s:
            answer = await (self._look if kind == "async" else self._read)(request_id, name)
            if answer is not None:
                return answer
        return Unanswered(id=request_id, at_s=time.monotonic(), why="silent")

    async def _look(self, request_id: str, name: str) -> Answered | None:
        head = (
            f"GET /endpoints/{self._door.endpoint}/requests/{name} HTTP/1.1\r\n"
            f"host: localhost\r\nauthorization: Bearer {self._door.key}\r\n"
            "prefer: wait=2\r\n\r\n"
        )
        try:
            answer = await self._pool.ask(head.encode(), TIMEOUT_S)
        except (CutError, RefusedError, TimeoutError):
            return None
        if answer.status in (202, 503):
            return None
        return _answered(request_id, answer.status, answer.body, _code(answer))

    async def _read(self, request_id: str, name: str) -> Answered | None:
        subject = f"$JS.API.DIRECT.GET.RESULTS.mesh.result.{self._door.endpoint}.{name}"
        try:
            found = await self._nats.request(subject, timeout=CONFIRM_S)
        except (NatsError, TimeoutError):
            return None
        headers = found.headers or {}
        if "Mesh-Status" not in headers:
            return None
        status = int(headers["Mesh-Status"])
        return _answered(request_id, status, found.data, headers.get("Mesh-Error", ""))

    def _note_accepted(self, wanted: Wanted, name: str) -> None:
        self._journal.note(Accepted(id=wanted.id, name=name, at_s=time.monotonic()))
        self._names[wanted.id] = (wanted.kind, name)

    def _note_answer(self, request_id: str, status: int, body: bytes, error: str) -> None:
        self._journal.note(_answered(request_id, status, body, error))

    def _note_silence(self, wanted: Wanted, why: str) -> None:
        silence = msgspec.convert(
            {"type": "unanswered", "id": wanted.id, "at_s": time.monotonic(), "why": why},
            Unanswered,
        )
        self._journal.note(silence)


async def _ignore(_: Exception) -> None:
    """The broker is away: what becomes of the requests says it all."""


def _body(wanted: Wanted) -> bytes:
    asked = {"id": wanted.id} | ({"poison": True} if wanted.id == POISON else {})
    return json.dumps(asked).encode()


def _answered(request_id: str, status: int, body: bytes, error: str) -> Answered:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    own = str(said.get("id", "")) if isinstance(said, dict) else ""
    return Answered(
        id=request_id,
        at_s=time.monotonic(),
        status=status,
        error=error,
        own=own,
        digest=hashlib.sha256(body).hexdigest()[:16],
    )


def _code(answer: HttpAnswer) -> str:
    """The code in the body of an error; empty for an answer that is none."""
    if answer.status < 400:
        return ""
    try:
        return str(json.loads(answer.body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
