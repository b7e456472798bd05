"""YAML files become specs, or one line for each thing that is wrong."""

from pathlib import Path

import msgspec
import pytest

from mesh.errors import SpecError
from mesh.spec.deployment import CodeConfiguration, DeploymentSpec, MeshOptions, ModelSpec
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.load import (
    deployment_from_values,
    endpoint_from_values,
    load_deployment,
    load_endpoint,
)

BLUE = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: iris
model:
  path: model
code_configuration:
  code: ./src
  scoring_script: score.py
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model and a script, as `BLUE` names them."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").touch()
    (tmp_path / "model").touch()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "file.yml"
    path.write_text(text)
    return path


def refusal(path: Path) -> list[str]:
    """The lines of the refusal of a file, without the file's folder."""
    load = load_deployment if "endpoint_name" in path.read_text() else load_endpoint
    with pytest.raises(SpecError) as refused:
        load(path)
    return [line.replace(f"{path.parent}/", "") for line in str(refused.value).splitlines()]


def test_a_deployment_gets_azures_defaults_and_absolute_paths(folder: Path):
    """What the file leaves out is as Azure has it; paths are relative to the file."""
    loaded = load_deployment(write(folder, BLUE))

    assert loaded.warnings == []
    assert loaded.spec == DeploymentSpec(
        name="blue",
        endpoint_name="iris",
        model=ModelSpec(path=str(folder / "model")),
        code_configuration=CodeConfiguration(code=str(folder / "src"), scoring_script="score.py"),
    )
    assert (loaded.spec.timeout_s, loaded.spec.slots, loaded.spec.worker_count) == (5.0, 1, 1)


