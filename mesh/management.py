"""The management SDK: everything the `mesh` command can do, for Python programs.

    async with await Management.open() as mesh:
        await mesh.create_endpoint(load_endpoint("endpoint.yml").spec)
        async with mesh.watch("iris", "blue") as watch:
            view = await mesh.create_deployment(load_deployment("blue.yml").spec, all_traffic=True)
            view = await watch.settled(view.generation)

It asks the management service over NATS and never touches desired state itself. Ring: adapter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, Self

from mesh import api, subjects
from mesh.access import sign_in
from mesh.api import (
    Credentials,
    DeploymentView,
    EndpointView,
    KeyType,
    ScaleChange,
    StatusView,
)
from mesh.bus import Bus
from mesh.capacity import Capacity
from mesh.connect import broker_access
from mesh.console import ConsoleLine, LogQuery, read_console
from mesh.errors import ConflictError
from mesh.folders import Folders, OnUpload, store_folders
from mesh.generations import Generations
from mesh.letters import DeadLetters
from mesh.requests import Requests
from mesh.scales import Scales
from mesh.spec.deployment import DeploymentSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.verbs import Verbs
from mesh.watch import DeploymentWatch, Watch

__all__ = [
    "ConsoleLine",
    "Credentials",
    "DeploymentView",
    "DeploymentWatch",
    "EndpointView",
    "Folders",
    "KeyType",
    "LogQuery",
    "Management",
    "OnUpload",
    "ScaleChange",
    "StatusView",
    "Watch",
]

VERB_TIMEOUT_S: Final = 30.0


class Management:
    """A connection to the management service. Every method may raise `BusError` and its kin."""

    def __init__(self, bus: Bus, *, timeout_s: float = VERB_TIMEOUT_S) -> None:
        """Use a connection that is open already.

        Args:
            bus: a connection with the admin role.
            timeout_s: seconds a verb may take.
        """
        self._bus = bus
        self._verbs = Verbs(bus, timeout_s)
        self.generations = Generations(bus, self._verbs)
        self.dead_letters = DeadLetters(bus, self._verbs)
        self.requests = Requests(bus, self._verbs)
        self.scaling = Scales(bus, self._verbs)
        self.capacity = Capacity(self._verbs)

    def __repr__(self) -> str:
        return f"<Management {self._bus!r}>"

    @classmethod
    async def open(
        cls,
        *,
        state_dir: str | Path | None = None,
        nats_url: str | None = None,
        connect_timeout_s: float = 5.0,
    ) -> Self:
        """Connect to a mesh.

        Args:
            state_dir: the state folder of a mesh on this machine; None for the usual one.
            nats_url: the broker of a mesh elsewhere, credentials included. Wins over the folder.
            connect_timeout_s: seconds to wait for the broker.

        Raises:
            BusError: no mesh runs there.
        """
        access = broker_access(state_dir, nats_url)
        return cls(await sign_in(access, "mesh-management", connect_timeout_s))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect. Harmless twice."""
        await self._bus.close()

    # ------------------------------------------------------------------------------- endpoints

    async def create_endpoint(self, spec: EndpointSpec) -> EndpointView:
        """Create an endpoint.

        Raises:
            ConflictError: it exists.
            SpecError: the service refuses the spec.
        """
        return await self._verbs.call("endpoint.create", api.EndpointPut(spec=spec), EndpointView)

    async def update_endpoint(
        self, spec: EndpointSpec, *, revision: int | None = None
    ) -> EndpointView:
        """Replace an endpoint's spec; returns when every gateway acts on it.

        Args:
            spec: the whole spec; its traffic is the new split.
            revision: that of the view the spec was made from, to notice a change in between.

        Raises:
            NotFoundError: there is no such endpoint.
            ConflictError: it was changed since `revision`.
        """
        put = api.EndpointPut(spec=spec, revision=revision)
        return await self._verbs.call("endpoint.update", put, EndpointView)

    async def get_endpoint(self, name: str) -> EndpointView:
        """Return an endpoint.

        Raises:
            NotFoundError: there is no such endpoint.
        """
        return await self._verbs.call("endpoint.get", api.Name(name=name), EndpointView)

    async def list_endpoints(self) -> list[EndpointView]:
        """Return all endpoints."""
        return await self._verbs.call("endpoint.list", api.Nothing(), list[EndpointView])

    async def delete_endpoint(self, name: str) -> None:
        """Delete an endpoint and all its deployments.

        Raises:
            NotFoundError: there is no such endpoint.
        """
        await self._verbs.call("endpoint.delete", api.Name(name=name), Any)

    async def get_credentials(self, name: str) -> Credentials:
        """Return an endpoint's keys."""
        return await self._verbs.call("endpoint.credentials", api.Name(name=name), Credentials)

    async def regenerate_keys(
        self, name: str, key_type: KeyType = "primary", key_value: str | None = None
    ) -> Credentials:
        """Replace one key, by `key_value` or by a random one; the other keeps working."""
        request = api.RegenerateKeys(name=name, key_type=key_type, key_value=key_value)
        return await self._verbs.call("endpoint.regenerate_keys", request, Credentials)

    def watch_endpoint(self, name: str) -> AbstractAsyncContextManager[Watch[EndpointView]]:
        """Watch an endpoint; enter it before the change whose end it is to wait for."""
        return Watch.open(
            self._bus, subjects.event(name), lambda: self.get_endpoint(name), f"endpoint '{name}'"
        )

    # ----------------------------------------------------------------------------- deployments

    async def create_deployment(
        self,
        spec: DeploymentSpec,
        *,
        all_traffic: bool = False,
        on_upload: OnUpload | None = None,
    ) -> DeploymentView:
        """Store the code and model folders and create the deployment; does not wait for it.

        Args:
            spec: the spec; its paths must exist on this machine.
            all_traffic: give it all of the endpoint's requests once it is ready.
            on_upload: called while a folder is sent, for progress.

        Raises:
            ConflictError: it exists.
            NotFoundError: there is no such endpoint.
            SpecError: a folder cannot be read, or the service refuses the spec.
        """
        owner = await self.get_endpoint(spec.endpoint_name)
        if spec.name in owner.deployments:  # said before a large model is sent
            raise ConflictError(
                f"deployment '{spec.name}' of endpoint '{owner.name}' exists already: "
                "update it, or delete it first"
            )
        stored = await store_folders(self._bus, spec, on_upload=on_upload)
        put = api.DeploymentPut(
            spec=spec, code=stored.code, model=stored.model, all_traffic=all_traffic
        )
        return await self._verbs.call("deployment.create", put, DeploymentView)

    async def update_deployment(
        self,
        spec: DeploymentSpec,
        *,
        keep: Folders | None = None,
        revision: int | None = None,
        on_upload: OnUpload | None = None,
    ) -> DeploymentView:
        """Replace a deployment's spec; the old generation serves until the new one is ready.

        Args:
            spec: the whole spec.
            keep: stored folders to keep; what is missing is stored from where the spec says.
            revision: that of the view the spec was made from, to notice a change in between.
            on_upload: called while a folder is sent, for progress.

        Raises:
            NotFoundError: there is no such deployment.
            ConflictError: it was changed since `revision`.
        """
        stored = await store_folders(self._bus, spec, keep, on_upload)
        put = api.DeploymentPut(spec=spec, code=stored.code, model=stored.model, revision=revision)
        return await self._verbs.call("deployment.update", put, DeploymentView)

    async def get_deployment(self, endpoint: str, name: str) -> DeploymentView:
        """Return a deployment.

        Raises:
            NotFoundError: there is no such deployment.
        """
        request = api.DeploymentName(endpoint=endpoint, name=name)
        return await self._verbs.call("deployment.get", request, DeploymentView)

    async def list_deployments(self, endpoint: str | None = None) -> list[DeploymentView]:
        """Return the deployments of an endpoint, or of all of them."""
        request = api.DeploymentList(endpoint=endpoint)
        return await self._verbs.call("deployment.list", request, list[DeploymentView])

    async def delete_deployment(self, endpoint: str, name: str) -> None:
        """Delete a deployment, which must not have traffic; does not wait for its drain.

        Raises:
            NotFoundError: there is no such deployment.
            ConflictError: it has live or mirrored traffic.
        """
        await self._verbs.call(
            "deployment.delete", api.DeploymentName(endpoint=endpoint, name=name), Any
        )

    async def scale_deployment(
        self, endpoint: str, name: str, instance_count: int
    ) -> DeploymentView:
        """Change the number of instances; does not wait for it.

        Raises:
            NotFoundError: there is no such deployment.
            ConflictError: its number follows the load, and that is not paused.
        """
        request = api.Scale(endpoint=endpoint, name=name, instance_count=instance_count)
        return await self._verbs.call("deployment.scale", request, DeploymentView)

    def watch(self, endpoint: str, name: str) -> AbstractAsyncContextManager[DeploymentWatch]:
        """Watch a deployment; enter it before the change whose end it is to wait for."""
        return DeploymentWatch.open(
            self._bus,
            subjects.event(endpoint, name),
            lambda: self.get_deployment(endpoint, name),
            f"deployment '{name}' of endpoint '{endpoint}'",
        )

    def logs(self, query: LogQuery) -> AsyncGenerator[ConsoleLine]:
        """Yield console lines of a deployment's instances, oldest first."""
        return read_console(self._bus, query)

    # ---------------------------------------------------------------------------------- the rest

    async def status(self) -> StatusView:
        """Return the whole mesh at a glance."""
        return await self._verbs.call("status", api.Nothing(), StatusView)
