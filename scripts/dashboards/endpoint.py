"""One endpoint, its deployments beside each other: is green as good as blue?"""

from __future__ import annotations

from scripts.dashboards.board import Board, Chart, Query, Row, Variable, quantile, rate
from scripts.dashboards.overview import FAILED, LATENCY, REQUESTS, TOTAL

ENDPOINT = 'endpoint="$endpoint"'
HERE = ENDPOINT + ',deployment=~"$deployment"'
ROUTED = ENDPOINT + ',deployment!=""'
NOT_2XX = HERE + ',status!~"2.."'
REFUSED = HERE + ',outcome!="accepted"'
NOTHING = "none"


def per_deployment(metric: str, matchers: str = "") -> str:
    """Return the rate of a counter by deployment."""
    return f"sum by (deployment) ({rate(metric, ','.join(filter(None, (HERE, matchers))))})"


def gauge(metric: str, more: str = "") -> str:
    """Return a gauge summed by deployment, and by more labels."""
    return f"sum by (deployment{more}) ({metric}{{{HERE}}})"


TRAFFIC = (
    Chart(
        "Requests per second",
        "Requests of clients that were given to each deployment. Copies for a mirror are apart.",
        (Query(per_deployment(REQUESTS), "{{deployment}}"),),
        unit="reqps",
    ),
    Chart(
        "Share of the traffic",
        "What each deployment got of all requests; compare with the weights of `mesh endpoint "
        "show`.",
        (
            Query(
                f"{per_deployment(REQUESTS)} / on () group_left () "
                f"(sum({rate(REQUESTS, ROUTED)}) > 0)",
                "{{deployment}}",
            ),
        ),
        unit="percentunit", kind="stack", top=1.0, no_value="no traffic",
    ),
    Chart(
        "Copies for a mirror deployment",
        "By what became of them. copied: the queue has it; refused: its queue is full or the "
        "broker away; unconfirmed: nobody knows. Clients never notice.",
        (
            Query(
                f"sum by (deployment, outcome) ({rate('mesh_gateway_mirrored_total', HERE)})",
                "{{deployment}} {{outcome}}",
            ),
        ),
        unit="reqps", no_value=NOTHING,
    ),
)  # fmt: skip

TIMES = (
    Chart(
        "Where the time goes in $deployment",
        "Of requests of clients. total: at the gateway, all in all; queued: until it began in a "
        "slot; run: in run() of the scoring script. A high queued with a low run asks for more "
        "instances.",
        tuple(
            Query(
                quantile(part, LATENCY, HERE, "le, part"), "{{part}} p" + f"{part * 100:g}"
            )
            for part in (0.5, 0.95)
        ),
        unit="s", width=24, each="deployment",
    ),
    Chart(
        "p99 latency",
        "99 of 100 requests of clients were answered faster.",
        (Query(quantile(0.99, LATENCY, f"{HERE},{TOTAL}", "le, deployment"), "{{deployment}}"),),
        unit="s", width=12,
    ),
    Chart(
        "p95 of run(), mirrored copies included",
        "As the workers measure it: a mirror deployment is compared here before it gets traffic.",
        (
            Query(
                quantile(0.95, "mesh_worker_run_seconds", HERE, "le, deployment"),
                "{{deployment}}",
            ),
        ),
        unit="s", width=12,
    ),
)  # fmt: skip

ERRORS = (
    Chart(
        "Failed",
        "Share of each deployment's requests that were answered with 424, 429 or 5xx.",
        (
            Query(
                f"({per_deployment(REQUESTS, FAILED)} or 0 * {per_deployment(REQUESTS)}) "
                f"/ ({per_deployment(REQUESTS)} > 0)",
                "{{deployment}}",
            ),
        ),
        unit="percentunit", warn=0.01, bad=0.05,
    ),
    Chart(
        "Errors per second by status",
        "424: the script raised or answered with an error; 429: the queue is full; 503: no "
        "instance, or the broker away; 504: the deadline passed; 499: the client went away.",
        (
            Query(
                f"sum by (deployment, status) ({rate(REQUESTS, NOT_2XX)})",
                "{{deployment}} {{status}}",
            ),
        ),
        unit="reqps", no_value=NOTHING,
    ),
    Chart(
        "Turned away at the door",
        "refused: the queue is full, or nobody could ever answer; timed_out: no answer before "
        "the deadline.",
        (
            Query(
                f"sum by (deployment, outcome) ({rate('mesh_gateway_offered_total', REFUSED)})",
                "{{deployment}} {{outcome}}",
            ),
        ),
        unit="reqps",
    ),
    Chart(
        "How requests end in the workers",
        "Copies included. ok and model_error ran; expired, cancelled and handed_back did not "
        "begin or nobody waited any more; dead were given up after three attempts.",
        (
            Query(
                f"sum by (deployment, outcome) ({rate('mesh_worker_requests_total', HERE)})",
                "{{deployment}} {{outcome}}",
            ),
        ),
        unit="reqps", width=12,
    ),
    Chart(
        "Second attempts and dead letters, last hour",
        "redelivered: requests that came again because their worker was lost, or gave them back; "
        "dead: given up, they are in the stream DEAD.",
        (
            Query(
                f"sum by (deployment) (increase(mesh_worker_redelivered_total{{{HERE}}}[1h]))",
                "{{deployment}} redelivered",
            ),
            Query(
                "sum by (deployment) "
                f'(increase(mesh_worker_requests_total{{{HERE},outcome="dead"}}[1h]))',
                "{{deployment}} dead",
            ),
        ),
        width=12,
    ),
)  # fmt: skip