def test_an_endpoint_gets_azures_defaults(folder: Path):
    """A name is all that an endpoint needs."""
    loaded = load_endpoint(write(folder, "name: iris\n"))

    assert loaded.spec == EndpointSpec(name="iris", auth_mode="key", traffic={})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("name: iris", "managed", id="nothing"),
        pytest.param("name: iris\ncompute: azureml:k8s", "kubernetes", id="compute"),
        pytest.param("name: iris\ntype: kubernetes", "kubernetes", id="type"),
        pytest.param(
            "name: iris\n$schema: https://x/kubernetesOnlineEndpoint.schema.json",
            "kubernetes",
            id="schema",
        ),
        pytest.param("name: iris\n$schema: ../azureml/ep.json", "managed", id="own-schema"),
    ],
)
def test_the_kind_is_told_as_the_azure_sdk_tells_it(folder: Path, text: str, kind: str):
    """`$schema`, `type` or `compute` makes an endpoint a kubernetes one."""
    assert load_endpoint(write(folder, text)).spec.kind == kind


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("instance_count: x", "'x': must be a whole number", id="type"),
        pytest.param("instance_count: true", "true: must be a whole number", id="bool"),
        pytest.param("instance_count: 51", "51: must be between 1 and 50", id="count"),
        pytest.param("instance_count: 0", "0: must be at least 1", id="low"),
        pytest.param("app_insights_enabled: 1", "1: must be true or false", id="number"),
        pytest.param("resources: {}", "{}: only kubernetes deployments have it", id="kind"),
        pytest.param("tags: 3", "3: must be a mapping", id="mapping"),
        pytest.param("environment: [1]", "a list: must be a mapping or text", id="union"),
        pytest.param(
            "lifeness_probe: {}", "{}: unknown key, did you mean liveness_probe?", id="unknown"
        ),
        pytest.param("zzz: 1", "1: unknown key", id="unlike-any"),
    ],
)
def test_a_broken_rule_is_one_line(folder: Path, line: str, expected: str):
    """It names file, line, key, value and rule."""
    key = line.partition(":")[0]

    assert refusal(write(folder, f"{BLUE}{line}\n")) == [f"file.yml:9: {key}: {expected}"]


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        pytest.param(
            "request_settings:\n  request_timeout_ms: 999999",
            "request_settings.request_timeout_ms",
            "999999: must be between 1 and 180000",
            id="timeout",
        ),
        pytest.param(
            "liveness_probe:\n  success_threshold: 2",
            "liveness_probe.success_threshold",
            "2: must be 1",
            id="liveness",
        ),
        pytest.param(
            "readiness_probe:\n  timeout: 0",
            "readiness_probe.timeout",
            "0: must be at least 1",
            id="probe",
        ),
        pytest.param(
            "environment_variables:\n  WORKER_COUNT: many",
            "environment_variables.WORKER_COUNT",
            "'many': must be a whole number between 1 and 256",
            id="workers",
        ),
        pytest.param(
            "environment_variables:\n  KEY: ${{azureml://connections/c/target}}",
            "environment_variables.KEY",
            "'${{azureml://connections/c/target}}': secret references are not supported yet",
            id="secret",
        ),
        pytest.param(
            "mesh:\n  queue: {storage: ram}",
            "mesh.queue.storage",
            "'ram': must be one of file, memory",
            id="literal",
        ),
        pytest.param(
            "mesh:\n  python: ' '", "mesh.python", "' ': must name an interpreter", id="python"
        ),
        pytest.param(
            "data_collector:\n  request_logging: {capture_headers: [1]}",
            "data_collector.request_logging.capture_headers[0]",
            "1: must be text",
            id="item",
        ),
        pytest.param(
            "data_collector:\n  sampling_rate: .nan",
            "data_collector.sampling_rate",
            ".nan: must be a number",
            id="nan",
        ),
    ],
)
def test_a_broken_rule_inside_a_mapping_names_its_line(
    folder: Path, lines: str, path: str, expected: str
):
    """The line is that of the key itself, not of the mapping it stands in."""
    assert refusal(write(folder, f"{BLUE}{lines}\n")) == [f"file.yml:10: {path}: {expected}"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("name: blue", "name: b-", "file.yml:2: name: 'b-': must be 3-32", id="name"),
        pytest.param("name: blue\n", "", "file.yml:1: name: missing: is required", id="no-name"),
        pytest.param("name: blue", "name:", "file.yml:2: name: missing: is required", id="null"),
        pytest.param(
            "path: model",
            "path: azureml:iris:1",
            "file.yml:5: model.path: 'azureml:iris:1': references are not supported",
            id="model-path",
        ),
        pytest.param(
            "model:\n  path: model",
            "model: azureml:iris:1",
            "file.yml:4: model: 'azureml:iris:1': registered models are not supported",
            id="model",
        ),
        pytest.param(
            "path: model",
            "path: model\n  type: mlflow_model",
            "file.yml:6: model.type: 'mlflow_model': not supported yet",
            id="mlflow",
        ),
        pytest.param(
            "score.py",
            "../score.py",
            "file.yml:8: code_configuration.scoring_script: '../score.py': must be a .py file",
            id="outside",
        ),
        pytest.param(
            "score.py",
            "run.py",
            "file.yml:8: code_configuration.scoring_script: 'run.py': there is no such file",
            id="no-script",
        ),
        pytest.param(
            "name: blue",
            "name: blue\nmesh: {warmup: {file: gone.json}}",
            "file.yml:3: mesh.warmup.file: 'gone.json': there is no such file in src",
            id="no-sample",
        ),
        pytest.param(
            "./src",
            "azureml:src:1",
            "file.yml:7: code_configuration.code: 'azureml:src:1': references are not",
            id="code",
        ),
        pytest.param(
            "./src", "''", "file.yml:7: code_configuration.code: '': must not be", id="empty-code"
        ),
        pytest.param(
            "./src", "gone", "file.yml:7: code_configuration.code: 'gone': there is", id="no-code"
        ),
        pytest.param(
            "./src", "model", "file.yml:7: code_configuration.code: 'model': must be", id="no-dir"
        ),
        pytest.param(
            "path: model", "path: gone", "file.yml:5: model.path: 'gone': there is", id="no-model"
        ),
        pytest.param(
            "path: model", "path: ''", "file.yml:5: model.path: '': must not be empty", id="empty"
        ),
        pytest.param(
            "$schema: https://azureml",
            "$schema: 3 #",
            "file.yml:1: $schema: 3: must be",
            id="schema-type",
        ),
        pytest.param(
            "managedOnlineDeployment",
            "pipelineJob",
            "file.yml:1: $schema: 'https://azuremlschemas.azureedge.net/latest/pipelineJob.schema",
            id="schema",
        ),
    ],
)
def test_a_wrong_deployment_is_refused(folder: Path, old: str, new: str, expected: str):
    """Bad names, references, and files that are not there."""
    (line,) = refusal(write(folder, BLUE.replace(old, new)))

    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("auth_mode: aad_token", "auth_mode: 'aad_token': only key is", id="auth"),
        pytest.param("traffic: {blue: 60}", "traffic: 60: must sum to 0 or 100", id="sum"),
        pytest.param("traffic: {blue: 101}", "traffic.blue: 101: must be between 0", id="over"),
        pytest.param("traffic: {b: 100}", "traffic.b: 100: 'b' is not a deployment", id="name"),
        pytest.param("mirror_traffic: {blue: 51}", "mirror_traffic.blue: 51: must be", id="half"),
        pytest.param(
            "mirror_traffic: {blue: 5, red: 0, green: 5}",
            "mirror_traffic: 'blue, green': at most one deployment",
            id="two-mirrors",
        ),
        pytest.param(
            "{traffic: {blue: 100}, mirror_traffic: {blue: 10}}",
            "mirror_traffic.blue: 10: a deployment gets live or mirrored traffic, not both",
            id="both",
        ),
        pytest.param("type: other", "type: 'other': must be one of kubernetes", id="type"),
        pytest.param("{type: managed, compute: a}", "compute: 'a': only kubernetes", id="compute"),
        pytest.param(
            "{compute: a, public_network_access: Disabled}",
            "public_network_access: 'disabled': only managed endpoints have it",
            id="access",
        ),
        pytest.param("mirror_traffic: {b: 1}", "mirror_traffic.b: 1: 'b' is not a", id="mirror"),
        pytest.param(
            "identity: {user_assigned_identities: 3}",
            "identity.user_assigned_identities: 3: must be a list",
            id="list",
        ),
        pytest.param(
            "{compute: a, mirror_traffic: {blue: 10}}",
            "mirror_traffic: 'blue': kubernetes endpoints do not mirror",
            id="kubernetes",
        ),
    ],
)
def test_a_wrong_endpoint_is_refused(folder: Path, text: str, expected: str):
    """Authentication, split and mirror follow Azure's rules."""
    text = f"{text[:-1]}, name: iris}}" if text.startswith("{") else f"{text}\nname: iris"

    (line,) = refusal(write(folder, text))

    assert line.startswith(f"file.yml:1: {expected}")


