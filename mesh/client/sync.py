"""The client for code that does not await: a thread of its own awaits for it.

Works in any thread, and where a loop runs already, as in a notebook. Every method is that of
`Client` or `Job`, and so is its description. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Final, Generic, ParamSpec, Self, TypeVar, Unpack

from mesh.client.client import Access, Client
from mesh.client.job import Job
from mesh.client.options import SubmitOptions
from mesh.tasks import end

THREAD: Final = "mesh-client"

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


class Awaiter:
    """A loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=THREAD, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it would still await something."""
        return not self._loop.is_closed()

    def wait(self, step: Coroutine[Any, Any, _R]) -> _R:
        """Do `step` to its end; whoever is interrupted while waiting cancels it."""
        future = asyncio.run_coroutine_threadsafe(step, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # harmless once it is done

    def stop(self) -> None:
        """End what is under way, and the thread. Harmless twice."""
        if not self.is_running:
            return
        self.wait(self._end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_all(self) -> None:
        await end(asyncio.all_tasks() - {asyncio.current_task()})


class Facade(Generic[_T]):
    """Something whose coroutines an awaiter runs."""

    def __init__(self, target: _T, awaiter: Awaiter) -> None:
        self._target = target
        self._awaiter = awaiter

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._target!r}>"


def blocking(
    method: Callable[Concatenate[_T, _P], Coroutine[Any, Any, _R]],
) -> Callable[Concatenate[Facade[_T], _P], _R]:
    """Return a method that waits for the end of that coroutine."""

    @functools.wraps(method)
    def call(self: Facade[_T], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self._awaiter.wait(method(self._target, *args, **kwargs))

    return call


class SyncJob(Facade[Job]):
    """`Job` for code that does not await."""

    status = blocking(Job.status)
    result = blocking(Job.result)
    cancel = blocking(Job.cancel)

    @property
    def id(self) -> str:
        """The request's id."""
        return self._target.id

    @property
    def endpoint(self) -> str:
        """The endpoint that was asked."""
        return self._target.endpoint


class SyncClient(Facade[Client]):
    """`Client` for code that does not await: `with SyncClient.connect(url, key=key) as client`."""

    invoke = blocking(Client.invoke)
    result = blocking(Client.result)
    map = blocking(Client.map)

    @classmethod
    def connect(cls, url: str = "", **access: Unpack[Access]) -> Self:
        """Connect to a mesh: see `Client.connect`."""
        awaiter = Awaiter()
        try:
            return cls(awaiter.wait(Client.connect(url, **access)), awaiter)
        except BaseException:
            awaiter.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. Harmless twice."""
        if self._awaiter.is_running:
            self._awaiter.wait(self._target.close())
            self._awaiter.stop()

    def submit(self, endpoint: str, data: Any, **options: Unpack[SubmitOptions]) -> SyncJob:
        """Queue a request; return it once it is safe: see `Client.submit`."""
        submitted = self._awaiter.wait(self._target.submit(endpoint, data, **options))
        return SyncJob(submitted, self._awaiter)

    def job(self, endpoint: str, request_id: str) -> SyncJob:
        """Return a request that was queued before: see `Client.job`."""
        return SyncJob(self._target.job(endpoint, request_id), self._awaiter)
