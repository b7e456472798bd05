"""The rows of the table: what is done, what is odd from the start, and what callers may be told."""

from collections.abc import Awaitable, Callable

import msgspec

from mesh import topology
from tests.chaos import clocks, faults, standstills, troubles
from tests.chaos.faults import Scene
from tests.chaos.journal import Kind
from tests.chaos.oracle import Verdict

AWAY = ("503 answer_unknown",)
KEYED: dict[Kind, float] = {"http": 0.5, "keyed": 0.5}
LATE = ("408 deadline_exceeded",)
# What the mesh's own streams may grow to, and one queue of 1 MiB.
OWN = (*topology.buckets(), topology.artifacts(), *topology.shared_streams())
RESERVED_BYTES = sum(max(0, one.get("max_bytes", 0)) for one in OWN) + (3 << 19)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `errors`: what a caller may be told; everything else must be answered.

    `may_refuse`: callers may be sent away with 503 or 429 before anything was queued; `may_cut`:
    what may end without an answer: connections of a killed gateway, and invocations on their way
    through what goes; `most_slow_s`: the longest a caller may wait; `dead`: how many requests must
    be in `DEAD` in the end; `most_redelivered`, `most_rerun`: None is any number; `may_leave`: the
    broker may fail to erase what was acknowledged; `shares`: of which kinds the load is.
    """

    name: str
    title: str
    fault: Callable[[Scene], Awaitable[str]]
    errors: tuple[str, ...] = ()
    may_refuse: bool = False
    may_cut: tuple[Kind, ...] = ()
    most_slow_s: float = 5.5
    dead: int = 0
    most_redelivered: int | None = None
    most_rerun: int | None = None
    may_leave: bool = False
    shares: dict[Kind, float] = {}
    short: float = 0.0
    more: str = ""
    environ: dict[str, str] = {}
    odd: str = ""
    has_clock: bool = False
    disk_mib: int = 0

    def objections(self, verdict: Verdict) -> list[str]:
        """Say what in a verdict is not as promised; empty if all is."""
        said = list(verdict.strange)
        said += [
            f"{count} {what}"
            for what, count in (
                ("lost", verdict.lost),
                ("answered twice", verdict.duplicated),
                ("run when nobody waited any more", verdict.dead_work),
            )
            if count
        ]
        said += [
            f"{count} answered {error}"
            for error, count in verdict.errors.items()
            if error not in self.errors
        ]
        if verdict.answer_unknown and "503 answer_unknown" not in self.errors:
            said.append(f"{verdict.answer_unknown} answered answer_unknown")
        if verdict.refused and not self.may_refuse:
            said.append(f"{verdict.refused} refused")
        said += [
            f"{count} {kind} cut off"
            for kind, count in verdict.cut_kinds.items()
            if kind not in self.may_cut
        ]
        if verdict.slowest_s > self.most_slow_s:
            said.append(f"the slowest took {verdict.slowest_s:.2f} s")
        if len(verdict.dead) != self.dead:
            said.append(f"in DEAD: {verdict.dead}")
        if self.most_redelivered is not None and verdict.redelivered > self.most_redelivered:
            said.append(f"{verdict.redelivered} redelivered")
        if self.most_rerun is not None and verdict.rerun > self.most_rerun:
            said.append(f"{verdict.rerun} run more than once")
        if verdict.stale and not self.may_leave:
            said.append(f"{verdict.stale} acknowledged, yet not erased")
        return said


ROWS = [
    Row(
        name="none",
        title="nothing (control)",
        fault=faults.nothing,
        most_redelivered=0,
        most_slow_s=1.0,
    ),
    Row(
        name="worker",
        title="kill -9 of one of two workers",
        fault=faults.kill_worker,
        most_slow_s=2.0,
    ),
    Row(name="runner", title="kill -9 of a runner of each worker", fault=faults.kill_runner),
    Row(
        name="gateway",
        title="kill -9 of one of two gateways",
        fault=faults.kill_gateway,
        may_refuse=True,
        may_cut=("http", "invoke"),
    ),
    Row(name="scaler", title="kill -9 of the scaler, then of a worker", fault=faults.kill_scaler),
    Row(
        name="broker",
        title="kill -9 of nats-server, restart on the same store",
        fault=faults.kill_broker,
        errors=AWAY,
        may_refuse=True,
        may_cut=("invoke",),
    ),
    Row(
        name="keyed-gateway",
        title="kill -9 of one of two gateways, every second request with a key and sent again",
        fault=faults.kill_gateway,
        shares=KEYED,
        may_refuse=True,
        may_cut=("http",),
        most_rerun=0,
    ),
    Row(
        name="keyed-broker",
        title="kill -9 of nats-server, every second request with a key and sent again",
        fault=faults.kill_broker,
        shares=KEYED,
        errors=AWAY,
        may_refuse=True,
        most_slow_s=9.0,
    ),
    Row(
        name="stop",
        title="SIGSTOP of a worker for twice the ack wait",
        fault=standstills.stop_worker,
    ),
    Row(
        name="stop-all",
        title="SIGSTOP of all workers for 0.8 s, short deadlines",
        fault=standstills.stop_all,
        errors=LATE,
        short=0.2,
    ),
    Row(
        name="cut-worker",
        title="a worker cut off from the broker for 3 s",
        fault=standstills.cut,
        odd="worker",
    ),
    Row(
        name="slow-worker",
        title="150 ms more each way between a worker and the broker",
        fault=standstills.slow,
        odd="worker",
    ),
    Row(
        name="silent-worker",
        title="nothing passes between a worker and the broker for 3 s",
        fault=standstills.silence,
        odd="worker",
    ),
    Row(
        name="cut-gateway",
        title="a gateway cut off from the broker for 3 s",
        fault=standstills.cut,
        odd="gateway",
        errors=AWAY,
        may_refuse=True,
        may_cut=("invoke",),
    ),
    Row(
        name="slow-gateway",
        title="150 ms more each way between a gateway and the broker",
        fault=standstills.slow,
        odd="gateway",
    ),
    Row(
        name="silent-gateway",
        title="nothing passes between a gateway and the broker for 3 s",
        fault=standstills.silence,
        odd="gateway",
    ),
    Row(
        name="store",
        title="JetStream store full: no room for a queue, lanes full",
        fault=troubles.fill_store,
        may_refuse=True,
        more="mesh: {queue: {max_messages: 40, max_bytes: 1048576}}",
        environ={"MESH_NATS__MAX_FILE_STORE_BYTES": str(RESERVED_BYTES)},
    ),
    Row(
        name="disk",
        title="disk full under the broker (tmpfs)",
        fault=troubles.fill_disk,
        errors=AWAY,
        may_refuse=True,
        may_cut=("invoke",),
        disk_mib=64,
        may_leave=True,
    ),
    Row(
        name="deaf",
        title="a client that does not read",
        fault=troubles.deaf_client,
    ),
    Row(
        name="clock-worker",
        title="a worker's clock steps an hour ahead, then back",
        fault=clocks.step_worker,
        odd="worker",
        has_clock=True,
    ),
    Row(
        name="clock-gateway",
        title="a gateway's clock steps an hour ahead, then back",
        fault=clocks.step_gateway,
        odd="gateway",
        has_clock=True,
    ),
    Row(
        name="poison",
        title="a segfault with 200 beside it, three rolling restarts",
        fault=troubles.poison,
        errors=("424 poison",),
        dead=1,
    ),
    Row(
        name="rolling",
        title="rolling restart of everything",
        fault=troubles.restart_everything,
        errors=AWAY,
        may_refuse=True,
        may_cut=("invoke",),
    ),
]
