"""The schemas, the key tables and the support table follow the structs."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from mesh.spec.check import members
from mesh.spec.deployment import DeploymentSpec, MeshOptions, QueueOptions, RequestSettings
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.reference import keys_of
from mesh.spec.schema import deployment_schema, endpoint_schema, main, stale
from mesh.spec.support import DEPLOYMENT, ENDPOINT, support_of
from mesh.spec.violation import path_text

TABLES = [
    pytest.param(EndpointSpec, ENDPOINT, id="endpoint"),
    pytest.param(DeploymentSpec, DEPLOYMENT, id="deployment"),
]


def test_the_generated_files_are_current():
    """Whoever changes a struct runs `make schema`."""
    assert stale() == []
    assert main(["--check"]) == 0
    assert main([]) == 0


@pytest.mark.parametrize(("spec", "table"), TABLES)
def test_every_key_is_acted_on_kept_or_warned_about(spec, table):
    """No key can be added to a struct without a line in the support table."""
    uncovered = [
        path_text(key.path)
        for key in keys_of(spec)
        if support_of(table, key.path) is None
        and not any(isinstance(kind, inspect.StructType) for kind in members(key.field.type))
    ]

    assert uncovered == []


@pytest.mark.parametrize(("spec", "table"), TABLES)
def test_the_support_table_names_only_keys_that_exist(spec, table):
    """A key that is gone from the structs goes from the table."""
    known = {".".join(str(part) for part in key.path) for key in keys_of(spec)}

    assert set(table) <= known


@pytest.mark.parametrize("schema", [endpoint_schema(), deployment_schema()], ids=["ep", "dep"])
def test_a_schema_describes_every_key_and_refuses_others(schema):
    """An editor shows a text at each key and marks keys that are not there."""
    assert schema["additionalProperties"] is False
    assert all(entry["description"] for entry in schema["properties"].values())
    assert "$schema" in schema["properties"]


names = st.from_regex(r"[a-z][a-z0-9]{2,8}", fullmatch=True)
specs = st.builds(
    DeploymentSpec,
    name=names,
    endpoint_name=names,
    kind=st.sampled_from(["managed", "kubernetes"]),
    tags=st.dictionaries(st.text(), st.text(), max_size=2),
    instance_count=st.integers(1, 50),
    request_settings=st.builds(RequestSettings, request_timeout_ms=st.integers(1, 180_000)),
    mesh=st.builds(MeshOptions, queue=st.builds(QueueOptions, max_messages=st.integers(1, 10**9))),
)


@given(specs)
def test_a_spec_survives_the_wire(spec: DeploymentSpec):
    """What the store holds is read back as it was."""
    assert msgspec.json.decode(msgspec.json.encode(spec), type=DeploymentSpec) == spec
