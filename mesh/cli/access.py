"""`mesh endpoint invoke | get-credentials | regenerate-keys`: calling it, and what opens it."""

from __future__ import annotations

import http
import json
from pathlib import Path

import click

from mesh.api import Credentials, EndpointView
from mesh.cli.options import Options, common_options
from mesh.cli.output import show
from mesh.cli.session import alone, with_mesh
from mesh.cli.views import fields
from mesh.client import Answer, Client
from mesh.errors import BusError, MeshError, NotFoundError, SpecError
from mesh.management import KeyType, Management

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
    """Send a request, print the answer's body."""
    body = read_body(request_file)

    async def look(mesh: Management) -> tuple[EndpointView, Credentials]:
        return await mesh.get_endpoint(name), await mesh.get_credentials(name)

    view, keys = with_mesh(options, look)
    refuse_unknown(view, deployment_name)
    key = keys.primary_key if key_type == "primary" else keys.secondary_key
    print_body(alone(call(view, key, body, deployment_name)))


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


async def call(view: EndpointView, key: str, body: bytes, deployment: str | None) -> Answer:
    """Ask a gateway.

    Raises:
        BusError: the gateway cannot be reached or did not answer.
        MeshError: the answer is an error.
    """
    url = view.scoring_uri.removesuffix(f"/endpoints/{view.name}/score")
    async with await Client.connect(url, key=key) as client:
        try:
            return await client.invoke(view.name, body, deployment=deployment)
        except MeshError as exc:
            answer = exc.context.get("answer")
            if not isinstance(answer, Answer):
                raise
            raise MeshError(error_text(answer)) from exc


def error_text(answer: Answer) -> str:
    """What went wrong: status, message, and the model's own reason if there is one."""
    text = answer.body.decode(errors="replace").strip()
    try:
        told = json.loads(answer.body)
    except ValueError:
        told = None
    if isinstance(told, dict):
        inner = told["error"] if isinstance(told.get("error"), dict) else told
        text = str(inner.get("message") or text)
    reason = answer.headers.get("ms-azureml-model-error-reason", "")
    more = f" ({reason})" if reason and reason not in text else ""
    phrase = next((one.phrase for one in http.HTTPStatus if one == answer.status), "")
    return f"{f'{answer.status} {phrase}'.rstrip()}: {text}{more}"


def print_body(answer: Answer) -> None:
    """Print a body as it came; text ends its line."""
    kind = answer.content_type.partition(";")[0]
    is_text = kind.startswith("text/") or kind in ("", "application/json")
    click.echo(answer.body, nl=is_text and not answer.body.endswith(b"\n"))


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
    """Replace a key; the other one keeps working."""
    keys = with_mesh(options, lambda mesh: mesh.regenerate_keys(name, key_type, key_value))
    show(keys, options, lambda: fields(_rows(keys)))


def _rows(keys: Credentials) -> list[tuple[str, str]]:
    return [
        ("Primary key", keys.primary_key),
        ("Secondary key", keys.secondary_key),
        ("Webhook secret", keys.webhook_secret),
    ]
