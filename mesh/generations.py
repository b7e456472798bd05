"""The generations of deployments: what they were, and going back to them. Ring: adapter."""

from __future__ import annotations

from mesh import api
from mesh.api import DeploymentView
from mesh.bus import Bus
from mesh.folders import Folders, OnUpload, store_folders
from mesh.generation_api import GenerationView, Rollback
from mesh.spec.deployment import DeploymentSpec
from mesh.verbs import Verbs


class Generations:
    """What was put in place before, of any deployment."""

    def __init__(self, bus: Bus, verbs: Verbs) -> None:
        self._bus = bus
        self._verbs = verbs

    def __repr__(self) -> str:
        return f"<Generations {self._bus!r}>"

    async def history(self, endpoint: str, name: str) -> list[GenerationView]:
        """Return the last ten generations of a deployment, oldest first.

        Raises:
            NotFoundError: there is no such deployment.
        """
        request = api.DeploymentName(endpoint=endpoint, name=name)
        return await self._verbs.call("deployment.history", request, list[GenerationView])

    async def rollback(
        self,
        endpoint: str,
        name: str,
        to: int | None = None,
        *,
        max_surge: int | str | None = None,
        max_unavailable: int | str | None = None,
    ) -> DeploymentView:
        """Make a new generation with the spec, code and model of an earlier one.

        The count and how it is chosen stay as they are. Does not wait for it.

        Args:
            endpoint: the endpoint.
            name: the deployment.
            to: which one; None for the one that serves if that is not the newest, else for the last
                one before it that has not failed.
            max_surge: in the place of `mesh.rollout.max_surge`.
            max_unavailable: in the place of `mesh.rollout.max_unavailable`.

        Raises:
            NotFoundError: there is no such deployment or generation.
            ConflictError: there is nothing to go back to.
        """
        request = Rollback(
            endpoint=endpoint,
            name=name,
            to=to,
            max_surge=max_surge,
            max_unavailable=max_unavailable,
        )
        return await self._verbs.call("deployment.rollback", request, DeploymentView)

    async def store(
        self, spec: DeploymentSpec, keep: Folders | None = None, on_upload: OnUpload | None = None
    ) -> Folders:
        """Store the folders that a spec names, as an update would, without putting it in place.

        Raises:
            SpecError: a folder cannot be read.
        """
        return await store_folders(self._bus, spec, keep, on_upload)
