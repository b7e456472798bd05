"""`mesh endpoint invoke | get-credentials | regenerate-keys`: calling it, and what opens it."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import httpx

from mesh.api import Credentials, EndpointView
from mesh.cli.options import Options, common_options
from mesh.cli.output import show
from mesh.cli.session import with_mesh
from mesh.cli.views import fields
from mesh.errors import BusError, MeshError, NotFoundError, SpecError
from mesh.management import KeyType, Management

DEPLOYMENT_HEADER = "azureml-model-deployment"
CLIENT_TIMEOUT_S = 310.0  # the longest request an endpoint allows, and a little

NAME = click.option("-n", "--name", required=True, help="The endpoint.")
KEY_TYPE = click.option(
    "--key-type",
    type=click.Choice(["primary", "secondary"], case_sensitive=False),
    default="primary",
    show_default=True,
    help="Which key.",
)


@click.command()
@NAME
@click.option(
    "-r",
    "--request-file",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="File with the request's body, - for standard input.",
)
@click.option("--deployment-name", help="Ask this deployment, whatever the split.")
@KEY_TYPE
@common_options
def invoke(
    options: Options,
    name: str,
    request_file: Path,
    deployment_name: str | None,
    key_type: KeyType,
) -> None:
    """Send a request to an endpoint and print the answer's body."""
    body = read_body(request_file)

    async def look(mesh: Management) -> tuple[EndpointView, Credentials]:
        return await mesh.get_endpoint(name), await mesh.get_credentials(name)

    view, keys = with_mesh(options, look)
    refuse_unknown(view, deployment_name)
    key = keys.primary_key if key_type == "primary" else keys.secondary_key
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    if deployment_name is not None:
        headers[DEPLOYMENT_HEADER] = deployment_name
    answer = post(view.scoring_uri, body, headers)
    if not answer.is_success:
        raise MeshError(f"{answer.status_code} {answer.reason_phrase}: {answer_text(answer)}")
    click.echo(answer.content, nl=sys.stdout.isatty())


def read_body(path: Path) -> bytes:
    """Read a request's body.

    Raises:
        SpecError: the file cannot be read.
    """
    try:
        with click.open_file(str(path), "rb") as file:
            body: bytes = file.read()
    except OSError as exc:
        raise SpecError(f"--request-file {path}: {exc.strerror or exc}") from exc
    return body


def refuse_unknown(view: EndpointView, deployment: str | None) -> None:
    """Refuse a call that leads nowhere, before it is made.

    Raises:
        NotFoundError: the endpoint has no deployment of that name.
        BusError: no gateway is running.
    """
    if deployment is not None and deployment not in view.deployments:
        known = ", ".join(view.deployments) or "none"
        raise NotFoundError(
            f"--deployment-name {deployment}: endpoint '{view.name}' has no such deployment "
            f"(it has: {known})"
        )
    if not view.scoring_uri:
        raise BusError(f"endpoint '{view.name}' has no scoring URI: no gateway is running")


def post(url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """Post to a gateway.

    Raises:
        BusError: the gateway cannot be reached or did not answer.
    """
    try:
        return httpx.post(
            url, content=body, headers=headers, timeout=CLIENT_TIMEOUT_S, trust_env=False
        )
    except httpx.HTTPError as exc:
        raise BusError(f"{url}: {str(exc) or type(exc).__name__}") from exc


def answer_text(answer: httpx.Response) -> str:
    """What an answer says went wrong: its message, and the model's own reason if there is one."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    message = body.get("message") if isinstance(body, dict) else None
    text = str(message or answer.text).strip()
    reason = answer.headers.get("ms-azureml-model-error-reason", "")
    return f"{text} ({reason})" if reason and reason not in text else text


@click.command("get-credentials")
@NAME
@common_options
def get_credentials(options: Options, name: str) -> None:
    """Show an endpoint's keys."""
    keys = with_mesh(options, lambda mesh: mesh.get_credentials(name))
    show(keys, options, lambda: fields(_rows(keys)))


@click.command("regenerate-keys")
@NAME
@KEY_TYPE
@click.option("--key-value", help="The new key; a random one by default.")
@common_options
def regenerate_keys(options: Options, name: str, key_type: KeyType, key_value: str | None) -> None:
    """Replace one of an endpoint's keys; the other one keeps working."""
    keys = with_mesh(options, lambda mesh: mesh.regenerate_keys(name, key_type, key_value))
    show(keys, options, lambda: fields(_rows(keys)))


def _rows(keys: Credentials) -> list[tuple[str, str]]:
    return [("Primary key", keys.primary_key), ("Secondary key", keys.secondary_key)]
