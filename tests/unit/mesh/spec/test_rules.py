"""The rules that both the YAML loader and the management service apply."""

import msgspec
import pytest

from mesh.errors import SpecError
from mesh.spec.collector import Collection, DataCollector
from mesh.spec.deployment import (
    CodeConfiguration,
    DeploymentSpec,
    MeshOptions,
    RequestSettings,
    Resources,
    ScaleSettings,
)
from mesh.spec.deployment_rules import deployment_violations
from mesh.spec.endpoint import EndpointSpec
from mesh.spec.endpoint_rules import deployment_limit_violations, endpoint_violations
from mesh.spec.options import RetryOptions
from mesh.spec.quantity import quantity
from mesh.spec.queries import QuerySettings
from mesh.spec.runtime import ResourceAmounts
from mesh.spec.violation import Violation, path_text, raise_violations
from mesh.spec.warmup import WarmupOptions

BLUE = DeploymentSpec(
    name="blue",
    endpoint_name="iris",
    code_configuration=CodeConfiguration(code="/src", scoring_script="score.py"),
)
TWENTY = [f"dep-{index}" for index in range(20)]


def broken(spec: DeploymentSpec) -> list[str]:
    return [path_text(violation.path) for violation in deployment_violations(spec)]


def test_a_deployment_with_traffic_must_exist():
    """Traffic can name only deployments that the endpoint has; 0 is as good as absent."""
    spec = EndpointSpec(name="iris", traffic={"blue": 100, "gone": 0}, mirror_traffic={"red": 5})

    texts = [str(violation) for violation in endpoint_violations(spec, {"blue"})]

    assert texts == ["mirror_traffic.red: 5: iris has no deployment 'red'; it has: blue"]
    assert endpoint_violations(spec) == []


def test_an_endpoint_has_at_most_twenty_deployments():
    """The twenty-first is refused; replacing one of twenty is not."""
    assert deployment_limit_violations(TWENTY[:19], "new") == []
    assert deployment_limit_violations(TWENTY, "dep-3") == []
    assert "at most 20 deployments" in str(deployment_limit_violations(TWENTY, "new")[0])


def test_a_split_over_more_than_twenty_names_is_refused():
    """Zero entries count: they name deployments too."""
    spec = EndpointSpec(name="iris", traffic={**dict.fromkeys(TWENTY, 5), "one-more": 0})

    assert [path_text(v.path) for v in endpoint_violations(spec)] == ["traffic"]


@pytest.mark.parametrize(("kind", "longest_ms"), [("managed", 180_000), ("kubernetes", 300_000)])
def test_the_longest_timeout_depends_on_the_kind(kind: str, longest_ms: int):
    """180 s for managed deployments, 300 s for kubernetes ones."""
    for over, expected in ((0, []), (1, ["request_settings.request_timeout_ms"])):
        settings = RequestSettings(request_timeout_ms=longest_ms + over)
        spec = msgspec.structs.replace(BLUE, kind=kind, request_settings=settings)

        assert broken(spec) == expected


def test_kubernetes_names_are_at_most_62_characters_together():
    """One more is refused, for kubernetes alone."""
    long = msgspec.structs.replace(BLUE, name="a" * 31, endpoint_name="b" * 32)

    assert broken(long) == []
    assert broken(msgspec.structs.replace(long, kind="kubernetes")) == ["name"]


def test_resources_ask_for_no_more_than_their_limits():
    """Amounts are compared across their units."""
    resources = Resources(
        requests=ResourceAmounts(cpu="500m", memory="2Gi", gpu="x"),
        limits=ResourceAmounts(cpu="1", memory="2000M"),
    )
    spec = msgspec.structs.replace(BLUE, kind="kubernetes", resources=resources)

    expected = ["resources.requests[nvidia.com/gpu]", "resources.requests.memory"]
    assert broken(spec) == expected


def test_gpus_are_whole_or_a_fraction_of_one():
    """As an instance type has them: one and a half cannot be given."""
    kube = msgspec.structs.replace(BLUE, kind="kubernetes")
    one_and_a_half, half = (
        msgspec.structs.replace(kube, resources=Resources(limits=ResourceAmounts(gpu=text)))
        for text in ("1.5", "500m")
    )

    assert broken(one_and_a_half) == ["resources.limits[nvidia.com/gpu]"]
    assert broken(half) == []


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2", 2.0),
        ("500m", 0.5),
        ("1.5k", 1500.0),
        ("1Gi", float(1 << 30)),
        ("1G", 1e9),
        ("", None),
        ("Gi", None),
        ("-1", None),
        ("1gi", None),
        ("1 2", None),
    ],
)
def test_quantities_are_read(text: str, amount: float | None):
    """Kubernetes units, decimal and binary."""
    assert quantity(text) == amount


@pytest.mark.parametrize(
    ("scale", "keys"),
    [
        pytest.param({"min_instances": 0, "max_instances": 50}, [], id="within bounds"),
        pytest.param({"min_instances": 3, "max_instances": 2}, ["min_instances"], id="order"),
        pytest.param({"max_instances": 51}, ["max_instances"], id="more than managed may have"),
    ],
)
def test_the_bounds_of_scaling(scale: dict[str, int], keys: list[str]):
    """At most 50 instances of a managed deployment, and no fewer than the fewest."""
    settings = ScaleSettings(type="target_utilization", **scale)
    spec = msgspec.structs.replace(BLUE, scale_settings=settings)

    assert broken(spec) == [f"scale_settings.{key}" for key in keys]