def test_everything_that_is_wrong_is_told_at_once(folder: Path):
    """Types, unknown keys and rules together, in the order of the file."""
    text = BLUE.replace("blue", "1") + "instance_count: x\nzzz: 1\nliveness_probe: {period: 0}\n"

    lines = [line.split(":")[1] for line in refusal(write(folder, text))]

    assert lines == ["2", "9", "10", "11"]


def test_words_of_a_closed_set_may_be_spelt_as_azure_spells_them(folder: Path):
    """Case and underscores do not count, as in the examples of Azure ML."""
    endpoint = load_endpoint(write(folder, "name: iris\nauth_mode: Key\ntype: Kubernetes\n"))
    more = "data_collector: {rolling_rate: hour, collections: {request: {enabled: 'true'}}}\n"
    deployment = load_deployment(write(folder, BLUE + more))

    assert (endpoint.spec.auth_mode, endpoint.spec.kind) == ("key", "kubernetes")
    assert deployment.spec.data_collector is not None
    assert deployment.spec.data_collector.collections["request"].enabled == "True"


KUBERNETES = """\
$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
name: green
type: kubernetes
endpoint_name: my-endpoint
model:
  path: ./model
code_configuration:
  code: ./src/
  scoring_script: score.py
environment:
  conda_file: ./environment/conda.yml
  image: registry.example/azureml/base:latest
instance_type: defaultinstancetype
request_settings: {request_timeout_ms: 200000, max_queue_wait_ms: 3000}
resources:
  requests: {cpu: 0.1, memory: 0.1Gi}
  limits: {cpu: "0.2", memory: 200Mi, nvidia.com/gpu: 1}
scale_settings: {type: target_utilization, min_instances: 1, max_instances: 3}
"""


def test_a_kubernetes_deployment_is_read_with_a_warning_for_what_is_not_acted_on(folder: Path):
    """A file of the form that Azure's Kubernetes examples have works as it is."""
    loaded = load_deployment(write(folder, KUBERNETES))

    keys = [line.split(": ")[1] for line in loaded.warnings]
    assert loaded.spec.kind == "kubernetes"
    assert loaded.spec.timeout_s == 200.0
    assert keys == [
        "environment",
        "request_settings.max_queue_wait_ms",
    ]