INSTANCES = (
    Chart(
        "Instances by state",
        "starting: loads its model; draining: ends what it has; failed: `mesh deployment show` "
        "tells why.",
        (Query(gauge("mesh_instances", ", state"), "{{deployment}} {{state}}"),),
        kind="stack",
    ),
    Chart(
        "Slots in use",
        "Share of what the instances can run at once. At 100 % requests wait in the queue.",
        (
            Query(
                f"{gauge('mesh_worker_in_flight')} / {gauge('mesh_worker_slots')}",
                "{{deployment}}",
            ),
        ),
        unit="percentunit", top=1.0, warn=0.8, bad=0.95,
    ),
    Chart(
        "Requests queued, by lane",
        "Waiting or being worked on. interactive: a client waits on HTTP; queued: put onto the "
        "queue by a producer.",
        (Query(gauge("mesh_queue_depth", ", lane"), "{{deployment}} {{lane}}"),),
    ),
    Chart(
        "Requests held, by instance",
        "Taken from the queue: those that run and a few more that hide the round trip.",
        (Query(gauge("mesh_worker_held", ", mesh_instance"), "{{deployment}} {{mesh_instance}}"),),
    ),
    Chart(
        "CPU by instance",
        "Cores that worker and runners use.",
        (
            Query(
                gauge("mesh_worker_cpu_cores", ", mesh_instance"),
                "{{deployment}} {{mesh_instance}}",
            ),
        ),
        unit="suffix: cores",
    ),
    Chart(
        "Memory by instance",
        "Resident memory of worker and runners. A line that only rises is a leak in the script.",
        (
            Query(
                gauge("mesh_worker_memory_bytes", ", mesh_instance"),
                "{{deployment}} {{mesh_instance}}",
            ),
        ),
        unit="bytes",
    ),
)  # fmt: skip

GPUS = (
    Chart(
        "GPU in use",
        "Share of the last moments in which the GPU worked, of all processes on it. Empty where "
        "there is none.",
        (
            Query(
                f"max by (deployment, mesh_instance, gpu) (mesh_gpu_utilization_ratio{{{HERE}}})",
                "{{deployment}} {{mesh_instance}} {{gpu}}",
            ),
        ),
        unit="percentunit", width=12, top=1.0, no_value="no GPU",
    ),
    Chart(
        "GPU memory in use",
        "Of all processes on the GPU, against what it has.",
        (
            Query(
                f"max by (deployment, mesh_instance, gpu) (mesh_gpu_memory_bytes{{{HERE}}})",
                "{{deployment}} {{mesh_instance}} {{gpu}} used",
            ),
            Query(
                f"max by (gpu) (mesh_gpu_memory_total_bytes{{{HERE}}})",
                "{{gpu}} all",
            ),
        ),
        unit="bytes", width=12, no_value="no GPU",
    ),
)  # fmt: skip

BOARD = Board(
    uid="mesh-endpoint",
    title="Mesh: endpoint",
    text="One endpoint, its deployments beside each other: traffic, where the time goes, errors.",
    variables=(
        Variable(
            "endpoint",
            "label_values(mesh_instances_wanted, endpoint)",
            "Which endpoint.",
            many=False,
        ),
        Variable(
            "deployment",
            'label_values(mesh_instances_wanted{endpoint="$endpoint"}, deployment)',
            "Which of its deployments.",
        ),
    ),
    rows=(
        Row("Traffic", TRAFFIC),
        Row("Time", TIMES),
        Row("Errors", ERRORS),
        Row("Instances", INSTANCES),
        Row("GPU", GPUS),
    ),
)
