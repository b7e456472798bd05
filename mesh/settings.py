"""What an operator may choose: one typed value, layered from file, environment and flags.

Layers, each over the one before: defaults, the packaged `configs/mesh.yaml`, a file of one's own,
the environment (`MESH_<SECTION>__<KEY>`), flags. A wrong key or value is refused by name. The
programs read the resolved value from a JSON file, so they all see the same. Ring: values.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import platformdirs
import yaml

from mesh import layers
from mesh.errors import SpecError

Role = Literal["gateway", "scaler", "worker", "admin"]
PRODUCER_INBOXES: Final = "_INBOX_producer"
ROLES: Final[tuple[Role, ...]] = ("gateway", "scaler", "worker", "admin")

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=0, le=64)]
Bytes = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
SecondsOrZero = Annotated[float, msgspec.Meta(ge=0)]
Attempts = Annotated[int, msgspec.Meta(ge=1, le=100)]
SecondsOfADay = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Cores = Annotated[float, msgspec.Meta(ge=0)]
Limits = Literal["none", "warn", "strict"]
SecondsOfAMonth = Annotated[float, msgspec.Meta(ge=60, le=30 * 86_400)]
MIB: Final = 1 << 20
GIB: Final = 1 << 30
LARGEST_BODY_BYTES: Final = 100 * MIB
INLINE_BODY_BYTES: Final = MIB // 2  # more goes in chunks: from there on it is faster (measured)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of the settings."""


class LogSettings(Section, frozen=True, kw_only=True):
    """What the programs write to their logs."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class NatsUser(Section, frozen=True, kw_only=True):
    """How one role signs in to the broker."""

    user: str
    password: str


NOBODY: Final = NatsUser(user="", password="")


class NatsSettings(Section, frozen=True, kw_only=True):
    """The broker: `url` empty means the embedded one, which the other keys describe."""

    url: str = ""
    host: str = "127.0.0.1"
    port: Port = 0
    max_payload_bytes: Bytes = 8 * MIB
    max_file_store_bytes: Bytes = 1024 * GIB
    max_memory_store_bytes: Bytes = 64 * GIB
    sync_interval_s: SecondsOrZero = 120.0
    connect_timeout_s: Seconds = 10.0
    users: dict[Role, NatsUser] = {}


class GatewaySettings(Section, frozen=True, kw_only=True):
    """The HTTP side."""

    host: str = "127.0.0.1"
    port: Port = 8080
    count: Count = 1
    domain: str = ""
    public_url: str = ""
    max_request_bytes: Bytes = LARGEST_BODY_BYTES
    inline_request_bytes: Bytes = INLINE_BODY_BYTES
    cors_origins: list[str] = []
    access_log: bool = True
    drain_timeout_s: SecondsOrZero = 30.0
    queued_timeout_s: SecondsOfADay = 3600.0
    webhook_hosts: list[str] = []
    webhook_timeout_s: Seconds = 10.0
    webhook_attempts: Attempts = 12
    result_ttl_s: SecondsOfAMonth = 86_400.0


class ScalerSettings(Section, frozen=True, kw_only=True):
    """The scaler and the management service; host and port are those of its metrics.

    `prometheus_url` is asked for what deployments scale by, every `prometheus_interval_s`.
    `instance_types` is a file laid over the packaged one. `limits`: whether instances are held to
    their type; `cgroup` a folder delegated to the mesh, empty: look for one.
    """

    host: str = "127.0.0.1"
    port: Port = 8081
    restart_min_s: Seconds = 0.5
    restart_max_s: Seconds = 30.0
    prometheus_url: str = ""
    prometheus_interval_s: Seconds = 15.0
    instance_types: str = ""
    limits: Limits = "warn"
    cgroup: str = ""


class FamilyQuota(Section, frozen=True, kw_only=True):
    """The cores a family of instance types may use, and how many it may borrow beside them."""

    cores: Cores
    borrow_cores: Cores = 0.0


class QuotaSettings(Section, frozen=True, kw_only=True):
    """How many cores deployments may use; families that are not named have no limit."""

    families: dict[str, FamilyQuota] = {}
    shared_cores: Cores = 0.0


class WorkerSettings(Section, frozen=True, kw_only=True):
    """The workers; host and port are those of their metrics, a taken port becomes a free one.

    `spares` are started ahead of need while a deployment follows its load.
    `triton_server` is a program and `triton_backends` its folder of backends; empty: look for them.
    """

    host: str = "127.0.0.1"
    port: Port = 0
    drain_timeout_s: SecondsOrZero = 30.0
    max_answer_bytes: Bytes = LARGEST_BODY_BYTES
    triton_server: str = ""
    triton_backends: str = ""
    spares: Count = 1


class SupervisorSettings(Section, frozen=True, kw_only=True):
    """How `mesh up` keeps its programs alive."""

    start_timeout_s: Seconds = 30.0
    stop_timeout_s: Seconds = 60.0
    restart_min_s: Seconds = 0.2
    restart_max_s: Seconds = 10.0
    restart_reset_s: Seconds = 30.0


class BrokerAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is, who we are there, and what our reply inboxes start with."""

    url: str
    user: str = ""
    password: str = ""
    inbox_prefix: str = "_INBOX"

    @classmethod
    def of(cls, url: str, who: NatsUser, role: Role) -> BrokerAccess:
        """Return how `who`, in this role, reaches the broker at `url`."""
        return cls(url=url, user=who.user, password=who.password, inbox_prefix=inbox_prefix(role))