def test_values_of_variables_and_tags_are_text_as_written(folder: Path):
    """Numbers and booleans need no quotes, and nothing of them is lost."""
    more = "environment_variables: {A: 1.10, B: true, C: yes, D: 010, E: , F: 2020-01-01}\n"

    spec = load_deployment(write(folder, BLUE + more)).spec

    assert spec.environment_variables == {
        "A": "1.10", "B": "true", "C": "yes", "D": "010", "E": "", "F": "2020-01-01"
    }  # fmt: skip


def test_keys_that_are_not_acted_on_are_named(folder: Path):
    """A warning names the outermost key, once, and where it stands."""
    more = (
        "app_insights_enabled: true\ndata_collector:\n  sampling_rate: 0.5\n  rolling_rate: Day\n"
    )
    path = write(folder, BLUE + more)

    loaded = load_deployment(path)

    collector = "data_collector: accepted, not enforced yet"
    insights = "app_insights_enabled: accepted, not enforced yet"
    assert loaded.warnings == [f"{path}:9: {insights}", f"{path}:10: {collector}"]


def test_the_command_line_wins_over_the_file(folder: Path):
    """`--set` and `--name` change what the file says, by the same rules."""
    path = write(folder, BLUE)
    changes = ["instance_count=3", "environment_variables.WORKER_COUNT=4", "mesh.python=../py"]

    spec = load_deployment(path, overrides=changes, given={"name": "green"}).spec

    assert (spec.name, spec.instance_count, spec.worker_count) == ("green", 3, 4)
    assert spec.mesh.python == str(folder.parent / "py")


def test_what_the_command_line_breaks_is_told_by_its_option(folder: Path):
    """The file is not blamed for it."""
    path = write(folder, BLUE)

    with pytest.raises(SpecError) as refused:
        load_deployment(path, overrides=["instance_count=99"], given={"name": "b"})

    first, second = str(refused.value).splitlines()
    assert first.startswith("--name: 'b': must be 3-32 characters")
    assert second == "--set instance_count: 99: must be between 1 and 50"


def test_a_spec_survives_its_own_values(folder: Path):
    """What `show` prints can be changed and read again, when the folders are gone."""
    spec = load_deployment(write(folder, BLUE)).spec
    (folder / "model").unlink()

    again = deployment_from_values(msgspec.to_builtins(spec), overrides=["mesh.max_attempts=2"])

    assert again.spec == msgspec.structs.replace(spec, mesh=MeshOptions(max_attempts=2))


def test_an_endpoint_is_made_of_values():
    """The management SDK goes through the same rules."""
    with pytest.raises(SpecError, match=r"^endpoint: traffic: 50: must sum to 0 or 100$"):
        endpoint_from_values({"name": "iris"}, overrides=["traffic.blue=50"])


def test_a_command_on_path_is_no_path(folder: Path):
    """`mesh.python: python3.10` is looked up where the worker runs."""
    spec = load_deployment(write(folder, BLUE + "mesh: {python: python3.10}\n")).spec

    assert spec.mesh.python == "python3.10"


def test_a_kubernetes_deployment_has_no_egress_switch():
    """Managed deployments alone have it."""
    values = {"name": "blue", "endpoint_name": "iris", "egress_public_network_access": "disabled"}
    code = {"code": "/src", "scoring_script": "score.py"}

    with pytest.raises(SpecError, match="only managed deployments have it"):
        deployment_from_values({**values, "type": "kubernetes", "code_configuration": code})


def test_a_file_that_is_too_large_is_refused(tmp_path: Path):
    """Nobody's endpoint has a mebibyte of YAML; a wrong path may."""
    with pytest.raises(SpecError, match="must be at most 1048576 bytes"):
        load_endpoint(write(tmp_path, "#" * (1 << 20) + "\n"))


def test_a_file_that_is_not_there_is_a_spec_error(tmp_path: Path):
    """The message names the file."""
    with pytest.raises(SpecError, match=r"none.yml: cannot be read: No such file"):
        load_endpoint(tmp_path / "none.yml")
