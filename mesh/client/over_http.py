"""The client's way over HTTP: a gateway and an endpoint's key. Ring: adapter."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx

from mesh.client.answer import Answer, Ask, checked, refuse_bad_id
from mesh.errors import BusError, DeadlineExceededError, NotFinishedError, ProtocolError

LONGEST_S: Final = 310.0  # the longest request an endpoint allows, and a little
CONNECT_S: Final = 5.0
MARGIN_S: Final = 5.0
POLL_S: Final = (0.05, 1.0)
ACCEPTED: Final = 202


class HttpTransport:
    """Asks a gateway, whatever proxy the environment names for other purposes."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"}
        timeout = httpx.Timeout(LONGEST_S, connect=CONNECT_S)
        self._http = httpx.AsyncClient(headers=headers, timeout=timeout, trust_env=False)

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

    async def result(self, endpoint: str, request_id: str, wait_s: float) -> Answer:
        """Return a queued request's result; asks again until it is there or the time is over."""
        refuse_bad_id(request_id)
        url = f"{self._url}/endpoints/{endpoint}/requests/{request_id}"
        until_s, pause_s = time.monotonic() + wait_s, POLL_S[0]
        while (answer := checked(await self._send("GET", url))).status == ACCEPTED:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise NotFinishedError(answer=answer)
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, POLL_S[1])
        return answer

    async def _post(self, asked: Ask, more: dict[str, str]) -> Answer:
        headers, timeout_s = asked.headers | more, LONGEST_S
        if asked.timeout_s is not None:
            headers["x-ms-request-timeout-ms"] = str(max(1, round(asked.timeout_s * 1000)))
            timeout_s = min(timeout_s, asked.timeout_s + MARGIN_S)
        url = f"{self._url}/endpoints/{asked.endpoint}/score"
        return await self._send("POST", url, asked.body, headers, timeout_s)

    async def _send(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        timeout_s: float = LONGEST_S,
    ) -> Answer:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
        try:
            told = await self._http.request(
                method, url, content=body, headers=headers, timeout=timeout
            )
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as exc:
            raise DeadlineExceededError(f"{url}: no answer within {timeout_s:g} s") from exc
        except httpx.HTTPError as exc:
            raise BusError(f"{url}: {str(exc) or type(exc).__name__}") from exc
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