def test_queries_have_names_of_their_own_and_addresses_that_can_be():
    """The name is the key under which a value is kept."""
    queries = [
        QuerySettings(name="load", query="a", target=1, prometheus_url="https://p.corp/base"),
        QuerySettings(name="load", query="b", target=1),
        QuerySettings(name="other", query="c", target=1, prometheus_url="p:9090"),
        QuerySettings(name="third", query="d", target=1, prometheus_url="http://p:x"),
    ]
    scale = ScaleSettings(type="target_utilization", queries=queries)

    assert broken(msgspec.structs.replace(BLUE, scale_settings=scale)) == [
        "scale_settings.queries[1].name",
        "scale_settings.queries[2].prometheus_url",
        "scale_settings.queries[3].prometheus_url",
    ]


def test_first_delay_between_runs_is_at_most_the_longest():
    """A longest delay that is shorter would never be told of."""
    options = MeshOptions(retry=RetryOptions(initial_delay_s=5, max_delay_s=2))

    assert broken(msgspec.structs.replace(BLUE, mesh=options)) == ["mesh.retry.initial_delay_s"]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        pytest.param({"body": "[]"}, [], id="a body"),
        pytest.param({"file": "samples/one.json"}, [], id="a file"),
        pytest.param({"sample": "recorded"}, [], id="a request of callers"),
        pytest.param({}, [""], id="neither"),
        pytest.param({"body": "[]", "file": "one.json"}, [""], id="both"),
        pytest.param({"file": "../one.json"}, [".file"], id="outside"),
        pytest.param({"file": "/one.json"}, [".file"], id="anywhere"),
        pytest.param({"body": "", "path": "score"}, [".path"], id="no path"),
        pytest.param({"body": "", "content_type": "a\nb"}, [".content_type"], id="two lines"),
    ],
)
def test_a_warm_up_has_one_body(options: dict[str, str], keys: list[str]):
    """Given here or in a file of the deployment's own folder."""
    mesh = MeshOptions(warmup=WarmupOptions(**options))

    assert broken(msgspec.structs.replace(BLUE, mesh=mesh)) == [f"mesh.warmup{key}" for key in keys]


def test_a_count_that_does_not_follow_the_load_has_no_bounds():
    """Keys without effect are refused, not passed over."""
    scale = ScaleSettings(max_instances=4, target_wait_ms=100)
    spec = msgspec.structs.replace(BLUE, scale_settings=scale)

    assert broken(spec) == ["scale_settings.max_instances", "scale_settings.target_wait_ms"]


@pytest.mark.parametrize(
    ("scale", "percent"),
    [
        pytest.param({}, 70, id="alone"),
        pytest.param({"target_wait_ms": 100}, None, id="another target"),
        pytest.param({"target_wait_ms": 100, "target_utilization_percentage": 80}, 80, id="both"),
    ],
)
def test_utilization_counts_unless_others_stand_for_it(scale: dict[str, int], percent: int | None):
    """It would always win: a target of a wait allows a queue, which utilization does not."""
    settings = ScaleSettings(type="target_utilization", **scale)

    assert settings.utilization_percentage == percent


def test_at_most_five_custom_collections():
    """`request` and `response` do not count."""
    names = [*(f"c{index}" for index in range(5)), "request", "response"]
    collector = DataCollector(collections=dict.fromkeys(names, Collection()))
    fits = msgspec.structs.replace(BLUE, data_collector=collector)
    more = DataCollector(collections=dict.fromkeys([*names, "c5"], Collection()))

    assert broken(fits) == []
    assert broken(msgspec.structs.replace(BLUE, data_collector=more))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code_configuration", None),
        ("environment_variables", {"A=B": "x"}),
        ("environment_variables", {"A": "\0"}),
        ("environment_variables", {"WORKER_COUNT": "9" * 5000}),
    ],
)
def test_what_no_process_could_start_with_is_refused(field: str, value: object):
    """A script there must be, and variables that the operating system takes."""
    assert len(broken(msgspec.structs.replace(BLUE, **{field: value}))) == 1


@pytest.mark.parametrize(
    ("device", "value", "fits"),
    [("cpu", "", True), ("cpu", "-1", True), ("cpu", "0", False), ("cuda", "", False)],
)
def test_the_mesh_alone_assigns_gpus(device, value, fits):
    """A deployment may hide them, never choose one: the launcher counts who has which."""
    spec = msgspec.structs.replace(
        BLUE, mesh=MeshOptions(device=device), environment_variables={"CUDA_VISIBLE_DEVICES": value}
    )

    assert broken(spec) == ([] if fits else ["environment_variables.CUDA_VISIBLE_DEVICES"])


def test_violations_are_raised_together():
    """One error, a line for each; none if there is none."""
    raise_violations([])
    broken = [Violation(("a", 0), 1, "no"), Violation(("b",), "x", "n")]

    with pytest.raises(SpecError) as refused:
        raise_violations(broken)

    assert str(refused.value) == "a[0]: 1: no\nb: 'x': n"
