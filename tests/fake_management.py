"""A management service that keeps its records in memory and does as the test says."""

import asyncio

import msgspec
from msgspec.structs import replace

from mesh import api, streams, subjects, topology, wire
from mesh.api import Answer, Credentials, DeploymentView, EndpointView, Failure, StatusView
from mesh.bus import Bus
from mesh.errors import ConflictError, MeshError, NotFoundError
from mesh.generation_api import GenerationView, Rollback
from mesh.spec.deployment import DeploymentSpec

URI = "http://127.0.0.1:9/endpoints/{}/score"


class FakeManagement:
    """Answers the verbs over real NATS. `outcomes`: what becomes of each change, in order.

    An outcome is a list of (state, reason) through which the deployment goes; Succeeded by itself
    if there is none left. `warnings` come with the answer to a change, and with no later view.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.asked: list[str] = []
        self.outcomes: list[list[tuple[str, str]]] = []
        self.warnings: list[str] = []
        self.endpoints: dict[str, EndpointView] = {}
        self.deployments: dict[tuple[str, str], DeploymentView] = {}
        self.generations: list[GenerationView] = []
        self.uri = URI
        self.revision = 0
        self.keys = Credentials(primary_key="first", secondary_key="second")
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> "FakeManagement":
        """Make what the SDK uses on the broker, and answer from now on."""
        for config in (topology.artifacts(), *topology.shared_streams()):
            await streams.ensure_stream(self.bus, config)
        self._subscription = await self.bus.subscribe("mesh.api.>", self._on_message)
        await self.bus.flush()
        return self

    async def close(self) -> None:
        """Answer no more."""
        await self._subscription.unsubscribe()
        for task in self._tasks:
            task.cancel()

    async def _on_message(self, message) -> None:
        verb = message.subject.removeprefix("mesh.api.")
        self.asked.append(verb)
        try:
            result = getattr(self, verb.replace(".", "_"))(message.data)
            answer = Answer(result=msgspec.Raw(msgspec.json.encode(result)))
        except MeshError as exc:
            answer = Answer(error=Failure(code=exc.code, message=str(exc)))
        await self.bus.publish(message.reply, msgspec.json.encode(answer))

    def _endpoint(self, name: str) -> EndpointView:
        if name not in self.endpoints:
            raise NotFoundError(f"endpoint '{name}' does not exist")
        names = [deployment for endpoint, deployment in self.deployments if endpoint == name]
        return replace(self.endpoints[name], deployments=names, scoring_uri=self.uri.format(name))

    def _put_endpoint(self, put: api.EndpointPut) -> EndpointView:
        self.revision += 1
        spec = put.spec
        self.endpoints[spec.name] = EndpointView(
            name=spec.name,
            kind=spec.kind,
            auth_mode=spec.auth_mode,
            provisioning_state="Succeeded",
            traffic=spec.traffic,
            mirror_traffic=spec.mirror_traffic,
            description=spec.description or "",
            spec=msgspec.to_builtins(spec),
            revision=self.revision,
        )
        return self._endpoint(spec.name)

    def endpoint_create(self, data: bytes) -> EndpointView:
        put = msgspec.json.decode(data, type=api.EndpointPut)
        if put.spec.name in self.endpoints:
            raise ConflictError(f"endpoint '{put.spec.name}' exists already")
        return self._put_endpoint(put)

    def endpoint_update(self, data: bytes) -> EndpointView:
        put = msgspec.json.decode(data, type=api.EndpointPut)
        if put.revision != self._endpoint(put.spec.name).revision:
            raise ConflictError(f"endpoint '{put.spec.name}' was changed meanwhile")
        return self._put_endpoint(put)

    def endpoint_get(self, data: bytes) -> EndpointView:
        return self._endpoint(msgspec.json.decode(data, type=api.Name).name)

    def endpoint_list(self, _: bytes) -> list[EndpointView]:
        return [self._endpoint(name) for name in self.endpoints]

    def endpoint_delete(self, data: bytes) -> None:
        del self.endpoints[self.endpoint_get(data).name]

    def endpoint_credentials(self, data: bytes) -> Credentials:
        self.endpoint_get(data)
        return self.keys

    def endpoint_regenerate_keys(self, data: bytes) -> Credentials:
        request = msgspec.json.decode(data, type=api.RegenerateKeys)
        value = request.key_value or "random"
        self.keys = replace(self.keys, **{f"{request.key_type}_key": value})
        return self.keys

    def _deployment(self, endpoint: str, name: str) -> DeploymentView:
        if (endpoint, name) not in self.deployments:
            raise NotFoundError(f"deployment '{name}' of endpoint '{endpoint}' does not exist")
        return self.deployments[endpoint, name]

    def _put_deployment(self, put: api.DeploymentPut, generation: int, state: str):
        self.revision += 1
        spec = put.spec
        key = spec.endpoint_name, spec.name
        self.deployments[key] = DeploymentView(
            name=spec.name,
            endpoint_name=spec.endpoint_name,
            provisioning_state=state,
            generation=generation,
            serving_generation=generation - 1,
            instance_count=spec.instance_count,
            traffic=100 if put.all_traffic else 0,
            spec=msgspec.to_builtins(spec),
            revision=self.revision,
            code=put.code,
            model=put.model,
        )
        view = GenerationView(
            generation=generation,
            at_s=1.0,
            change="created",
            state="serving",
            spec=msgspec.to_builtins(spec),
            code=put.code,
            model=put.model,
        )
        self.generations.append(view)
        self._go_on(key)
        return replace(self.deployments[key], warnings=self.warnings)

    def _go_on(self, key: tuple[str, str]) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else [("Succeeded", "")]
        task = asyncio.create_task(self._go(key, outcome))
        self._tasks.add(task)

    async def _go(self, key: tuple[str, str], outcome: list[tuple[str, str]]) -> None:
        for state, reason in outcome:
            await self.bus.flush()  # so that each state is seen by itself
            view = self.deployments[key]
            ready = view.instance_count if state == "Succeeded" else 0
            changes = {"provisioning_state": state, "reason": reason, "ready_instances": ready}
            self.deployments[key] = replace(view, **changes)
            event = wire.Event(endpoint=key[0], deployment=key[1], name="StateChanged")
            await self.bus.publish(subjects.event(*key), wire.encode(event))

    def deployment_create(self, data: bytes) -> DeploymentView:
        put = msgspec.json.decode(data, type=api.DeploymentPut)
        self._endpoint(put.spec.endpoint_name)
        if (put.spec.endpoint_name, put.spec.name) in self.deployments:
            raise ConflictError(f"deployment '{put.spec.name}' exists already")
        return self._put_deployment(put, 1, "Creating")

    def deployment_update(self, data: bytes) -> DeploymentView:
        put = msgspec.json.decode(data, type=api.DeploymentPut)
        current = self._deployment(put.spec.endpoint_name, put.spec.name)
        if put.revision not in (None, current.revision):
            raise ConflictError(f"deployment '{put.spec.name}' was changed meanwhile")
        return self._put_deployment(put, current.generation + 1, "Updating")

    def deployment_history(self, data: bytes) -> list[GenerationView]:
        self.deployment_get(data)
        return self.generations

    def deployment_rollback(self, data: bytes) -> DeploymentView:
        self.rollback = msgspec.json.decode(data, type=Rollback)
        current = self._deployment(self.rollback.endpoint, self.rollback.name)
        spec = msgspec.convert(self.generations[0].spec, DeploymentSpec)
        put = api.DeploymentPut(spec=spec)
        return self._put_deployment(put, current.generation + 1, "Updating")

    def deployment_get(self, data: bytes) -> DeploymentView:
        request = msgspec.json.decode(data, type=api.DeploymentName)
        return self._deployment(request.endpoint, request.name)

    def deployment_list(self, data: bytes) -> list[DeploymentView]:
        wanted = msgspec.json.decode(data, type=api.DeploymentList).endpoint
        return [v for (endpoint, _), v in self.deployments.items() if wanted in (None, endpoint)]

    def deployment_delete(self, data: bytes) -> None:
        view = self.deployment_get(data)
        del self.deployments[view.endpoint_name, view.name]

    def deployment_scale(self, data: bytes) -> DeploymentView:
        request = msgspec.json.decode(data, type=api.Scale)
        key = request.endpoint, request.name
        changes = {"instance_count": request.instance_count, "provisioning_state": "Scaling"}
        self.deployments[key] = replace(self._deployment(*key), **changes)
        self._go_on(key)
        return self.deployments[key]

    def status(self, data: bytes) -> StatusView:
        deployments = list(self.deployments.values())
        return StatusView(
            revision=self.revision,
            gateways=[],
            endpoints=self.endpoint_list(data),
            deployments=deployments,
        )
