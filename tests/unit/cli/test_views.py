"""How endpoints and deployments look to people."""

import pytest
from msgspec.structs import replace
from rich.console import Console

from mesh.api import DeploymentView, EndpointView, InstanceView, ScalingView
from mesh.capacity_api import InstanceTypeView
from mesh.cli.capacityviews import type_list
from mesh.cli.exits import DeploymentFailedError
from mesh.cli.settle import next_text, refuse_failed
from mesh.cli.views import (
    artifact_text,
    curl_text,
    deployment_details,
    deployment_list,
    endpoint_details,
    progress_text,
    size_text,
)
from mesh.figures import GpuFigures
from mesh.records import Artifact
from mesh.scaling.observation import Observation

URI = "http://127.0.0.1:8080/endpoints/iris/score"


def deployment(**changes):
    known = {
        "name": "blue",
        "endpoint_name": "iris",
        "provisioning_state": "Succeeded",
        "generation": 1,
        "serving_generation": 1,
        "instance_count": 2,
        "ready_instances": 2,
    }
    return DeploymentView(**known | changes)


def endpoint(**changes):
    known = {
        "name": "iris",
        "kind": "managed",
        "auth_mode": "key",
        "provisioning_state": "Succeeded",
        "scoring_uri": URI,
    }
    return EndpointView(**known | changes)


def text_of(renderable, width=300):
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_endpoint_shows_its_split_as_the_option_takes_it():
    """The split is printed the way `--traffic` takes it; deployments without any are left out."""
    text = text_of(endpoint_details(endpoint(traffic={"blue": 90, "green": 10, "red": 0})))

    assert "blue=90 green=10" in text
    assert "red" not in text


def test_deployment_list_shows_the_error_itself():
    """Below the rows is room for one line of a traceback: the error."""
    reason = 'Traceback (most recent call last):\n  File "score.py"\nValueError: no model\n'
    failed = deployment(provisioning_state="Failed", reason=reason, ready_instances=0)

    text = text_of(deployment_list([failed]))

    assert "iris/blue: ValueError: no model" in text
    assert "0/2" in text
    assert "Traceback" not in text


def test_deployment_details_show_the_whole_reason_and_instances():
    """`show` keeps the traceback whole, and lists each instance."""
    instance = InstanceView(instance="i1", generation=1, state="ready", slots=4, pid=7)
    view = deployment(reason="Traceback\nValueError: no", instances=[instance])

    text = text_of(deployment_details(view))

    assert "Traceback" in text
    assert "ValueError: no" in text
    assert "i1" in text
    assert "0/4" in text


def test_the_gpu_is_shown_where_there_is_one():
    """A column more, and only then."""
    plain = InstanceView(instance="g1-a", generation=1, state="ready")
    gpu = GpuFigures(
        uuid="GPU-a", name="A100", percent=37, memory_bytes=4 << 30, memory_total_bytes=80 << 30
    )

    shown = text_of(deployment_details(deployment(instances=[replace(plain, gpu=gpu)])))

    assert "A100 37% 4.0 GiB of 80.0 GiB" in shown
    assert "GPU" not in text_of(deployment_details(deployment(instances=[plain])))


def test_deployment_details_show_the_bounds_and_why():
    """Where the count follows the load it is said between what, and why it is what it is."""
    scaling = ScalingView(min_instances=0, max_instances=4, reason="no requests for 20 s")

    text = text_of(deployment_details(deployment(instance_count=0, scaling=scaling)))

    assert "0 to 4 instances: no requests for 20 s" in text
    assert "Scaling" not in text_of(deployment_details(deployment()))


def test_deployment_details_show_the_profile():
    """Which one applies, where there are profiles, and what keeps its rules."""
    said = "usual, 2 to 5 instances; cooling down for 60 s"
    scaling = ScalingView(min_instances=2, max_instances=5, profile=said)

    assert said in text_of(deployment_details(deployment(scaling=scaling)))
    plain = ScalingView(min_instances=2, max_instances=5)
    assert "Profile" not in text_of(deployment_details(deployment(scaling=plain)))


def test_deployment_details_show_what_the_count_follows():
    """What is known on one line; what is not known is said why."""
    seen = Observation(
        current=1, depth=3, offered_per_s=12.5, latency_s={95: 0.04}, queries={"load": 7.0}
    )
    scaling = ScalingView(min_instances=0, max_instances=4, seen=seen, notes=["query cpu: dead"])

    text = text_of(deployment_details(deployment(scaling=scaling)))

    assert "3 queued or running, 12.5 requests/s offered, 95% within 40 ms, load 7" in text
    assert "query cpu: dead" in text


