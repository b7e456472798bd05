"""Watching an endpoint or a deployment until what was asked of it has happened.

Listens to its lifecycle events before anything is asked, so that none is missed, and looks again
at each; a look once in a while covers events lost on the way. Ring: adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Generic, Self, TypeVar

from mesh.api import DeploymentView
from mesh.bus import Bus, Message
from mesh.errors import BusError, DeadlineExceededError, NotFoundError

FALLBACK_S: Final = 1.0
AWAY_S: Final = 30.0
LOOK_S: Final = 10.0
TERMINAL: Final = frozenset({"Succeeded", "Failed", "Canceled"})

V = TypeVar("V")
OnView = Callable[[V | None], None]


def is_settled(view: DeploymentView, generation: int = 0) -> bool:
    """Tell whether nothing more will happen to the deployment by itself.

    Args:
        view: the deployment now.
        generation: the generation that was asked for; an older view settles nothing.
    """
    return view.generation >= generation and view.provisioning_state in TERMINAL


class Watch(Generic[V]):
    """Something under observation; open it before you change what it observes."""

    def __init__(self, look: Callable[[], Awaitable[V]], what: str) -> None:
        self._look = look
        self._what = what
        self._happened = asyncio.Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._what}>"

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, bus: Bus, subject: str, look: Callable[[], Awaitable[V]], what: str
    ) -> AsyncIterator[Self]:
        """Listen to events; what they are about need not exist yet.

        Args:
            bus: the connection.
            subject: of the events.
            look: returns what is observed, or raises NotFoundError.
            what: what is observed, for messages.
        """
        watch = cls(look, what)
        subscription = await bus.subscribe(subject, watch._note_event)
        try:
            await bus.flush()
            yield watch
        finally:
            with contextlib.suppress(BusError):
                await subscription.unsubscribe()

    async def _note_event(self, _: Message) -> None:
        self._happened.set()

    async def views(self) -> AsyncGenerator[V | None]:
        """Yield what it is now and after each event, None while it does not exist.

        Raises:
            BusError: the mesh was away for half a minute.
        """
        loop = asyncio.get_running_loop()
        seen_at_s = loop.time()
        while True:
            self._happened.clear()
            view: V | None = None
            try:
                async with asyncio.timeout(LOOK_S):  # who was asked may have been killed meanwhile
                    view = await self._look()
            except NotFoundError:
                pass
            except (BusError, TimeoutError) as exc:
                if loop.time() - seen_at_s > AWAY_S:
                    if isinstance(exc, BusError):
                        raise
                    raise BusError(f"no word of {self._what} in {AWAY_S:g} s") from exc
                await asyncio.sleep(FALLBACK_S)
                continue
            seen_at_s = loop.time()
            yield view
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._happened.wait(), FALLBACK_S)

    async def gone(self, *, timeout_s: float | None = None) -> None:
        """Wait until it does not exist any more.

        Raises:
            DeadlineExceededError: it is still there; the deletion goes on.
        """
        with _deadline(f"{self._what} is not deleted", timeout_s):
            async with asyncio.timeout(timeout_s), contextlib.aclosing(self.views()) as views:
                async for view in views:
                    if view is None:
                        return


class DeploymentWatch(Watch[DeploymentView]):
    """A deployment under observation."""

    async def settled(
        self,
        generation: int = 0,
        *,
        timeout_s: float | None = None,
        on_view: OnView[DeploymentView] | None = None,
    ) -> DeploymentView:
        """Wait until the deployment has succeeded or failed; return it either way.

        Args:
            generation: the generation the change answered with; older states do not count.
            timeout_s: seconds to wait; None for as long as it takes.
            on_view: called with each view, for progress.

        Raises:
            NotFoundError: it was deleted meanwhile.
            DeadlineExceededError: it is not settled yet; it goes on.
        """
        with _deadline(f"{self._what} is not settled", timeout_s):
            async with asyncio.timeout(timeout_s), contextlib.aclosing(self.views()) as views:
                async for view in views:
                    if on_view is not None:
                        on_view(view)
                    if view is None:
                        break
                    if is_settled(view, generation):
                        return view
        raise NotFoundError(f"{self._what} was deleted meanwhile")


@contextlib.contextmanager
def _deadline(what: str, timeout_s: float | None) -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise DeadlineExceededError(f"{what} after {timeout_s or 0:g} s; it goes on") from exc
