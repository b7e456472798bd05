"""The client's way over HTTP: a gateway and an endpoint's key. Ring: adapter."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

import httpx
import msgspec

from mesh import wire
from mesh.client.answer import Answer, State, Status, checked
from mesh.client.client import Access
from mesh.client.options import Ask
from mesh.client.transport import patience_s
from mesh.errors import (
    AnswerUnknownError,
    DeadlineExceededError,
    NoRespondersError,
    NotFinishedError,
    ProtocolError,
)

CONNECT_S: Final = 5.0
MARGIN_S: Final = 5.0
HELD_S: Final = 3.0  # then it is asked again: that a request's time is over is told by nobody
PAUSE_S: Final = 0.05  # before the next question to one that does not hold it
KEPT_CONNECTIONS: Final = 100
ACCEPTED: Final = 202
UNREACHED: Final = (httpx.ConnectError, httpx.ConnectTimeout)
TOO_LATE: Final = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)
NAMES: Final = {wire.IDEMPOTENCY_KEY: "Idempotency-Key"}  # the one that is not as over NATS
STATE: Final = "mesh-job-state"


async def connect(url: str, access: Access) -> HttpTransport:
    """Return a way to a gateway; the first connection is made for the first request."""
    return HttpTransport(url, access.get("key", ""))


class HttpTransport:
    """Asks a gateway, whatever proxy the environment names for other purposes."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            limits=httpx.Limits(max_keepalive_connections=KEPT_CONNECTIONS),
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"<HttpTransport {self._url}>"

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def invoke(self, asked: Ask) -> Answer:
        """Ask and wait for the answer."""
        return checked(await self._post(asked, {}))

    async def submit(self, asked: Ask) -> str:
        """Queue a request; return its id."""
        answer = checked(await self._post(asked, {"Prefer": "respond-async"}))
        if answer.status != ACCEPTED or not answer.request_id:
            raise ProtocolError(f"expected {ACCEPTED} for a queued request, got {answer.status}")
        return answer.request_id

    async def result(self, endpoint: str, request_id: str, wait_s: float | None) -> Answer:
        """Return a queued request's result; the gateway holds the question until it is there."""
        until_s = math.inf if wait_s is None else time.monotonic() + wait_s
        while True:
            asked_at_s = time.monotonic()
            hold_s = int(max(0.0, min(HELD_S, until_s - asked_at_s)))
            answer = checked(await self._look(endpoint, request_id, hold_s))
            if answer.status != ACCEPTED:
                return answer
            now_s = time.monotonic()
            if now_s >= until_s:
                raise NotFinishedError(answer=answer)
            if now_s - asked_at_s < PAUSE_S:  # it holds no question for less than a second
                await asyncio.sleep(min(PAUSE_S, until_s - now_s))

    async def status(self, endpoint: str, request_id: str) -> Status:
        """Say what has become of a queued request."""
        answer = await self._look(endpoint, request_id)
        if answer.status == ACCEPTED:
            return msgspec.json.decode(answer.body, type=Status)
        state = answer.headers.get(STATE)
        if state is None:
            raise ProtocolError(f"no {STATE} in {checked(answer).headers}")
        return Status(
            id=request_id,
            state=msgspec.convert(state, State),
            deployment=answer.deployment or None,
        )

    async def cancel(self, endpoint: str, request_id: str) -> None:
        """Cancel a queued request."""
        checked(await self._send("DELETE", self._place(endpoint, request_id), {}, CONNECT_S))

    async def _look(self, endpoint: str, request_id: str, hold_s: int = 0) -> Answer:
        headers = {"Prefer": f"wait={hold_s}"} if hold_s else {}
        place = self._place(endpoint, request_id)
        return await self._send("GET", place, headers, hold_s + MARGIN_S)

    def _place(self, endpoint: str, request_id: str) -> str:
        return f"{self._url}/endpoints/{endpoint}/requests/{request_id}"

    async def _post(self, asked: Ask, more: dict[str, str]) -> Answer:
        marks = {NAMES.get(name, name): text for name, text in asked.marks.items()}
        headers = asked.headers | marks | more
        if asked.timeout_ms:
            headers["x-ms-request-timeout-ms"] = asked.timeout_ms
        url = f"{self._url}/endpoints/{asked.endpoint}/score"
        return await self._send("POST", url, headers, patience_s(asked), asked.body)

    async def _send(
        self, method: str, url: str, headers: dict[str, str], timeout_s: float, body: bytes = b""
    ) -> Answer:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
        try:
            told = await self._http.request(
                method, url, content=body, headers=headers, timeout=timeout
            )
        except UNREACHED as exc:
            raise NoRespondersError(f"no gateway answers at {self._url}") from exc
        except TOO_LATE as exc:
            raise DeadlineExceededError(f"{url}: no answer within {timeout_s:g} s") from exc
        except httpx.HTTPError as exc:
            text = f"the connection to {self._url} was lost; the request may have been answered"
            raise AnswerUnknownError(text) from exc
        return to_answer(told)


def to_answer(told: httpx.Response) -> Answer:
    """Return what a gateway answered."""
    headers = told.headers
    return Answer(
        status=told.status_code,
        body=told.content,
        content_type=headers.get("content-type", ""),
        request_id=headers.get("x-request-id", ""),
        deployment=headers.get("azureml-model-deployment", ""),
        model_status=int(headers.get("ms-azureml-model-error-statuscode", 0)),
        headers=dict(headers),
    )