def test_progress_is_one_line():
    """While waiting there is one line, with the newest reason at its end."""
    view = deployment(provisioning_state="Creating", ready_instances=1, reason="a\nb")

    assert progress_text(view) == "Creating, 1 of 2 ready: a"


def test_progress_says_who_serves_meanwhile():
    """During an update the older generation goes on serving, and that is said."""
    view = deployment(provisioning_state="Updating", generation=2)

    assert "generation 1 serves until 2 is ready" in progress_text(view)


def test_progress_shows_both_generations():
    """How many of the new ones are ready, and how many of the old ones still are."""
    old = [InstanceView(instance=name, generation=1, state="ready") for name in "abc"]
    new = [InstanceView(instance="d", generation=2, state="ready")]
    new += [InstanceView(instance="e", generation=2, state="probation")]
    view = deployment(
        provisioning_state="Updating", generation=2, instance_count=4, instances=old + new
    )

    assert progress_text(view).startswith("Updating, new 1 of 4 ready, old 3 ready, ")
    assert "new 1 of 4 ready, old 3 ready" in text_of(deployment_details(view))


def test_progress_promises_nothing_of_what_has_failed():
    """A generation that has failed will not be ready; the older one goes on."""
    view = deployment(provisioning_state="Failed", generation=2)

    assert progress_text(view).endswith("generation 1 serves")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        pytest.param("Updating", "0 of 2 ready", id="the new one is awaited"),
        pytest.param("Failed", "2 of 2 ready", id="the old one goes on"),
    ],
)
def test_ready_counts_the_generation_that_matters(state, text):
    """During an update instances of both generations are ready; they are not added up."""
    old = [InstanceView(instance=name, generation=1, state="ready") for name in "ab"]
    view = deployment(provisioning_state=state, generation=2, ready_instances=2, instances=old)

    assert text in progress_text(view)


def test_curl_holds_no_key():
    """The command to paste looks the key up; keys do not land in a shell's history."""
    text = curl_text(endpoint())

    assert text.startswith(f"curl {URI} -H")
    assert "$(mesh endpoint get-credentials -n iris --query primaryKey -o tsv)" in text


def test_a_failed_deployment_is_an_error_with_its_traceback():
    """The reason is told whole, and who goes on serving."""
    view = deployment(provisioning_state="Failed", generation=2, reason="Traceback\nKeyError: 1")

    with pytest.raises(DeploymentFailedError) as caught:
        refuse_failed(view)

    assert "generation 1 goes on serving" in str(caught.value)
    assert str(caught.value).endswith("Traceback\nKeyError: 1")


def test_a_deployment_without_traffic_is_called_by_name():
    """Who has just been deployed beside another learns how to reach it."""
    text = next_text(deployment(), endpoint())

    assert "azureml-model-deployment: blue" in text
    assert '--traffic "blue=100"' in text


def test_a_deployment_beside_another_is_given_a_tenth_at_first():
    """The command that is proposed takes nobody off the air."""
    text = next_text(deployment(name="green"), endpoint(traffic={"blue": 70, "red": 30}))

    assert '--traffic "blue=60 red=30 green=10"' in text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")]
)
def test_sizes_are_short(size, text):
    """Sizes are in the largest unit that leaves a digit before the point."""
    assert size_text(size) == text


def test_artifacts_show_name_digest_and_size():
    """A stored folder is known by its name and the start of its digest."""
    artifact = Artifact(digest="0123456789abcdef", size_bytes=2048, files=3, entry="src")

    assert artifact_text(artifact) == "src 0123456789ab (3 files, 2.0 KiB)"


def test_names_of_instance_types_are_whole():
    """The longest name of Azure's is on one line at 80 columns: people copy it."""
    view = InstanceTypeView(
        name="Standard_NC80adis_H100_v5", family="StandardNCadsH100v5Family",
        cores=80, memory_gib=640, gpus=2, gpu_memory_gib=94, price_per_hour=13.96, exempt=False,
    )  # fmt: skip

    text = text_of(type_list([view]), width=80)

    assert "Standard_NC80adis_H100_v5  80     640 GiB  2x94 GiB  13.96" in text