class Settings(Section, frozen=True, kw_only=True):
    """Everything an operator may choose."""

    state_dir: str = ""
    log: LogSettings = LogSettings()
    nats: NatsSettings = NatsSettings()
    gateway: GatewaySettings = GatewaySettings()
    scaler: ScalerSettings = ScalerSettings()
    quota: QuotaSettings = QuotaSettings()
    worker: WorkerSettings = WorkerSettings()
    supervisor: SupervisorSettings = SupervisorSettings()

    def access(self, role: Role) -> BrokerAccess:
        """Return how a program of `role` reaches the broker."""
        return BrokerAccess.of(self.nats.url, self.nats.users.get(role, NOBODY), role)

    def to_json(self) -> bytes:
        """Return the whole value as JSON, passwords included."""
        return msgspec.json.format(msgspec.json.encode(self))

    @classmethod
    def from_json(cls, data: bytes, source: str = "settings") -> Settings:
        """Read what `to_json` wrote.

        Raises:
            SpecError: it is not that, or of another version of the program.
        """
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.MsgspecError as exc:
            raise SpecError(f"{source}: {exc}") from exc


def inbox_prefix(role: Role) -> str:
    """Return what the reply inboxes of `role` start with; no other role may listen there."""
    return f"_INBOX_{role}"


def producer_inbox(name: str) -> str:
    """Return what the reply inboxes of the producer of this name start with."""
    return f"{PRODUCER_INBOXES}.{name}"


def read_settings(path: Path | str) -> Settings:
    """Read the resolved settings a program was started with.

    Raises:
        SpecError: there is no such file, or it does not hold settings.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as exc:
        raise SpecError(f"{path}: {exc.strerror or exc}") from exc
    return Settings.from_json(data, source=str(path))


def default_file() -> Path:
    """Return the file with every default: beside the package once installed, else in the tree."""
    here = Path(__file__).resolve().parent
    packaged = here / "configs" / "mesh.yaml"
    return packaged if packaged.exists() else here.parent / "configs" / "mesh.yaml"


def load_settings(
    config: Path | str | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Resolve the settings from all layers.

    Args:
        config: a YAML file of one's own; `MESH_CONFIG` names one too.
        flags: values by dotted key, such as `{"gateway.port": 8090}`; None means not given.
        environ: the environment, by default the process's own.

    Raises:
        SpecError: a file, a variable or a flag has a key or a value that is not right.
    """
    env = os.environ if environ is None else environ
    own = config or env.get("MESH_CONFIG")
    found: layers.Values = {}
    for path in (default_file(), *([Path(own)] if own else [])):
        found |= layers.from_tree(_read_yaml(path), Settings, source=str(path))
    found |= layers.from_environ(env, Settings)
    found |= layers.from_flags(flags or {}, Settings)
    settings = msgspec.convert(layers.to_tree(found), Settings)
    return msgspec.structs.replace(settings, state_dir=str(state_dir(settings.state_dir)))


def state_dir(chosen: str = "") -> Path:
    """Return the absolute state folder: the one chosen, else the platform's own place for it."""
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_state_path("serving-mesh")
    return folder.resolve()


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except OSError as exc:
        raise SpecError(f"{path}: {exc.strerror or exc}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SpecError(f"{path}: not YAML: {' '.join(str(exc).split())}") from exc
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SpecError(f"{path}: expected sections with keys, got {type(tree).__name__}")
    return tree
