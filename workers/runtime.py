"""What every runtime offers, whatever kind of model it runs: the contract of model backends.

A runtime starts runners; `workers.pool` keeps them alive and shares the requests among them. The
first runtime is that of scoring scripts (`workers.scripts`), the second is Triton
(`workers.triton`); one contract suite holds both to this. Ring: values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from workers.exchange import Callbacks, RunRequest
from workers.probe import Question

Say = Callable[[str], None]  # one line for the storage initializer's log


class Runner(Protocol):
    """One thing that serves: a process that was started, or a server that runs already.

    All callbacks are sync and come from the event loop. Each submitted request ends exactly once:
    in a final `Outcome`, or by its number in the `Exit` that the runner's end is told with.
    """

    @property
    def is_ready(self) -> bool:
        """Whether it serves."""

    @property
    def unready(self) -> str:
        """Why it is not ready for now, though it runs; empty if there is no such reason."""

    @property
    def is_busy(self) -> bool:
        """Whether a request keeps it from answering a ping that has time left to run."""

    @property
    def pids(self) -> Sequence[int]:
        """Its processes on this host, whose CPU and memory are the instance's."""

    @property
    def outstanding(self) -> int:
        """How many requests it has been handed and not ended."""

    @property
    def room(self) -> bool:
        """Whether to hand it another request now; `on_room` tells when that may have changed."""

    async def ready(self) -> None:
        """Wait until it serves.

        Raises:
            BootError: it does not; the message is the model's own words, or what is known. Its
                context tells by `is_said` whether the console has them already. `on_exit` follows.
        """

    def submit(self, request: RunRequest) -> None:
        """Hand over a request."""

    def cancel(self, number: int) -> None:
        """Ask for the end of a request; its outcome follows. Harmless if it has ended."""

    def pause(self, number: int) -> None:
        """Stop the chunks of a streamed answer for now."""

    def resume(self, number: int) -> None:
        """Let the chunks of a streamed answer come again."""

    def sweep(self, now_s: float) -> None:
        """End what runs past its deadline; called a few times a second."""

    async def ping(self, question: Question) -> bool:
        """Ask whether it lives, or is ready; without an end if it does not answer."""

    def stop(self, reason: str) -> None:
        """End it at once, for a reason that `on_exit` follows with."""

    async def close(self, grace_s: float) -> None:
        """Let it finish what it was handed, for `grace_s` seconds; afterwards nothing is left."""


class Runtime(Protocol):
    """How the runners of one deployment are started."""

    @property
    def count(self) -> int:
        """How many runners serve as one."""

    def start(self, callbacks: Callbacks) -> Runner:
        """Start a runner.

        Raises:
            BootError: it cannot be started.
        """


class Runners(Protocol):
    """The instance's runner processes, as far as requests are concerned."""

    @property
    def is_ready(self) -> bool:
        """Whether at least one runner takes requests."""

    def submit(self, request: RunRequest) -> None:
        """Hand a request over; its end comes through the callbacks."""

    def cancel(self, number: int) -> None:
        """Stop a request as soon as its kind of script allows."""


class NoRunners:
    """Before the boot: nothing is ready and nothing can be asked."""

    is_ready = False

    def submit(self, request: RunRequest) -> None:
        """Never called: nothing is ready."""

    def cancel(self, number: int) -> None:
        """Nothing runs that could be cancelled."""
